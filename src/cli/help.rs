// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Help pages in the layout that people and scripts know from docker and podman.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::command::{Entry, GROUPS, Group, group_flags};
use super::globals;
use super::pflag::Order;

/// The first line of the program's own page; Podman's suite looks for these words.
pub(crate) const PROGRAM_ABOUT: &str = "Manage pods, containers and images";

/// The group that other engines call, with flags of runc's; `runtime --help` shows it, and the
/// manual.
const FOR_ENGINES: &str = "runtime";

const HELP_ABOUT: &str = "Help about any command";

/// The page of `help` itself.
pub(crate) fn of_help(program: &str) -> String {
    format!("{HELP_ABOUT}\n\nUsage:\n  {program} help [command]\n")
}

/// Whether a flag names a service elsewhere; `--remote` has no place in help then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remote {
    Named,
    NotNamed,
}

/// The page of the whole program.
pub(crate) fn program(name: &str, commands: &[&[Entry]], remote: Remote) -> String {
    let mut rows: Vec<(&str, &str)> = GROUPS
        .iter()
        .filter(|group| !group.name.contains(' ') && group.name != FOR_ENGINES)
        .map(|group| (group.name, group.about))
        .collect();
    rows.extend(children(commands, ""));
    rows.push(("help", HELP_ABOUT));
    let mut definition = globals::definition();
    if remote == Remote::Named || globals::environment_is_remote() {
        definition = definition.mut_arg("remote", |arg| arg.hide(true));
    }
    let mut page = format!("{PROGRAM_ABOUT}\n\nUsage:\n  {name} [options] [command]\n\n");
    page.push_str(&command_list(rows));
    page.push('\n');
    page.push_str(&options(&definition));
    page
}

/// The page of a management group, such as `container`.
pub(crate) fn group(program: &str, group: &Group, commands: &[&[Entry]]) -> String {
    let mut rows: Vec<(&str, &str)> = GROUPS
        .iter()
        .filter_map(|inner| Some((child_of(inner.name, group.name)?, inner.about)))
        .collect();
    rows.extend(children(commands, group.name));
    let (flags, own) = match group_flags(group.name) {
        Some(definition) => (" [options]", format!("\n{}", options(&definition))),
        None => ("", String::new()),
    };
    format!(
        "{about}\n\nDescription:\n  {about}\n\nUsage:\n  {program} {name}{flags} [command]\n\n{list}{own}",
        about = group.about,
        name = group.name,
        list = command_list(rows),
    )
}

/// The page of one command, called as `path`.
pub(crate) fn command(program: &str, entry: &Entry, path: &str, definition: &Command) -> String {
    let mut page = format!(
        "{}\n\nUsage:\n  {}\n",
        entry.about,
        usage(program, entry, path, definition)
    );
    let aliases: Vec<String> = entry
        .paths
        .iter()
        .map(|alias| format!("{program} {alias}"))
        .collect();
    if aliases.len() > 1 {
        write!(page, "\nAliases:\n  {}\n", aliases.join(", ")).expect("a string takes any text");
    }
    let examples = examples(program, entry);
    if !examples.is_empty() {
        write!(page, "\n{examples}").expect("a string takes any text");
    }
    if has_options(definition) {
        page.push('\n');
        page.push_str(&options(definition));
    }
    page
}

/// The section of examples; empty if there are none.
pub(crate) fn examples(program: &str, entry: &Entry) -> String {
    let mut text = String::new();
    for example in entry.examples {
        writeln!(text, "  {program} {example}").expect("a string takes any text");
    }
    if !text.is_empty() {
        text.insert_str(0, "Examples:\n");
    }
    text
}

/// `coracle run [options] IMAGE [COMMAND [ARG...]]`.
pub(crate) fn usage(program: &str, entry: &Entry, path: &str, definition: &Command) -> String {
    let mut parts = vec![format!("{program} {path}")];
    if has_options(definition) {
        parts.push("[options]".to_owned());
    }
    match entry.usage {
        Some(words) => parts.push(words.to_owned()),
        None => parts.extend(definition.get_positionals().map(word_usage)),
    }
    parts.join(" ")
}

/// How many words a command takes: at least, at most.
pub(crate) fn word_counts(definition: &Command) -> (usize, usize) {
    let mut least = 0;
    let mut most = 0_usize;
    for arg in definition.get_positionals() {
        let range = arg.get_num_args();
        if arg.is_required_set() {
            least += range.map_or(1, |range| range.min_values().max(1));
        }
        let repeats = matches!(arg.get_action(), ArgAction::Append);
        most = most.saturating_add(match range {
            Some(range) => range.max_values(),
            None if repeats => usize::MAX,
            None => 1,
        });
    }
    (least, most)
}

fn word_usage(arg: &Arg) -> String {
    let name = arg
        .get_value_names()
        .and_then(|names| names.first())
        .map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string);
    let repeats = matches!(arg.get_action(), ArgAction::Append);
    match (arg.is_required_set(), repeats) {
        (true, true) => format!("{name} [{name}...]"),
        (true, false) => name,
        (false, true) => format!("[{name}...]"),
        (false, false) => format!("[{name}]"),
    }
}

fn visible_flags(definition: &Command) -> impl Iterator<Item = &Arg> {
    definition
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_hide_set())
}

fn has_options(definition: &Command) -> bool {
    visible_flags(definition).next().is_some()
}

/// The rest of `path` after `group`, if it is one word.
fn child_of<'a>(path: &'a str, group: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(group)?;
    let name = if group.is_empty() {
        rest
    } else {
        rest.strip_prefix(' ')?
    };
    (!name.is_empty() && !name.contains(' ')).then_some(name)
}

fn children<'a>(
    commands: &'a [&'a [Entry]],
    group: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    commands.iter().copied().flatten().filter_map(move |entry| {
        let name = entry.names_below(group).into_iter().next()?;
        Some((name, entry.about))
    })
}

/// The names of what stands below `group`, or of the program's own commands.
pub(crate) fn names_below<'a>(
    commands: &'a [&'a [Entry]],
    group: &'a str,
) -> impl Iterator<Item = &'a str> {
    let groups = GROUPS
        .iter()
        .filter_map(move |inner| child_of(inner.name, group));
    groups.chain(children(commands, group).map(|(name, _)| name))
}

fn command_list(mut rows: Vec<(&str, &str)>) -> String {
    rows.sort_unstable();
    let width = rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0)
        .max(11);
    let mut text = String::from("Available Commands:\n");
    for (name, about) in rows {
        writeln!(text, "  {name:width$} {about}").expect("a string takes any text");
    }
    text
}

fn options(definition: &Command) -> String {
    let mut flags: Vec<&Arg> = visible_flags(definition).collect();
    flags.sort_by_key(|arg| arg.get_long());
    let rows: Vec<(String, String)> = flags
        .iter()
        .map(|arg| (flag_column(arg), flag_help(arg)))
        .collect();
    let width = rows
        .iter()
        .map(|(flag, _)| flag.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::from("Options:\n");
    for (flag, help) in rows {
        writeln!(text, "  {flag:width$}   {help}").expect("a string takes any text");
    }
    text
}

fn flag_column(arg: &Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    let short = arg
        .get_short()
        .map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    match flag_type(arg) {
        Some(kind) => format!("{short}--{long} {kind}"),
        None => format!("{short}--{long}"),
    }
}

/// What pflag writes after the name of a flag that takes a value.
fn flag_type(arg: &Arg) -> Option<String> {
    let repeats = match arg.get_action() {
        ArgAction::Set => false,
        ArgAction::Append => true,
        _ => return None,
    };
    if arg
        .get_num_args()
        .is_some_and(|range| range.min_values() == 0)
    {
        return None;
    }
    let automatic = arg.get_id().as_str().to_uppercase();
    let named = arg
        .get_value_names()
        .and_then(|names| names.first())
        .filter(|name| **name != automatic);
    Some(match named {
        Some(name) => name.to_string(),
        None if repeats && arg.get_value_delimiter().is_some() => "strings".to_owned(),
        None if repeats => "stringArray".to_owned(),
        None => "string".to_owned(),
    })
}

fn flag_help(arg: &Arg) -> String {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let Some(default) = arg.get_default_values().first() {
        let default = default.to_string_lossy();
        if default != "false" && !default.is_empty() {
            write!(help, " (default {default:?})").expect("a string takes any text");
        }
    }
    help
}

/// How many words a command wants, as Docker says it.
pub(crate) fn wanted_words(definition: &Command) -> String {
    let arguments = |count: usize| if count == 1 { "argument" } else { "arguments" };
    match word_counts(definition) {
        (_, 0) => "accepts no arguments".to_owned(),
        (least, most) if least == most => format!("requires {least} {}", arguments(least)),
        (0, most) => format!("requires at most {most} {}", arguments(most)),
        (least, usize::MAX) => format!("requires at least {least} {}", arguments(least)),
        (least, most) => format!("requires at least {least} and at most {most} arguments"),
    }
}

/// What is wrong with `count` words for a command that takes `least` to `most`, in cobra's words.
pub(crate) fn word_count_error(path: &str, definition: &Command, count: usize) -> Option<String> {
    let (least, most) = word_counts(definition);
    if (least..=most).contains(&count) {
        return None;
    }
    Some(match (least, most) {
        (_, 0) => format!("`{path}` takes no arguments"),
        (least, usize::MAX) => {
            format!("requires at least {least} arg(s), only received {count}")
        }
        (least, most) if least == most => format!("accepts {least} arg(s), received {count}"),
        (0, most) => format!("accepts at most {most} arg(s), received {count}"),
        (least, most) => {
            if Order::of(definition) == Order::FlagsFirst {
                format!("requires at least {least} arg(s), only received {count}")
            } else {
                format!("accepts between {least} and {most} arg(s), received {count}")
            }
        }
    })
}
