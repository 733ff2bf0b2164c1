// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a command ends badly: exit code, one line, hints. The only place that turns errors of the
//! rooms below into exit codes.

use std::fmt::Display;
use std::io;
use std::os::fd::AsFd as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::pflag;
use crate::engine::Dialect;
use crate::engine::access::AccessError;
use crate::engine::artifact::ArtifactError;
use crate::engine::attach::AttachError;
use crate::engine::error::EngineError;
use crate::engine::events::EventsError;
use crate::engine::files::FilesError;
use crate::engine::host;
use crate::engine::image::{ImageError, ImportFromError};
use crate::engine::logs::LogsError;
use crate::engine::manifest::ManifestError;
use crate::engine::search::SearchError;
use crate::engine::signal::SignalError;
use crate::engine::terminal;
use crate::output::ui::Ui;
use crate::state::StateError;

/// What a handler returns: the exit code of the process.
pub(crate) type CommandResult = Result<u8, Failure>;

/// The exit code of the tool's own errors.
pub(crate) const TOOL_ERROR: u8 = 125;

/// What a shell reports for a program that a closed pipe ended.
const BROKEN_PIPE: u8 = 128 + 13;

/// What to do about a registry without TLS.
const PLAIN_HTTP_HINT: &str = "to use this registry without TLS: --tls-verify=false, or \
                               `insecure = true` for it in registries.conf";

/// An error with its exit code and what the user can do.
#[derive(Debug)]
pub(crate) struct Failure {
    /// 125 for the tool's own errors, 126 and 127 for a command that cannot run.
    pub(crate) code: u8,
    /// One line, without `Error: `; empty prints nothing.
    pub(crate) message: String,
    /// Lines printed after it, each as `hint: …`.
    pub(crate) hints: Vec<String>,
    /// Who says it: Docker's words differ by that.
    pub(crate) origin: Origin,
    /// What Docker's users search for instead of `message`.
    pub(crate) docker_message: Option<String>,
}

/// Who found the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line cannot be read: Docker prints the bare message.
    Usage,
    /// No name where one is needed: Docker says how many it wants.
    NoNames,
    /// The command itself, before the engine was asked.
    Command,
    /// The engine: what Docker's client calls `Error response from daemon`.
    Engine,
    /// A line that scripts know without `Error: ` before it.
    Bare,
}

impl Failure {
    /// A tool error (125) that says `message`.
    pub(crate) fn tool(message: impl Display) -> Self {
        Self::with_code(TOOL_ERROR, message)
    }

    /// An error with the exit code `code`.
    pub(crate) fn with_code(code: u8, message: impl Display) -> Self {
        Self {
            code,
            message: message.to_string(),
            hints: Vec::new(),
            origin: Origin::Command,
            docker_message: None,
        }
    }

    /// A command line that cannot be read.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self {
            origin: Origin::Usage,
            ..Self::tool(message)
        }
    }

    /// A command line that names nothing.
    pub(crate) fn no_names(message: impl Display) -> Self {
        Self {
            origin: Origin::NoNames,
            ..Self::tool(message)
        }
    }

    /// What the engine refused, with the exit code `code`.
    pub(crate) fn engine(code: u8, message: impl Display) -> Self {
        Self {
            origin: Origin::Engine,
            ..Self::with_code(code, message)
        }
    }

    /// A line that is printed as it is.
    pub(crate) fn bare(code: u8, message: impl Display) -> Self {
        Self {
            origin: Origin::Bare,
            ..Self::with_code(code, message)
        }
    }

    /// What the engine refused, with its sources, and what of the host it comes of.
    pub(crate) fn from_error(code: u8, error: &(dyn std::error::Error + 'static)) -> Self {
        Self {
            hints: host::hints(error),
            ..Self::engine(code, chain(error))
        }
    }

    /// The exit code alone: what is to be said was said.
    pub(crate) fn quiet(code: u8) -> Self {
        Self::with_code(code, "")
    }

    /// The failure of a command that streams to standard output: a reader that went away is no
    /// error worth a line.
    pub(crate) fn of_stream(self) -> Self {
        if terminal::reader_is_gone(io::stdout().as_fd()) {
            return Self::quiet(BROKEN_PIPE);
        }
        self
    }

    /// Adds a line that is printed as `hint: …`.
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// The lines of standard error, in the words of `dialect`; `command` is `run` in `docker run`.
    pub(crate) fn lines(&self, dialect: Dialect, command: &str) -> Vec<String> {
        let message = match (dialect, &self.docker_message) {
            (Dialect::Docker, Some(message)) => message,
            (Dialect::Docker, None) | (Dialect::Podman, _) => &self.message,
        };
        let mut lines = Vec::new();
        if !message.is_empty() {
            lines.push(match (dialect, self.origin) {
                (_, Origin::Bare) => message.clone(),
                (Dialect::Podman, _) => format!("Error: {message}"),
                (Dialect::Docker, _) => self.docker_line(message, command),
            });
        }
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines
    }

    fn docker_line(&self, message: &str, command: &str) -> String {
        let prefix = match command {
            "run" | "create" | "container run" | "container create" => "docker: ",
            _ => "",
        };
        match self.origin {
            Origin::Usage | Origin::NoNames | Origin::Bare => message.to_owned(),
            Origin::Command => format!("{prefix}{message}"),
            Origin::Engine => format!("{prefix}Error response from daemon: {message}"),
        }
    }

    /// The exit code in `dialect`: Docker's client ends with 1 unless a flag cannot be read or it
    /// is `run` that failed.
    pub(crate) fn exit_code(&self, dialect: Dialect, command: &str) -> u8 {
        let runs = matches!(command, "run" | "container run");
        match (dialect, self.origin) {
            (Dialect::Docker, Origin::Engine | Origin::Command | Origin::Bare)
                if self.code == TOOL_ERROR && !runs =>
            {
                1
            }
            _ => self.code,
        }
    }

    /// Prints [`Failure::lines`].
    pub(crate) fn print(&self, ui: Ui, dialect: Dialect, command: &str) {
        for line in self.lines(dialect, command) {
            ui.note(line);
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self {
            docker_message: error.docker_message(),
            ..Self::from_error(TOOL_ERROR, &error)
        }
    }
}

impl From<ArtifactError> for Failure {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::Image(error) => error.into(),
            ArtifactError::Access(error) => error.into(),
            other => Self::from_error(TOOL_ERROR, &other),
        }
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let failure = Self {
            docker_message: error.docker_message(),
            ..Self::from_error(TOOL_ERROR, &error)
        };
        if error.is_plain_http() {
            return failure.hint(PLAIN_HTTP_HINT);
        }
        failure
    }
}

impl From<FilesError> for Failure {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::Container(error) => error.into(),
            FilesError::Image(error) => error.into(),
            FilesError::State(error) => error.into(),
            FilesError::Storage(error) => ImageError::from(error).into(),
            other => Self {
                docker_message: other.docker_message(),
                ..Self::from_error(TOOL_ERROR, &other)
            },
        }
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        let failure = Self {
            docker_message: error.docker_message(),
            ..Self::from_error(TOOL_ERROR, &error)
        };
        if error.is_plain_http() {
            return failure.hint(PLAIN_HTTP_HINT);
        }
        failure
    }
}

impl From<ImportFromError> for Failure {
    fn from(error: ImportFromError) -> Self {
        Self::from_error(TOOL_ERROR, &error)
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Access(error) => error.into(),
            ManifestError::Image(error) => error.into(),
            ManifestError::Storage(error) => ImageError::from(error).into(),
            error => Self::from_error(TOOL_ERROR, &error),
        }
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Access(error) => error.into(),
            error => Self::from_error(TOOL_ERROR, &error),
        }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<LogsError> for Failure {
    fn from(error: LogsError) -> Self {
        match error {
            LogsError::Engine(error) => error.into(),
            LogsError::Write(error) => error.into(),
            LogsError::NotKept { .. } | LogsError::Read { .. } | LogsError::Wait(_) => {
                Self::engine(TOOL_ERROR, chain(&error))
            }
        }
    }
}

impl From<EventsError> for Failure {
    fn from(error: EventsError) -> Self {
        match error {
            EventsError::State(error) => error.into(),
            EventsError::Write(error) => error.into(),
            EventsError::NoBackend
            | EventsError::Filter(_)
            | EventsError::Read { .. }
            | EventsError::Watch { .. } => Self::engine(TOOL_ERROR, chain(&error)),
        }
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::State(error) => error.into(),
            other => Self::engine(TOOL_ERROR, chain(&other)),
        }
    }
}

impl From<SignalError> for Failure {
    fn from(error: SignalError) -> Self {
        Self::tool(error)
    }
}

/// An error and its sources on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    without_numbers(&text)
}

/// Rust's io errors end in the errno's number, which says nothing to people.
fn without_numbers(text: &str) -> String {
    const MARK: &str = " (os error ";
    let Some((before, rest)) = text.split_once(MARK) else {
        return text.to_owned();
    };
    let after = rest.split_once(')').map_or("", |(_, after)| after);
    format!("{before}{}", without_numbers(after))
}

impl From<io::Error> for Failure {
    /// A reader that went away is no error worth a line: `coracle logs web | head` just ends.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::quiet(BROKEN_PIPE);
        }
        Self::tool(without_numbers(&error.to_string()))
    }
}

/// clap's error about `definition`'s flags in pflag's words.
pub(crate) fn usage_error(definition: &clap::Command, error: &clap::Error) -> Failure {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let value = context(ContextKind::InvalidValue);
    let flag = flag_label(definition, &context(ContextKind::InvalidArg));
    Failure::usage(match error.kind() {
        ErrorKind::InvalidValue => format!(
            "invalid argument \"{value}\" for \"{flag}\" flag: \"{value}\" is not a valid value.  \
             Choose from: {}",
            choices(error)
        ),
        ErrorKind::ValueValidation => {
            let reason =
                std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
            format!("invalid argument \"{value}\" for \"{flag}\" flag: {reason}")
        }
        ErrorKind::ArgumentConflict => format!(
            "{} and {flag} cannot be set together",
            context(ContextKind::PriorArg)
                .split(' ')
                .next()
                .unwrap_or_default()
        ),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    })
}

/// `-m, --memory` for clap's `--memory <MEMORY>`; a word's own name for a word.
fn flag_label(definition: &clap::Command, shown: &str) -> String {
    let name = shown.split(' ').next().unwrap_or_default();
    name.strip_prefix("--")
        .and_then(|long| pflag::find_long(definition, long))
        .map_or_else(|| name.to_owned(), pflag::describe)
}

fn choices(error: &clap::Error) -> String {
    let Some(ContextValue::Strings(names)) = error.get(ContextKind::ValidValue) else {
        return String::new();
    };
    let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_says_it_in_its_words() {
        let engine = || Failure::engine(125, "no such container: web").hint("try `ps -a`");
        let cases = [
            (
                engine(),
                Dialect::Podman,
                "rm",
                "Error: no such container: web",
            ),
            (
                engine(),
                Dialect::Docker,
                "rm",
                "Error response from daemon: no such container: web",
            ),
            (
                engine(),
                Dialect::Docker,
                "run",
                "docker: Error response from daemon: no such container: web",
            ),
            (
                Failure::tool("bad value"),
                Dialect::Docker,
                "run",
                "docker: bad value",
            ),
            (
                Failure::usage("unknown flag: --x"),
                Dialect::Docker,
                "run",
                "unknown flag: --x",
            ),
        ];
        for (failure, dialect, command, first) in cases {
            assert_eq!(failure.lines(dialect, command)[0], first);
        }
        assert_eq!(
            engine().lines(Dialect::Podman, "rm")[1],
            "hint: try `ps -a`"
        );
    }

    #[test]
    fn dockers_client_ends_with_1_unless_it_runs_or_cannot_read() {
        let cases = [
            (Failure::engine(125, "x"), Dialect::Docker, "pull", 1),
            (Failure::tool("x"), Dialect::Docker, "save", 1),
            (Failure::engine(127, "x"), Dialect::Docker, "exec", 127),
            (Failure::engine(125, "x"), Dialect::Docker, "run", 125),
            (Failure::usage("x"), Dialect::Docker, "pull", 125),
            (Failure::engine(125, "x"), Dialect::Podman, "pull", 125),
        ];
        for (failure, dialect, command, code) in cases {
            assert_eq!(failure.exit_code(dialect, command), code, "{failure:?}");
        }
    }

    #[test]
    fn errnos_are_words() {
        let text = "read /x: Permission denied (os error 13): twice (os error 2)";
        assert_eq!(without_numbers(text), "read /x: Permission denied: twice");
    }

    #[test]
    fn a_closed_pipe_ends_quietly() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.code, 141);
        assert!(failure.lines(Dialect::Podman, "logs").is_empty());
    }
}
