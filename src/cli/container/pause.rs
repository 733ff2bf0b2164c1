// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pause`.

use std::path::PathBuf;

use super::which::{Which, print_items, tool_error};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::pause::Freezer;

/// Flags of `pause`.
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    /// Pause all running containers
    #[arg(long, short)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Filter output based on conditions given
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Subcommand for Pause {
    const PATHS: &'static [&'static str] = &["pause", "container pause"];
    const ABOUT: &'static str = "Pause all the processes in one or more containers";
    const EXAMPLES: &'static [&'static str] = &["pause web", "pause --all"];

    fn run(self, context: &Context) -> CommandResult {
        let which = Which {
            words: self.containers,
            all: self.all,
            latest: self.latest,
            filters: self.filter,
            cidfiles: self.cidfile,
            ..Which::default()
        };
        let selection = which.selection()?;
        let turned = context.engine.set_frozen(&selection, Freezer::Pause);
        print_items(context, turned, tool_error)
    }
}
