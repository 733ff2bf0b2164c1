// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `kill`.

use std::path::PathBuf;

use super::which::{Which, print_items, tool_error};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::signal;

/// Flags of `kill`.
#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    /// Signal all running containers
    #[arg(long, short)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Signal to send to the container
    #[arg(long, short, default_value = "KILL")]
    signal: String,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Subcommand for Kill {
    const PATHS: &'static [&'static str] = &["kill", "container kill"];
    const ABOUT: &'static str = "Kill one or more running containers with a specific signal";
    const EXAMPLES: &'static [&'static str] = &["kill web", "kill --signal TERM web"];

    fn run(self, context: &Context) -> CommandResult {
        let signal = signal::parse(&self.signal)?;
        let which = Which {
            words: self.containers,
            all: self.all,
            latest: self.latest,
            cidfiles: self.cidfile,
            ..Which::default()
        };
        let selection = which.selection()?;
        let killed = context.engine.kill(&selection, signal, context);
        print_items(context, killed, tool_error)
    }
}
