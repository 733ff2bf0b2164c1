// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pause`.

use super::which::{Which, WhichFlags, print_items, tool_error};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::pause::Freezer;

/// Flags of `pause`.
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    /// Pause all running containers
    #[arg(long, short)]
    all: bool,
    #[command(flatten)]
    which: WhichFlags,
}

impl Subcommand for Pause {
    const PATHS: &'static [&'static str] = &["pause", "container pause"];
    const ABOUT: &'static str = "Pause all the processes in one or more containers";
    const EXAMPLES: &'static [&'static str] = &["pause web", "pause --all"];

    fn run(self, context: &Context) -> CommandResult {
        let which = Which {
            all: self.all,
            ..self.which.into()
        };
        let selection = which.selection()?;
        let turned = context.engine.set_frozen(&selection, Freezer::Pause);
        print_items(context, turned, tool_error)
    }
}
