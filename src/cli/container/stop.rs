// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `stop`.

use std::path::PathBuf;

use super::which::{Which, print_items, tool_error};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::signal;
use crate::engine::stop::{Grace, StopOptions};

/// Flags of `stop`.
#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    /// Stop all running containers
    #[arg(long, short)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Filter output based on conditions given
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Ignore errors when a specified container is missing
    #[arg(long, short)]
    ignore: bool,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
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

impl Subcommand for Stop {
    const PATHS: &'static [&'static str] = &["stop", "container stop"];
    const ABOUT: &'static str = "Stop one or more containers";
    const EXAMPLES: &'static [&'static str] = &["stop web", "stop --time 2 web 6e534f14da9d"];

    fn run(self, context: &Context) -> CommandResult {
        let which = Which {
            words: self.containers,
            all: self.all,
            latest: self.latest,
            filters: self.filter,
            cidfiles: self.cidfile,
            ignore: self.ignore,
            running: false,
        };
        let options = StopOptions {
            grace: self.time.map(Grace::from_seconds),
            signal: self.signal.as_deref().map(signal::parse).transpose()?,
        };
        let selection = which.selection()?;
        let stopped = context.engine.stop(&selection, options, context);
        print_items(context, stopped, tool_error)
    }
}
