// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `restart`.

use std::path::PathBuf;

use super::which::{Which, print_items, tool_error};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::signal;
use crate::engine::stop::{Grace, StopOptions};

/// Flags of `restart`.
#[derive(Debug, clap::Args)]
pub(crate) struct Restart {
    /// Restart all non-running containers
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
    /// Restart only running containers
    #[arg(long)]
    running: bool,
    /// Signal to send in place of the container's own
    #[arg(long, short, hide = true)]
    signal: Option<String>,
    /// Seconds to wait for stop before killing the container
    #[arg(
        long,
        short,
        alias = "timeout",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    time: Option<i64>,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Subcommand for Restart {
    const PATHS: &'static [&'static str] = &["restart", "container restart"];
    const ABOUT: &'static str = "Restart one or more containers";
    const EXAMPLES: &'static [&'static str] = &["restart web", "restart --running"];

    fn run(self, context: &Context) -> CommandResult {
        let options = StopOptions {
            grace: self.time.map(Grace::from_seconds),
            signal: self.signal.as_deref().map(signal::parse).transpose()?,
        };
        let which = Which {
            words: self.containers,
            all: self.all,
            latest: self.latest,
            running: self.running,
            filters: self.filter,
            cidfiles: self.cidfile,
            ignore: false,
        };
        let selection = which.selection()?;
        let restarted = context.engine.restart(&selection, options, context);
        print_items(context, restarted, tool_error)
    }
}
