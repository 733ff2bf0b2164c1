// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `logs`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use jiff::{SignedDuration, Timestamp};

use super::which::Which;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::logs::{Follow, LogPiece, LogRequest, LogSink, OutputStream};
use crate::engine::quantity::{parse_duration, parse_moment};
use crate::engine::{Dialect, Engine};
use crate::output::log_lines::{Coloring, LineEnd, LogPrinter, LogStream, LogStyle, LogText, Zone};
use crate::state::id::ContainerId;

/// Flags of `logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    flags: LogFlags,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Flags about what is shown of logs.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct LogFlags {
    /// Output the containers with different colors in the log
    #[arg(long)]
    color: bool,
    /// Show extra details provided to the logs
    #[arg(long, hide = true)]
    details: bool,
    /// Follow log output
    #[arg(long, short)]
    follow: bool,
    /// Output the container name in the log
    #[arg(long, short = 'n')]
    names: bool,
    /// Show logs since TIMESTAMP
    #[arg(long, value_name = "TIMESTAMP", allow_hyphen_values = true)]
    since: Option<String>,
    /// Output the specified number of LINES at the end of the logs; all when it is negative
    #[arg(long, value_name = "LINES", allow_hyphen_values = true)]
    tail: Option<String>,
    /// Output the timestamps in the log
    #[arg(long, short)]
    timestamps: bool,
    /// Show logs until TIMESTAMP
    #[arg(long, value_name = "TIMESTAMP", allow_hyphen_values = true)]
    until: Option<String>,
}

impl Subcommand for Logs {
    const PATHS: &'static [&'static str] = &["logs", "container logs"];
    const ABOUT: &'static str = "Fetch the logs of one or more containers";
    const EXAMPLES: &'static [&'static str] = &[
        "logs web",
        "logs --follow --since 10m web",
        "logs --tail 2 web db",
    ];

    /// `-n` is `--tail` in docker's.
    fn adapt(definition: clap::Command, dialect: Dialect) -> clap::Command {
        match dialect {
            Dialect::Podman => definition,
            Dialect::Docker => definition
                .mut_arg("names", |names| names.short(None))
                .mut_arg("tail", |tail| tail.short('n')),
        }
    }

    fn run(self, context: &Context) -> CommandResult {
        if self.containers.is_empty() && !self.latest {
            let message = "specify at least one container name or ID to log";
            return Err(Failure::usage(message));
        }
        let which = Which {
            words: self.containers,
            latest: self.latest,
            ..Which::default()
        };
        let mut ids = Vec::new();
        for chosen in context.engine.select(&which.selection()?)? {
            ids.push(chosen.id?);
        }
        self.flags.print(context, &ids)
    }
}

impl LogFlags {
    /// Prints the logs of the containers.
    pub(in crate::cli) fn print(&self, context: &Context, ids: &[ContainerId]) -> CommandResult {
        let dialect = context.engine.dialect;
        let request = self.request(Timestamp::now(), dialect)?;
        let labels = match ids.len() {
            0 | 1 => Vec::new(),
            _ => labels(&context.engine, ids, self.names)?,
        };
        let zone = match dialect {
            Dialect::Podman => Zone::Local,
            Dialect::Docker => Zone::Utc,
        };
        let style = LogStyle {
            labels,
            colors: if self.color {
                Coloring::ByContainer
            } else {
                Coloring::Off
            },
            times: self.timestamps.then_some(zone),
        };
        let mut printer = Printer {
            lines: LogPrinter::new(style),
            stdout: io::stdout(),
        };
        context.engine.logs(ids, &request, &mut printer)?;
        Ok(0)
    }

    fn request(&self, now: Timestamp, dialect: Dialect) -> Result<LogRequest, Failure> {
        let since = self.since.as_deref();
        let until = self.until.as_deref();
        Ok(LogRequest {
            follow: if self.follow {
                Follow::UntilEnd
            } else {
                Follow::No
            },
            tail: self.tail.as_deref().map_or(Ok(None), tail)?,
            since: since.map(|text| moment("since", text, now)).transpose()?,
            until: until.map(|text| end(text, now, dialect)).transpose()?,
        })
    }
}

/// A number of lines; `all` and what is below zero means all of them.
fn tail(text: &str) -> Result<Option<u64>, Failure> {
    if text == "all" {
        return Ok(None);
    }
    let lines: i64 = text.parse().map_err(|error| {
        Failure::usage(format_args!(
            "invalid argument {text:?} for \"--tail\" flag: {error}"
        ))
    })?;
    Ok(u64::try_from(lines).ok())
}

pub(in crate::cli) fn moment(flag: &str, text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    parse_moment(text, now)
        .map_err(|error| Failure::tool(format_args!("parsing --{flag} {text:?}: {error}")))
}

/// The moment that `--until` names. Where docker takes a span as before now, podman means after now: `--until 3s --follow` looks on
/// for three seconds.
pub(in crate::cli) fn end(
    text: &str,
    now: Timestamp,
    dialect: Dialect,
) -> Result<Timestamp, Failure> {
    let is_number = text.parse::<f64>().is_ok();
    match (dialect, parse_duration(text)) {
        (Dialect::Podman, Some(span)) if !is_number => {
            let later = now.checked_add(SignedDuration::from_nanos(span));
            later.map_err(|error| Failure::tool(format_args!("parsing --until {text:?}: {error}")))
        }
        (Dialect::Podman | Dialect::Docker, _) => moment("until", text, now),
    }
}

/// What tells the lines of several containers apart.
fn labels(engine: &Engine, ids: &[ContainerId], names: bool) -> Result<Vec<String>, Failure> {
    if !names {
        return Ok(ids.iter().map(|id| id.short().to_owned()).collect());
    }
    let store = engine.store()?;
    let name = |id| Ok(store.load(id)?.name);
    ids.iter().map(name).collect()
}

/// Output on its way to the two streams.
struct Printer {
    lines: LogPrinter,
    /// Its reader may go away while there is nothing to write.
    stdout: io::Stdout,
}

impl LogSink for Printer {
    fn piece(&mut self, piece: &LogPiece<'_>) -> io::Result<()> {
        self.lines.print(&LogText {
            container: piece.container,
            stream: match piece.stream {
                OutputStream::Stdout => LogStream::Stdout,
                OutputStream::Stderr => LogStream::Stderr,
            },
            time: piece.time,
            text: piece.text,
            end: if piece.ends_line {
                LineEnd::Here
            } else {
                LineEnd::Later
            },
        })
    }

    fn pause(&mut self) -> io::Result<()> {
        self.lines.flush()
    }

    fn output(&self) -> Option<BorrowedFd<'_>> {
        Some(self.stdout.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_until_are_later_for_podman_and_earlier_for_docker() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let cases = [
            ("3s", Dialect::Podman, 1_000_003),
            ("3s", Dialect::Docker, 999_997),
            ("-1m", Dialect::Podman, 999_940),
            ("1000", Dialect::Podman, 1000),
            ("0", Dialect::Podman, 0),
            ("1970-01-01T00:00:09Z", Dialect::Docker, 9),
        ];
        for (text, dialect, second) in cases {
            let read = end(text, now, dialect).unwrap();
            assert_eq!(read.as_second(), second, "{text}");
        }
        assert!(end("soon", now, Dialect::Podman).is_err());
    }

    #[test]
    fn tails_are_counted_in_lines() {
        let cases = [
            ("all", None),
            ("-1", None),
            ("0", Some(0)),
            ("12", Some(12)),
        ];
        for (text, lines) in cases {
            assert_eq!(tail(text).unwrap(), lines, "{text}");
        }
        assert!(tail("ten").is_err());
    }
}
