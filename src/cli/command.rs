// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table of commands: what each is called, takes and does.
//!
//! A command's flags are only built when that command is called: the whole tree would cost every
//! call a millisecond.

use super::pflag::FlagError;
use super::runtime::{self, RuntimeCall, RuntimeCommand};
use super::{COMMANDS, CommandResult, Context, Failure, globals};
use crate::engine::Dialect;

/// One command: a clap struct with its handler.
pub(crate) trait Subcommand: clap::Args {
    /// Every path that names it, the canonical one first: `&["ps", "container ps", "container ls"]`.
    const PATHS: &'static [&'static str];
    /// One line for the list of commands.
    const ABOUT: &'static str;
    /// What stands after `[options]` in the usage line, where the words' own names do not do.
    const USAGE: Option<&'static str> = None;
    /// Lines for help, without the program's name: `ps -a --format json`.
    const EXAMPLES: &'static [&'static str] = &[];
    /// Flags of features that are not there yet, refused by name.
    const NOT_YET: &'static [NotYet] = &[];

    /// Changes the flags for a dialect: `logs -n` counts lines in docker's, names in podman's.
    fn adapt(definition: clap::Command, _dialect: Dialect) -> clap::Command {
        definition
    }

    /// Begins what takes long and needs none of the flags, before they are taken apart.
    fn begin(_context: &Context) {}

    /// Runs the command; the value is the exit code of the process.
    fn run(self, context: &Context) -> CommandResult;
}

/// A flag that people know and coracle does not have yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotYet {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
}

impl NotYet {
    /// A flag without a short name.
    pub(crate) const fn long(long: &'static str) -> Self {
        Self { long, short: None }
    }
}

/// A row of the table of commands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) paths: &'static [&'static str],
    pub(crate) about: &'static str,
    pub(crate) usage: Option<&'static str>,
    pub(crate) examples: &'static [&'static str],
    pub(crate) not_yet: &'static [NotYet],
    pub(crate) define: fn(clap::Command) -> clap::Command,
    pub(crate) adapt: fn(clap::Command, Dialect) -> clap::Command,
    pub(crate) run: Handler,
}

/// Who runs a command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Handler {
    /// A handler with the user's store.
    Engine {
        begin: fn(&Context),
        run: fn(&clap::ArgMatches, &Context) -> CommandResult,
    },
    /// A handler of the group `runtime`.
    Runtime(fn(&clap::ArgMatches, &RuntimeCall) -> CommandResult),
}

impl Entry {
    /// The row of the command `C`.
    pub(crate) const fn of<C: Subcommand>() -> Self {
        Self {
            paths: C::PATHS,
            about: C::ABOUT,
            usage: C::USAGE,
            examples: C::EXAMPLES,
            not_yet: C::NOT_YET,
            define: C::augment_args,
            adapt: C::adapt,
            run: Handler::Engine {
                begin: C::begin,
                run: run::<C>,
            },
        }
    }

    /// The row of the runtime's command `C`.
    pub(crate) const fn of_runtime<C: RuntimeCommand>() -> Self {
        Self {
            paths: C::PATHS,
            about: C::ABOUT,
            usage: C::USAGE,
            examples: &[],
            not_yet: &[],
            define: C::augment_args,
            adapt: |definition, _dialect| definition,
            run: Handler::Runtime(run_runtime::<C>),
        }
    }

    /// The clap definition of this command alone, under the name `name`.
    pub(crate) fn definition(&self, name: &'static str, dialect: Dialect) -> clap::Command {
        let bare = globals::bare_command(name);
        (self.adapt)((self.define)(bare), dialect)
            .about(self.about)
            .long_about(None)
    }

    /// Its names below `group`: the one that it has elsewhere first, then the others.
    pub(crate) fn names_below(&self, group: &str) -> Vec<&'static str> {
        let (_, usual) = split_path(self.paths[0]);
        let below = self.paths.iter().map(|path| split_path(path));
        let mut names: Vec<&str> = below
            .filter(|(parent, _)| *parent == group)
            .map(|(_, name)| name)
            .collect();
        names.sort_by_key(|name| *name != usual);
        names
    }

    pub(crate) fn unknown_flag(&self, error: &FlagError, see: &str) -> Failure {
        let not_yet = self.not_yet.iter().find(|flag| match error {
            FlagError::UnknownLong { name } => flag.long == name,
            FlagError::UnknownShort { letter, .. } => flag.short == Some(*letter),
            _ => false,
        });
        match not_yet {
            Some(flag) => Failure::tool(format_args!("--{}: not supported yet", flag.long)),
            None => Failure::usage(format_args!("{error}\n{see}")),
        }
    }
}

fn run<C: Subcommand>(matches: &clap::ArgMatches, context: &Context) -> CommandResult {
    C::from_arg_matches(matches)
        .map_err(Failure::tool)?
        .run(context)
}

fn run_runtime<C: RuntimeCommand>(matches: &clap::ArgMatches, call: &RuntimeCall) -> CommandResult {
    C::from_arg_matches(matches)
        .map_err(Failure::tool)?
        .run(call)
}

/// A group of commands, such as `container`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

/// The management groups.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "artifact",
        about: "Manage OCI artifacts: files that are no images",
    },
    Group {
        name: "container",
        about: "Manage containers",
    },
    Group {
        name: "generate",
        about: "Generate services of systemd from containers and pods",
    },
    Group {
        name: "healthcheck",
        about: "Manage health checks on containers",
    },
    Group {
        name: "image",
        about: "Manage images",
    },
    Group {
        name: "manifest",
        about: "Manipulate manifest lists and image indexes",
    },
    Group {
        name: "network",
        about: "Manage networks",
    },
    Group {
        name: "pod",
        about: "Manage pods",
    },
    Group {
        name: "quadlet",
        about: "Manage quadlet files, which become services of systemd",
    },
    Group {
        name: runtime::GROUP,
        about: "Run containers from OCI bundles, as other engines ask for it",
    },
    Group {
        name: "secret",
        about: "Manage secrets",
    },
    Group {
        name: "system",
        about: "Manage coracle",
    },
    Group {
        name: "system connection",
        about: "Manage destinations of remote services",
    },
    Group {
        name: "volume",
        about: "Manage volumes",
    },
];

pub(crate) fn lookup(path: &str) -> Option<&'static Entry> {
    COMMANDS
        .iter()
        .copied()
        .flatten()
        .find(|entry| entry.paths.contains(&path))
}

/// The flags that every command below `path` takes as well.
pub(crate) fn inherited(path: &str) -> fn() -> clap::Command {
    match path.split(' ').next() {
        Some(runtime::GROUP) => runtime::definition,
        _ => globals::inherited,
    }
}

/// The flags of a group itself: those of the program are not its own.
pub(crate) fn group_flags(name: &str) -> Option<clap::Command> {
    (name == runtime::GROUP).then(runtime::definition)
}

pub(crate) fn is_group(path: &str) -> bool {
    GROUPS.iter().any(|group| group.name == path)
}

/// `container ls` as its group and its name.
pub(crate) fn split_path(path: &'static str) -> (&'static str, &'static str) {
    path.rsplit_once(' ').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_names_two_commands() {
        let mut paths: Vec<_> = COMMANDS
            .iter()
            .copied()
            .flatten()
            .flat_map(|entry| entry.paths)
            .collect();
        paths.sort_unstable();
        let all = paths.len();
        paths.dedup();
        assert_eq!(all, paths.len());
    }

    #[test]
    fn every_group_of_a_path_is_known() {
        for entry in COMMANDS.iter().copied().flatten() {
            for path in entry.paths {
                let (group, _) = split_path(path);
                assert!(group.is_empty() || is_group(group), "{path}");
            }
        }
    }
}
