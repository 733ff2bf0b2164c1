// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `top`: the processes of a container.

use super::which::without_slash;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::top::{Cell, Processes, TopError, TopRequest, descriptor_names};
use crate::output::table::{Columns, Table};
use crate::output::units::duration::go_duration;
use crate::output::value::Time;

/// Flags of `top`.
#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Print the names of all descriptors
    #[arg(long, hide = true)]
    list_descriptors: bool,
    /// A container, then descriptors such as pid, user and args, or flags of ps(1)
    #[arg(
        value_name = "CONTAINER [DESCRIPTOR...]",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<String>,
}

impl Subcommand for Top {
    const PATHS: &'static [&'static str] = &["top", "container top"];
    const ABOUT: &'static str = "Display the running processes of a container";
    const USAGE: Option<&'static str> = Some("CONTAINER [FORMAT-DESCRIPTORS|ARGS...]");
    const EXAMPLES: &'static [&'static str] = &[
        "top web",
        "top web pid seccomp args %C",
        "top web -eo user,pid,comm",
    ];

    fn run(self, context: &Context) -> CommandResult {
        if self.list_descriptors {
            context.ui.line(descriptor_names().join("\n"))?;
            return Ok(0);
        }
        let mut words = self.words.into_iter();
        let container = if self.latest { None } else { words.next() };
        if container.is_none() && !self.latest {
            let message = "you must provide the name or id of a running container";
            return Err(Failure::usage(message));
        }
        let request = TopRequest {
            container: container.map(|word| without_slash(&word)),
            words: words.collect(),
        };
        print_processes(context, context.engine.top(&request)?)
    }
}

/// Prints a table of processes.
pub(in crate::cli) fn print_processes(context: &Context, processes: Processes) -> CommandResult {
    let mut table = Table::new(Columns::PODMAN);
    if !processes.headings.is_empty() {
        table.row(&processes.headings);
    }
    for row in processes.rows {
        table.row(row.into_iter().map(shown));
    }
    context.ui.raw(table.finish().as_bytes())?;
    Ok(0)
}

fn shown(cell: Cell) -> String {
    match cell {
        Cell::Text(text) => text,
        Cell::Span(nanoseconds) => go_duration(nanoseconds),
        Cell::Moment(moment) => Time::local(moment).go_string(),
    }
}

impl From<TopError> for Failure {
    fn from(error: TopError) -> Self {
        match error {
            TopError::NoContainer(source) if !source.is_missing() => source.into(),
            TopError::NoContainer(source) => {
                let docker_message = source.docker_message();
                let message = format!("unable to look up requested container: {source}");
                Self {
                    docker_message,
                    ..Self::engine(crate::cli::failure::TOOL_ERROR, message)
                }
            }
            TopError::NotRunning { ref name } => Self {
                docker_message: Some(format!("container {name} is not running")),
                ..Self::engine(crate::cli::failure::TOOL_ERROR, &error)
            },
            TopError::Ps(_) | TopError::Ended { .. } => Self::tool(error),
        }
    }
}
