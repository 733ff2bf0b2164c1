// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `__complete WORD…`: what the last word may become, asked by the completion scripts, in the
//! lines and with the closing number that cobra's programs answer.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::command::{Entry, GROUPS, lookup};
use super::pflag::{self, FlagError, Line, Order};
use super::{COMMANDS, Context, globals, help};
use crate::engine::Silent;
use crate::engine::image::ImageListRequest;
use crate::engine::list::{ListRequest, ListScope};
use crate::engine::pod::PodListRequest;
use crate::engine::volume::Uses;
use crate::oci::Reference;

/// Whether candidates come with their one line of explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descriptions {
    Told,
    Left,
}

impl Descriptions {
    /// What the hidden command `word` asks for; `None` if it is another word.
    pub(crate) fn asked(word: &str) -> Option<Self> {
        match word {
            "__complete" => Some(Self::Told),
            "__completeNoDesc" => Some(Self::Left),
            _ => None,
        }
    }
}

/// What the shell does when there are no candidates, by cobra's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// It completes names of files.
    Files = 0,
    /// Nothing.
    Nothing = 4,
}

/// What a word may become.
#[derive(Debug)]
pub(crate) struct Answer {
    candidates: Vec<(String, String)>,
    fallback: Fallback,
}

impl Answer {
    fn of(candidates: Vec<(String, String)>) -> Self {
        Self {
            candidates,
            fallback: Fallback::Nothing,
        }
    }

    /// Names of files.
    pub(crate) fn files() -> Self {
        Self {
            fallback: Fallback::Files,
            ..Self::of(Vec::new())
        }
    }

    /// The lines for a word that begins with `typed`.
    pub(crate) fn lines(&self, typed: &str, descriptions: Descriptions) -> String {
        let mut text = String::new();
        for (candidate, about) in &self.candidates {
            if !candidate.starts_with(typed) {
                continue;
            }
            text.push_str(candidate);
            if descriptions == Descriptions::Told && !about.is_empty() {
                write!(text, "\t{about}").expect("a string takes any text");
            }
            text.push('\n');
        }
        writeln!(text, ":{}", self.fallback as u8).expect("a string takes any text");
        text
    }
}

/// Names of commands below `group`, or flags of the program.
pub(crate) fn below(group: &str, typed: &str) -> Answer {
    if typed.starts_with('-') {
        return Answer::of(flags(&globals::definition()));
    }
    let about = |name: &str| {
        let path = format!("{group} {name}");
        let path = path.trim_start();
        let inner = GROUPS.iter().find(|inner| inner.name == path);
        let about = lookup(path).map(|entry| entry.about);
        about
            .or(inner.map(|inner| inner.about))
            .unwrap_or_default()
            .to_owned()
    };
    let mut names: Vec<_> = help::names_below(COMMANDS, group)
        .map(|name| (name.to_owned(), about(name)))
        .collect();
    names.sort_unstable();
    Answer::of(names)
}

/// Where on a command's line a word stands.
#[derive(Debug)]
pub(crate) enum Place<'a> {
    /// It is a flag.
    Flag,
    /// It is the value of a flag.
    Value(&'a Arg),
    /// It is the word after `before` others.
    Word { before: usize },
    /// It belongs to the container's command.
    Foreign,
}

/// Where `typed` stands after `args`, of which `line` is what was read; `None` for a line that
/// cannot be read.
pub(crate) fn place<'a>(
    definition: &'a Command,
    args: &[OsString],
    line: &Result<Line, FlagError>,
    typed: &str,
) -> Option<Place<'a>> {
    let line = match line {
        Ok(line) => line,
        Err(FlagError::LongNeedsValue { name }) => {
            return pflag::find_long(definition, name).map(Place::Value);
        }
        Err(FlagError::ShortNeedsValue { letter, .. }) => {
            return pflag::find_short(definition, *letter).map(Place::Value);
        }
        Err(_) => return None,
    };
    let before = line.words.len();
    if before > 0 && Order::of(definition) == Order::FlagsFirst {
        return Some(Place::Foreign);
    }
    if !typed.starts_with('-') || args.iter().any(|arg| arg == "--") {
        return Some(Place::Word { before });
    }
    let named = typed
        .strip_prefix("--")
        .and_then(|flag| flag.split_once('='));
    match named {
        Some((name, _)) => pflag::find_long(definition, name).map(Place::Value),
        None => Some(Place::Flag),
    }
}

/// The flags of `definition` and those of the program that every command takes.
pub(crate) fn flags_of(definition: &Command) -> Answer {
    let mut all = flags(definition);
    all.extend(flags(&globals::inherited()));
    all.push(("--help".to_owned(), "Print the help page".to_owned()));
    Answer::of(all)
}

fn flags(definition: &Command) -> Vec<(String, String)> {
    let visible = definition
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_hide_set());
    let mut names = Vec::new();
    for arg in visible {
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let long = arg.get_long().map(|long| format!("--{long}"));
        let short = arg.get_short().map(|short| format!("-{short}"));
        names.extend(
            long.into_iter()
                .chain(short)
                .map(|name| (name, about.clone())),
        );
    }
    names.sort_unstable();
    names
}

/// The values that a flag knows; names of files for one that takes any.
pub(crate) fn values_of(arg: &Arg) -> Answer {
    let known: &[&str] = match arg.get_long() {
        Some("network") => &["host", "none", "pasta", "private", "slirp4netns"],
        Some("pull") => &["always", "missing", "never", "newer"],
        Some("restart") => &["always", "no", "on-failure", "unless-stopped"],
        Some("userns") => &["auto", "host", "keep-id", "nomap"],
        Some("log-driver") => &["json-file", "k8s-file", "none", "passthrough"],
        Some("name" | "hostname" | "user" | "filter" | "format") => &[""],
        _ => &[],
    };
    let own = arg.get_possible_values();
    let names = own
        .iter()
        .map(clap::builder::PossibleValue::get_name)
        .chain(known.iter().copied());
    let names: Vec<_> = names.map(|name| (name.to_owned(), String::new())).collect();
    if names.is_empty() || !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
        return Answer::files();
    }
    Answer::of(
        names
            .into_iter()
            .filter(|(name, _)| !name.is_empty())
            .collect(),
    )
}

/// What a word of `entry` may be when `before` others stand before it.
pub(crate) fn words_of(
    context: &Context,
    entry: &Entry,
    definition: &Command,
    before: usize,
) -> Answer {
    let positional = definition.get_positionals().nth(before);
    let possible = positional.map(Arg::get_possible_values).unwrap_or_default();
    if !possible.is_empty() {
        let names = possible.iter().map(|value| value.get_name().to_owned());
        return Answer::of(names.map(|name| (name, String::new())).collect());
    }
    let usage = help::usage("", entry, entry.paths[0], definition);
    let wanted = kind_of_word(&usage, before);
    let mut candidates = Vec::new();
    if wanted.contains("CONTAINER") {
        candidates.extend(containers(context, entry.paths[0]));
    }
    if wanted.contains("IMAGE") {
        candidates.extend(images(context));
    }
    if wanted.contains("ARTIFACT") {
        let all = context.engine.list_artifacts().unwrap_or_default();
        let artifact = all.into_iter().map(|one| one.artifact);
        candidates.extend(artifact.map(|one| (one.name, one.digest.short().to_owned())));
    }
    if wanted.contains("POD") {
        candidates.extend(pods(context));
    }
    if wanted.contains("SECRET") {
        let list = context.engine.secrets().list().unwrap_or_default();
        candidates.extend(list.secrets.into_iter().map(|one| (one.name, one.id)));
    }
    if wanted.contains("VOLUME") {
        let all = context
            .engine
            .list_volumes(&[], Uses::Left, &Silent)
            .unwrap_or_default();
        candidates.extend(all.into_iter().map(|one| (one.record.name, String::new())));
    }
    match wanted {
        "FILE" | "PATH" | "DIR" => Answer::files(),
        _ => Answer::of(candidates),
    }
}

/// What a usage line calls the word that `before` others precede: the last one may be repeated.
fn kind_of_word(usage: &str, before: usize) -> &str {
    let mut words = usage
        .split_whitespace()
        .map(|word| word.trim_matches(['[', ']', '{', '}', '.']))
        .filter(|word| word.starts_with(|first: char| first.is_ascii_uppercase()));
    let all: Vec<&str> = words.by_ref().collect();
    let last = all.len().saturating_sub(1);
    let is_repeated = usage.ends_with("...]");
    match all.get(before) {
        Some(word) => word,
        None if is_repeated => all.get(last).copied().unwrap_or_default(),
        None => "",
    }
}

/// Names of pods with their states.
fn pods(context: &Context) -> Vec<(String, String)> {
    let pods = context
        .engine
        .list_pods(&PodListRequest::default(), context);
    let pods = pods.unwrap_or_default().into_iter();
    pods.map(|pod| (pod.record.name, pod.status.word().to_owned()))
        .collect()
}

/// Names of containers, of those that `command` can act on.
fn containers(context: &Context, command: &str) -> Vec<(String, String)> {
    let scope = match command {
        "attach" | "exec" | "kill" | "pause" | "port" | "stop" | "top" => ListScope::Running,
        _ => ListScope::All,
    };
    let request = ListRequest {
        scope,
        ..ListRequest::default()
    };
    // A store that cannot be read has nothing to offer; the command itself will say why.
    let listed = context.engine.list_containers(&request, context);
    let listed = listed.unwrap_or_default().into_iter();
    let fits = |status: &str| command != "start" || status != "running";
    listed
        .filter(|container| fits(container.status()))
        .map(|container| {
            (
                container.summary.name.clone(),
                container.status().to_owned(),
            )
        })
        .collect()
}

/// Names of images, also as short as they may be typed.
fn images(context: &Context) -> Vec<(String, String)> {
    let listed = context.engine.list_images(&ImageListRequest::default());
    let mut names = Vec::new();
    for entry in listed.unwrap_or_default() {
        let id: String = entry.listed.image.id.hex().chars().take(12).collect();
        for name in entry.listed.names {
            names.extend(spellings(&name).into_iter().map(|name| (name, id.clone())));
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// The ways to type an image's name: `busybox` for `localhost/busybox:latest`.
fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned()];
    if let Ok(reference) = Reference::parse_normalized(name) {
        all.push(reference.familiar());
    }
    let tagged: Vec<String> = all
        .iter()
        .filter_map(|name| name.strip_prefix("localhost/").map(str::to_owned))
        .collect();
    all.extend(tagged);
    let untagged: Vec<String> = all
        .iter()
        .filter_map(|name| name.strip_suffix(":latest").map(str::to_owned))
        .collect();
    all.extend(untagged);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_by_their_place() {
        let table = [
            (" run [options] IMAGE [COMMAND [ARG...]]", 0, "IMAGE"),
            (" rm [options] [CONTAINER...]", 0, "CONTAINER"),
            (" rm [options] [CONTAINER...]", 3, "CONTAINER"),
            (" rename CONTAINER NAME", 1, "NAME"),
            (" rename CONTAINER NAME", 2, ""),
            (
                " inspect [options] [CONTAINER|IMAGE...]",
                1,
                "CONTAINER|IMAGE",
            ),
            (
                " inspect {CONTAINER|IMAGE} [CONTAINER|IMAGE...]",
                0,
                "CONTAINER|IMAGE",
            ),
            (" info [options]", 0, ""),
        ];
        for (usage, before, expected) in table {
            assert_eq!(kind_of_word(usage, before), expected, "{usage} {before}");
        }
    }

    #[test]
    fn images_may_be_typed_short() {
        let names = spellings("localhost/busybox:latest");
        for name in [
            "localhost/busybox:latest",
            "localhost/busybox",
            "busybox:latest",
            "busybox",
        ] {
            assert!(
                names.iter().any(|known| known == name),
                "{name} in {names:?}"
            );
        }
    }

    #[test]
    fn answers_end_with_what_the_shell_is_to_do() {
        let answer = Answer::of(vec![
            ("run".to_owned(), "Run".to_owned()),
            ("rm".to_owned(), String::new()),
        ]);
        assert_eq!(answer.lines("ru", Descriptions::Told), "run\tRun\n:4\n");
        assert_eq!(answer.lines("r", Descriptions::Left), "run\nrm\n:4\n");
        assert_eq!(Answer::files().lines("x", Descriptions::Told), ":0\n");
    }
}
