// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The way from argv to a handler.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use super::absent::{self, Absence};
use super::args::registry::with_configured_defaults;
use super::command::{Entry, GROUPS, Handler, inherited, is_group, lookup};
use super::complete::{self, Answer, Descriptions, Place};
use super::context::{Call, Habits, LogLevel, early_configuration};
use super::failure::{Origin, usage_error};
use super::globals::{self, Globals};
use super::pflag::{self, Line, Order, plain_line};
use super::runtime::{self, RuntimeFlags};
use super::suggest::similar;
use super::{COMMANDS, CommandResult, Context, Failure, help};
use crate::engine::Dialect;
use crate::output::ui::Ui;

/// Finds the command that `argv` names, parses its flags, runs it.
pub(crate) fn dispatch(argv: &[OsString]) -> ExitCode {
    let ui = Ui;
    let mut shell = Shell::new(argv, ui);
    let words = argv.get(1..).unwrap_or_default();
    let outcome = if shell.call.program == runtime::PROGRAM {
        shell.run(&[&[runtime::GROUP.into()], words].concat())
    } else {
        shell.run(words)
    };
    ExitCode::from(outcome.unwrap_or_else(|failure| {
        shell.log(&failure);
        failure.print(Ui, shell.dialect, &shell.call.path);
        failure.exit_code(shell.dialect, &shell.call.path)
    }))
}

/// A command line that was typed before, taken apart again.
#[derive(Debug)]
pub(crate) struct Typed {
    /// The command: `container run`.
    pub(crate) path: String,
    /// The flags of the program, wherever they stood.
    pub(crate) program_flags: Vec<OsString>,
    /// The flags of the command.
    pub(crate) flags: Vec<OsString>,
    /// Its words.
    pub(crate) words: Vec<OsString>,
}

/// Takes apart what was typed, the program's name first; `None` if it makes no sense today.
pub(crate) fn take_apart(argv: &[String]) -> Option<Typed> {
    let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
    let mut shell = Shell::new(&argv, Ui);
    let mut words = Vec::new();
    let Ok(Target::Command(entry, args)) = shell.find(argv.get(1..)?, &mut words) else {
        return None;
    };
    let definition = entry.definition("", shell.dialect);
    let order = Order::of(&definition);
    let line = pflag::read(&definition, inherited(&shell.call.path), args, order).ok()?;
    shell.flags().extend(line.inherited);
    Some(Typed {
        path: entry.paths[0].to_owned(),
        program_flags: shell.global_flags,
        flags: line.flags,
        words: line.words,
    })
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
    /// The flags of the group `runtime` as typed.
    runtime_flags: Vec<OsString>,
}

impl Shell {
    fn new(argv: &[OsString], ui: Ui) -> Self {
        let program = argv.first().map(Path::new).and_then(Path::file_name);
        let program = program.unwrap_or(OsStr::new("coracle")).to_string_lossy();
        let (dialect, habits) = mode(&program);
        Self {
            ui,
            dialect,
            call: Call {
                program: program.into_owned(),
                habits,
                path: String::new(),
                argv: argv
                    .iter()
                    .map(|arg| arg.to_string_lossy().into_owned())
                    .collect(),
            },
            global_flags: Vec::new(),
            runtime_flags: Vec::new(),
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
        if self.call.path == runtime::GROUP && RuntimeFlags::read(&self.runtime_flags)?.version {
            self.ui.line(runtime::version())?;
            return Ok(0);
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
        let line = pflag::read(&definition, inherited(&self.call.path), args, order);
        let place = complete::place(&definition, args, &line, typed);
        let typed_before = line.into_iter().flat_map(|line| line.inherited);
        self.flags().extend(typed_before);
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
                let version = line.flags.iter().any(|flag| flag == "--version");
                self.flags().extend(line.flags);
                if line.help {
                    return Ok(Target::Help);
                }
                // Whatever follows: podman-compose adds an empty word.
                if version {
                    return Ok(Target::Bare);
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
        let own = if self.is_runtime() {
            runtime::definition()
        } else {
            globals::definition()
        };
        pflag::read(&own, inherited(&self.call.path), args, Order::FlagsFirst)
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
        let early = self.begin_early(entry, args);
        let definition = entry.definition("", self.dialect);
        let line = pflag::read(
            &definition,
            inherited(&self.call.path),
            args,
            Order::of(&definition),
        )
        .map_err(|error| entry.unknown_flag(&error, &self.see()))?;
        if line.help {
            return self.help_page();
        }
        self.flags().extend(line.inherited);
        if let Some(error) =
            help::word_count_error(&self.full_path(), &definition, line.words.len())
        {
            return Err(self.wrong_word_count(entry, &definition, &error));
        }
        let argv = plain_line(line.flags, line.words);
        let matches = || {
            let matches = definition.try_get_matches_from(argv);
            matches.map_err(|error| usage_error(&entry.definition("", self.dialect), &error))
        };
        let (context, run) = match entry.run {
            Handler::Engine { begin, run } => {
                let context = match early {
                    Some(context) => context,
                    None => self.begin(begin)?,
                };
                (context, run)
            }
            Handler::Runtime(run) => {
                let flags = RuntimeFlags::read(&self.runtime_flags)?;
                return run(&matches()?, &flags.call()?);
            }
        };
        let matches = matches()?;
        context.log(LogLevel::Debug, &format!("running `{}`", self.full_path()));
        let outcome = run(&matches, &context);
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

    /// Begins the command before its flags are taken apart, unless there are some of the program's
    /// among them, or one that asks for help. What is wrong with the rest is told in its time.
    fn begin_early(&self, entry: &Entry, args: &[OsString]) -> Option<Context> {
        let Handler::Engine { begin, .. } = entry.run else {
            return None;
        };
        let words = args.iter().map(|word| word.as_encoded_bytes());
        let mut flags = words.take_while(|word| *word != b"--");
        if flags.any(globals::may_be_inherited) {
            return None;
        }
        self.begin(begin).ok()
    }

    fn begin(&self, begin: fn(&Context)) -> Result<Context, Failure> {
        let context = self.context()?;
        begin(&context);
        Ok(context)
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

    fn is_runtime(&self) -> bool {
        self.call.path.split(' ').next() == Some(runtime::GROUP)
    }

    /// Where flags go that stand here.
    fn flags(&mut self) -> &mut Vec<OsString> {
        if self.is_runtime() {
            &mut self.runtime_flags
        } else {
            &mut self.global_flags
        }
    }

    /// An engine that calls the runtime reads its log.
    fn log(&self, failure: &Failure) {
        if let Ok(flags) = RuntimeFlags::read(&self.runtime_flags) {
            flags.log_error(&failure.message);
        }
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
fn mode(program: &str) -> (Dialect, Habits) {
    let mode = match std::env::var("CORACLE_MODE") {
        Ok(mode) => Some(mode),
        Err(_) if program == "docker" || program == "podman" => Some(program.to_owned()),
        Err(_) => early_configuration().mode.clone(),
    };
    match mode.as_deref() {
        Some("docker") => (Dialect::Docker, Habits::Own),
        Some("podman") => (Dialect::Podman, Habits::Podman),
        Some(_) | None => (Dialect::Podman, Habits::Own),
    }
}
