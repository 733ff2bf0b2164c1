// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `container cleanup`.

use super::which::{Which, print_items, tool_error};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::cleanup::AfterCleanup;

/// Flags of `container cleanup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Cleanup {
    /// Clean up all containers
    #[arg(long, short)]
    all: bool,
    /// Clean up after the exec session instead of the container
    #[arg(long, value_name = "ID")]
    exec: Option<String>,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// After cleanup, remove the container entirely
    #[arg(long)]
    rm: bool,
    /// After cleanup, remove the container and its image
    #[arg(long)]
    rmi: bool,
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

    fn run(self, context: &Context) -> CommandResult {
        self.check()?;
        let after = match (self.rmi, self.rm) {
            (true, _) => AfterCleanup::RemoveWithImage,
            (false, true) => AfterCleanup::Remove,
            (false, false) => AfterCleanup::Keep,
        };
        let exec = self.exec;
        let which = Which {
            words: self.containers,
            all: self.all,
            latest: self.latest,
            ..Which::default()
        };
        let selection = which.selection()?;
        let cleaned = match exec {
            Some(session) => context.engine.clean_up_session(&selection, &session),
            None => context.engine.clean_up(&selection, after, context),
        };
        print_items(context, cleaned, tool_error)
    }
}

impl Cleanup {
    fn check(&self) -> Result<(), Failure> {
        let other = match &self.exec {
            Some(_) if self.all => "--all and --exec",
            Some(_) if self.rmi => "--exec and --rmi",
            Some(_) | None => return Ok(()),
        };
        Err(Failure::tool(format_args!(
            "{other} cannot be set together"
        )))
    }
}
