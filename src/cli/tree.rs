// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All commands as one tree: what man pages and completions are made from.

use super::command::{Entry, GROUPS, group_flags, split_path};
use super::{COMMANDS, globals, help};
use crate::engine::Dialect;

/// The whole tree of commands: what man pages are made from.
pub(crate) fn tree() -> clap::Command {
    let mut root = globals::definition()
        .about(help::PROGRAM_ABOUT)
        .override_usage("coracle [options] [command]");
    for group in GROUPS {
        let (parent, name) = split_path(group.name);
        let definition = group_flags(group.name).unwrap_or_else(|| globals::bare_command(name));
        let command = definition
            .about(group.about)
            .override_usage(format!("coracle {} [command]", group.name))
            .subcommand_required(true);
        root = add_below(root, parent, command);
    }
    for entry in COMMANDS.iter().copied().flatten() {
        root = plant(root, entry);
    }
    root
}

/// Adds `entry` to the tree: once below each parent, its other names there as aliases.
fn plant(mut root: clap::Command, entry: &'static Entry) -> clap::Command {
    let mut parents: Vec<&str> = entry.paths.iter().map(|path| split_path(path).0).collect();
    parents.dedup();
    for parent in parents {
        let mut names = entry.names_below(parent).into_iter();
        let Some(name) = names.next() else { continue };
        let definition = entry.definition(name, Dialect::Podman);
        let usage = help::usage("coracle", entry, entry.paths[0], &definition);
        let command = definition
            .visible_aliases(names)
            .override_usage(usage)
            .after_help(help::examples("coracle", entry));
        root = add_below(root, parent, command);
    }
    root
}

/// Adds `command` below the group at `path`, which is in the tree already.
fn add_below(root: clap::Command, path: &'static str, command: clap::Command) -> clap::Command {
    match path.split_once(' ') {
        _ if path.is_empty() => root.subcommand(command),
        None => root.mut_subcommand(path, |group| group.subcommand(command)),
        Some((outer, inner)) => {
            root.mut_subcommand(outer, |group| add_below(group, inner, command))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_tree_is_sound() {
        tree().debug_assert();
    }
}
