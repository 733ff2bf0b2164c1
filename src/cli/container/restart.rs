// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `restart`.

use super::which::{StopFlags, Which, WhichFlags, print_items, tool_error};
use crate::cli::{CommandResult, Context, Subcommand};

/// Flags of `restart`.
#[derive(Debug, clap::Args)]
pub(crate) struct Restart {
    /// Restart all non-running containers
    #[arg(long, short)]
    all: bool,
    /// Restart only running containers
    #[arg(long)]
    running: bool,
    #[command(flatten)]
    stop: StopFlags,
    #[command(flatten)]
    which: WhichFlags,
}

impl Subcommand for Restart {
    const PATHS: &'static [&'static str] = &["restart", "container restart"];
    const ABOUT: &'static str = "Restart one or more containers";
    const EXAMPLES: &'static [&'static str] = &["restart web", "restart --running"];

    fn run(self, context: &Context) -> CommandResult {
        let options = self.stop.options()?;
        let which = Which {
            all: self.all,
            running: self.running,
            ..self.which.into()
        };
        let selection = which.selection()?;
        let restarted = context.engine.restart(&selection, options, context);
        print_items(context, restarted, tool_error)
    }
}
