// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `system migrate`.

use crate::cli::container::which::{print_errors, tool_error};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::selection::{Scope, Selection};
use crate::engine::stop::StopOptions;

/// Flags of `system migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// Accepted: there is one kind of database
    #[arg(long, hide = true)]
    migrate_db: bool,
    /// OCI runtime of all containers from now on: coracle
    #[arg(long, value_name = "RUNTIME")]
    new_runtime: Option<String>,
}

impl Subcommand for Migrate {
    const PATHS: &'static [&'static str] = &["system migrate"];
    const ABOUT: &'static str = "Stop all containers, so that changed ranges of ids hold";
    const EXAMPLES: &'static [&'static str] = &["system migrate"];

    /// Records are read in every version of their format: there is no more to it.
    fn run(self, context: &Context) -> CommandResult {
        if let Some(other) = self.new_runtime.filter(|name| name != "coracle") {
            return Err(Failure::tool(format_args!(
                "--new-runtime {other}: not supported, choose from: coracle"
            )));
        }
        let running = Selection {
            scope: Scope::Running,
            ..Selection::default()
        };
        let stopped = context
            .engine
            .stop(&running, StopOptions::default(), context)?;
        let mut errors = Vec::new();
        for item in stopped {
            match item.result {
                Ok(()) => context.ui.line(format_args!("stopped {}", item.typed))?,
                Err(error) => errors.push(error),
            }
        }
        print_errors(context, errors, tool_error)
    }
}
