// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `stop`.

use super::which::{StopFlags, Which, WhichFlags, print_items, tool_error};
use crate::cli::{CommandResult, Context, Subcommand};

/// Flags of `stop`.
#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    /// Stop all running containers
    #[arg(long, short)]
    all: bool,
    /// Ignore errors when a specified container is missing
    #[arg(long, short)]
    ignore: bool,
    #[command(flatten)]
    grace: StopFlags,
    #[command(flatten)]
    which: WhichFlags,
}

impl Subcommand for Stop {
    const PATHS: &'static [&'static str] = &["stop", "container stop"];
    const ABOUT: &'static str = "Stop one or more containers";
    const EXAMPLES: &'static [&'static str] = &["stop web", "stop --time 2 web 6e534f14da9d"];

    fn run(self, context: &Context) -> CommandResult {
        let which = Which {
            all: self.all,
            ignore: self.ignore,
            ..self.which.into()
        };
        let options = self.grace.options()?;
        let selection = which.selection()?;
        let stopped = context.engine.stop(&selection, options, context);
        print_items(context, stopped, tool_error)
    }
}
