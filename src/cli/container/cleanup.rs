// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `container cleanup`.

use super::which::{Which, print_items, tool_error};
use crate::cli::command::NotYet;
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::cleanup::AfterCleanup;

/// Flags of `container cleanup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Cleanup {
    /// Clean up all containers
    #[arg(long, short)]
    all: bool,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// After cleanup, remove the container entirely
    #[arg(long)]
    rm: bool,
    /// Accepted: nothing but ended containers is ever cleaned up
    #[arg(long, hide = true)]
    stopped_only: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Subcommand for Cleanup {
    const PATHS: &'static [&'static str] = &["container cleanup"];
    const ABOUT: &'static str = "Clean up network and mountpoints of one or more containers";
    const EXAMPLES: &'static [&'static str] = &["container cleanup web", "container cleanup --all"];
    const NOT_YET: &'static [NotYet] = &[
        NotYet {
            long: "exec",
            short: None,
        },
        NotYet {
            long: "rmi",
            short: None,
        },
    ];

    fn run(self, context: &Context) -> CommandResult {
        let after = if self.rm {
            AfterCleanup::Remove
        } else {
            AfterCleanup::Keep
        };
        let which = Which {
            words: self.containers,
            all: self.all,
            latest: self.latest,
            ..Which::default()
        };
        let cleaned = context.engine.clean_up(&which.selection()?, after);
        print_items(context, cleaned, tool_error)
    }
}
