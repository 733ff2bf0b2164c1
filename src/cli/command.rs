// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table of commands and the way from argv to a handler.
//!
//! A command's flags are only built when that command is called: the whole tree would cost every
//! call a millisecond.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use super::absent::{self, Absence};
use super::args::registry::with_configured_defaults;
use super::complete::{self, Answer, Descriptions, Place};
use super::context::{Call, LogLevel, early_configuration};
use super::failure::{Origin, usage_error};
use super::globals::{self, Globals};
use super::pflag::{self, FlagError, Line, Order};
use super::suggest::similar;
use super::{COMMANDS, CommandResult, Context, Failure, help};
use crate::engine::Dialect;
use crate::output::ui::Ui;

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
    pub(crate) run: fn(&clap::ArgMatches, &Context) -> CommandResult,
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
            run: run::<C>,
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

    fn unknown_flag(&self, error: &FlagError, see: &str) -> Failure {
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

/// A group of commands, such as `container`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

/// The management groups.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "container",
        about: "Manage containers",
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

/// Finds the command that `argv` names, parses its flags, runs it.
pub(crate) fn dispatch(argv: &[OsString]) -> ExitCode {
    let ui = Ui;
    let mut shell = Shell::new(argv, ui);
    let outcome = shell.run(argv.get(1..).unwrap_or_default());
    ExitCode::from(outcome.unwrap_or_else(|failure| {
        failure.print(Ui, shell.dialect, &shell.call.path);
        failure.exit_code(shell.dialect, &shell.call.path)
    }))
}

/// What a command line names.
enum Target<'a> {
    /// The program itself or a group, without a command.
    Bare,
    /// `--help`, or the word `help`.
    Help,
    /// A command with the words after it.
    Command(&'static Entry, &'a [OsString]),
    /// What the shell asks while a command is typed: the words so far.
    Completion(Descriptions, &'a [OsString]),
}

/// The state of one call before there is a [`Context`].
struct Shell {
    ui: Ui,
    call: Call,
    dialect: Dialect,
    global_flags: Vec<OsString>,
}

impl Shell {
    fn new(argv: &[OsString], ui: Ui) -> Self {
        let program = argv.first().map(Path::new).and_then(Path::file_name);
        let program = program.unwrap_or(OsStr::new("coracle")).to_string_lossy();
        Self {
            ui,
            dialect: dialect(&program),
            call: Call {
                program: program.into_owned(),
                path: String::new(),
                argv: argv
                    .iter()
                    .map(|arg| arg.to_string_lossy().into_owned())
                    .collect(),
            },
            global_flags: Vec::new(),
        }
    }

    fn run(&mut self, args: &[OsString]) -> CommandResult {
        let mut words = Vec::new();
        let target = self.find(args, &mut words)?;
        if self.call.path.is_empty() {
            let globals = Globals::from_flags(&self.global_flags)?;
            if globals.version {
                self.ui.line(self.version_line())?;
                return Ok(0);
            }
        }
        match target {
            Target::Help => self.help_page(),
            Target::Bare => self.bare(),
            Target::Command(entry, args) => self.command(entry, args),
            Target::Completion(descriptions, args) => self.complete(args, descriptions),
        }
    }

    /// Prints what the last of `args` may become.
    fn complete(&mut self, args: &[OsString], descriptions: Descriptions) -> CommandResult {
        let Some((typed, before)) = args.split_last() else {
            return Ok(0);
        };
        let typed = typed.to_string_lossy();
        // A line that makes no sense has no continuation.
        let answer = self.answer(before, &typed);
        let answer = answer.unwrap_or_else(|_senseless| Answer::files());
        let typed = match typed.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => value,
            _ => &typed,
        };
        self.ui.raw(answer.lines(typed, descriptions).as_bytes())?;
        Ok(0)
    }

    fn answer(&mut self, args: &[OsString], typed: &str) -> Result<Answer, Failure> {
        let mut words = Vec::new();
        let (entry, args) = match self.find(args, &mut words)? {
            Target::Bare | Target::Help | Target::Completion(..) => {
                return Ok(complete::below(&self.call.path, typed));
            }
            Target::Command(entry, args) => (entry, args),
        };
        let definition = entry.definition("", self.dialect);
        let order = Order::of(&definition);
        let line = pflag::read(&definition, globals::inherited, args, order);
        let place = complete::place(&definition, args, &line, typed);
        let inherited = line.into_iter().flat_map(|line| line.inherited);
        self.global_flags.extend(inherited);
        Ok(match place {
            Some(Place::Flag) => complete::flags_of(&definition),
            Some(Place::Value(flag)) => complete::values_of(flag),
            Some(Place::Word { before }) => {
                complete::words_of(&self.context()?, entry, &definition, before)
            }
            Some(Place::Foreign) | None => Answer::files(),
        })
    }

    /// Walks from the program to the command: flags of the program may stand at every step.
    /// `words` keeps what the walk had to copy.
    fn find<'a>(
        &mut self,
        args: &'a [OsString],
        words: &'a mut Vec<OsString>,
    ) -> Result<Target<'a>, Failure> {
        *words = args.to_vec();
        let mut at = 0;
        while at < words.len() {
            if words[at].as_encoded_bytes().starts_with(b"-") {
                let line = self.read_globals(&words[at..])?;
                self.global_flags.extend(line.flags);
                if line.help {
                    return Ok(Target::Help);
                }
                at = words.len() - line.words.len();
                continue;
            }
            let word = words[at].to_string_lossy();
            if self.call.path.is_empty() {
                if word == "help" {
                    return self.help_words(&words[at + 1..]);
                }
                if let Some(descriptions) = Descriptions::asked(&word) {
                    return Ok(Target::Completion(descriptions, &words[at + 1..]));
                }
            }
            self.descend(&word)?;
            at += 1;
            if let Some(entry) = lookup(&self.call.path) {
                return Ok(Target::Command(entry, &words[at..]));
            }
        }
        Ok(Target::Bare)
    }

    fn read_globals(&self, args: &[OsString]) -> Result<Line, Failure> {
        pflag::read(
            &globals::definition(),
            globals::inherited,
            args,
            Order::FlagsFirst,
        )
        .map_err(|error| Failure::usage(format_args!("{error}\n{}", self.see())))
    }

    /// Takes one more word into the path, if anything is called so.
    fn descend(&mut self, word: &str) -> Result<(), Failure> {
        let path = match self.call.path.as_str() {
            "" => word.to_owned(),
            parent => format!("{parent} {word}"),
        };
        if lookup(&path).is_some() || is_group(&path) {
            self.call.path = path;
            return Ok(());
        }
        Err(match absent::command(&path) {
            Some(Absence::NotYet) => Failure::tool(format_args!("{path}: not supported yet")),
            Some(Absence::Never(reason)) => Failure::tool(format_args!("{path}: {reason}")),
            None => self.unrecognized(&path),
        })
    }

    fn unrecognized(&self, path: &str) -> Failure {
        let program = &self.call.program;
        let parent = self.full_path();
        let word = path.rsplit(' ').next().unwrap_or_default();
        let names = help::names_below(COMMANDS, &self.call.path);
        let meant = match similar(word, names).as_slice() {
            [] => String::new(),
            names => format!("\nDid you mean this?\n    {}\n\n", names.join("\n    ")),
        };
        match self.dialect {
            Dialect::Podman => Failure::usage(format_args!(
                "unrecognized command `{program} {path}`\n{meant}Try '{parent} --help' for more information"
            )),
            Dialect::Docker => Failure {
                code: 1,
                ..Failure::usage(format_args!(
                    "docker: '{path}' is not a docker command.\n{meant}See '{parent} --help'"
                ))
            },
        }
    }

    /// `help container ls`: the page of what the words name.
    fn help_words<'a>(&mut self, words: &[OsString]) -> Result<Target<'a>, Failure> {
        for word in words {
            let word = word.to_string_lossy();
            match word.as_ref() {
                "--help" | "-h" if self.call.path.is_empty() => {
                    "help".clone_into(&mut self.call.path);
                }
                "--help" | "-h" => {}
                _ => self.descend(&word)?,
            }
        }
        Ok(Target::Help)
    }

    fn help_page(&self) -> CommandResult {
        let path = self.call.path.as_str();
        let program = &self.call.program;
        let page = if let Some(entry) = lookup(path) {
            let definition = with_configured_defaults(entry.definition("", self.dialect));
            help::command(program, entry, path, &definition)
        } else if let Some(group) = GROUPS.iter().find(|group| group.name == path) {
            help::group(program, group, COMMANDS)
        } else if path == "help" {
            help::of_help(program)
        } else {
            help::program(program, COMMANDS, self.remote())
        };
        self.ui.raw(page.as_bytes())?;
        Ok(0)
    }

    fn remote(&self) -> help::Remote {
        let names_one = |flag: &OsString| {
            let flag = flag.to_string_lossy();
            ["--url=", "--connection=", "--host="]
                .iter()
                .any(|prefix| flag.starts_with(prefix))
        };
        if self.global_flags.iter().any(names_one) {
            help::Remote::Named
        } else {
            help::Remote::NotNamed
        }
    }

    /// The program or a group without a command: the page, and an error as cobra makes it.
    fn bare(&self) -> CommandResult {
        self.help_page()?;
        match self.dialect {
            Dialect::Docker => Ok(0),
            Dialect::Podman => Err(Failure::usage(format_args!(
                "missing command '{} COMMAND'",
                self.full_path()
            ))),
        }
    }

    fn command(&mut self, entry: &'static Entry, args: &[OsString]) -> CommandResult {
        let definition = entry.definition("", self.dialect);
        let line = pflag::read(
            &definition,
            globals::inherited,
            args,
            Order::of(&definition),
        )
        .map_err(|error| entry.unknown_flag(&error, &self.see()))?;
        if line.help {
            return self.help_page();
        }
        self.global_flags.extend(line.inherited);
        if let Some(error) =
            help::word_count_error(&self.full_path(), &definition, line.words.len())
        {
            return Err(self.wrong_word_count(entry, &definition, &error));
        }
        let context = self.context()?;
        let argv = plain_line(line.flags, line.words);
        let matches = definition
            .try_get_matches_from(argv)
            .map_err(|error| usage_error(&entry.definition("", context.engine.dialect), &error))?;
        context.log(LogLevel::Debug, &format!("running `{}`", self.full_path()));
        let outcome = (entry.run)(&matches, &context);
        // Podman's last words, which its suite looks for.
        context.log(LogLevel::Debug, "Shutting down engines");
        outcome.map_err(|failure| match (self.dialect, failure.origin) {
            (Dialect::Docker, Origin::NoNames) => {
                let definition = entry.definition("", self.dialect);
                self.docker_wants(entry, &definition, "requires at least 1 argument")
            }
            _ => failure,
        })
    }

    /// Docker says what a command wants where podman counts what it got.
    fn wrong_word_count(&self, entry: &Entry, definition: &clap::Command, error: &str) -> Failure {
        match self.dialect {
            Dialect::Podman => Failure::usage(error),
            Dialect::Docker => {
                self.docker_wants(entry, definition, &help::wanted_words(definition))
            }
        }
    }

    fn docker_wants(&self, entry: &Entry, definition: &clap::Command, wanted: &str) -> Failure {
        let Call { program, path, .. } = &self.call;
        let message = format!(
            "\"{program} {path}\" {wanted}.\n{}\n\nUsage:  {}\n\n{}",
            self.see(),
            help::usage(program, entry, path, definition),
            entry.about,
        );
        Failure {
            code: 1,
            ..Failure::usage(message)
        }
    }

    fn context(&self) -> Result<Context, Failure> {
        let globals = Globals::from_flags(&self.global_flags)?;
        let log_level = LogLevel::asked(&globals)?;
        globals.check(self.dialect)?;
        let context = Context::open(self.dialect, globals, self.call.clone(), log_level)?;
        context.log_start();
        Ok(context)
    }

    fn full_path(&self) -> String {
        let Call { program, path, .. } = &self.call;
        if path.is_empty() {
            return program.clone();
        }
        format!("{program} {path}")
    }

    fn see(&self) -> String {
        let full_path = self.full_path();
        match self.dialect {
            Dialect::Podman => format!("See '{full_path} --help'"),
            Dialect::Docker => format!("See '{full_path} --help'."),
        }
    }

    fn version_line(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match self.dialect {
            Dialect::Podman => format!("{} version {version}", self.call.program),
            Dialect::Docker => format!("Docker version {version}, build coracle"),
        }
    }
}

/// Whose words apply: an `alias docker=coracle` leaves `argv[0]` alone, hence the variable and the
/// configuration. One that cannot be read is told by what needs more of it.
fn dialect(program: &str) -> Dialect {
    let mode = match std::env::var("CORACLE_MODE") {
        Ok(mode) => Some(mode),
        Err(_) if program == "docker" || program == "podman" => Some(program.to_owned()),
        Err(_) => early_configuration().mode.clone(),
    };
    match mode.as_deref() {
        Some("docker") => Dialect::Docker,
        Some(_) | None => Dialect::Podman,
    }
}

pub(crate) fn lookup(path: &str) -> Option<&'static Entry> {
    COMMANDS
        .iter()
        .copied()
        .flatten()
        .find(|entry| entry.paths.contains(&path))
}

fn is_group(path: &str) -> bool {
    GROUPS.iter().any(|group| group.name == path)
}

/// The line that clap reads: every flag as `--name=value`, then `--`, then the words.
pub(crate) fn plain_line(flags: Vec<OsString>, words: Vec<OsString>) -> Vec<OsString> {
    let mut argv = vec![OsString::from("coracle")];
    argv.extend(flags);
    if !words.is_empty() {
        argv.push("--".into());
        argv.extend(words);
    }
    argv
}

/// The whole tree of commands: what man pages are made from.
pub(crate) fn tree() -> clap::Command {
    let mut root = globals::definition()
        .about(help::PROGRAM_ABOUT)
        .override_usage("coracle [options] [command]");
    for group in GROUPS {
        let (parent, name) = split_path(group.name);
        let command = globals::bare_command(name)
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

/// `container ls` as its group and its name.
fn split_path(path: &'static str) -> (&'static str, &'static str) {
    path.rsplit_once(' ').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_tree_is_sound() {
        tree().debug_assert();
    }

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
