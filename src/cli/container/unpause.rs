// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `unpause`.

use super::which::{Which, WhichFlags, print_items, tool_error};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::pause::Freezer;

/// Flags of `unpause`.
#[derive(Debug, clap::Args)]
pub(crate) struct Unpause {
    /// Unpause all paused containers
    #[arg(long, short)]
    all: bool,
    #[command(flatten)]
    which: WhichFlags,
}

impl Subcommand for Unpause {
    const PATHS: &'static [&'static str] = &["unpause", "container unpause"];
    const ABOUT: &'static str = "Unpause the processes in one or more containers";
    const EXAMPLES: &'static [&'static str] = &["unpause web", "unpause --all"];

    fn run(self, context: &Context) -> CommandResult {
        let which = Which {
            all: self.all,
            ..self.which.into()
        };
        let selection = which.selection()?;
        let turned = context.engine.set_frozen(&selection, Freezer::Unpause);
        print_items(context, turned, tool_error)
    }
}
