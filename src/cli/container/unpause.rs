// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `unpause`.

use std::path::PathBuf;

use super::which::{Which, print_items, tool_error};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::pause::Freezer;

/// Flags of `unpause`.
#[derive(Debug, clap::Args)]
pub(crate) struct Unpause {
    /// Unpause all paused containers
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

impl Subcommand for Unpause {
    const PATHS: &'static [&'static str] = &["unpause", "container unpause"];
    const ABOUT: &'static str = "Unpause the processes in one or more containers";
    const EXAMPLES: &'static [&'static str] = &["unpause web", "unpause --all"];

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
        let turned = context.engine.set_frozen(&selection, Freezer::Unpause);
        print_items(context, turned, tool_error)
    }
}
