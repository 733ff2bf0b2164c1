// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `system reset`.

use crate::cli::confirm::{Answer, confirm};
use crate::cli::failure::TOOL_ERROR;
use crate::cli::{CommandResult, Context, Failure, Subcommand};

/// Flags of `system reset`.
#[derive(Debug, clap::Args)]
pub(crate) struct Reset {
    /// Do not prompt for confirmation
    #[arg(long, short)]
    force: bool,
}

impl Subcommand for Reset {
    const PATHS: &'static [&'static str] = &["system reset"];
    const ABOUT: &'static str = "Remove all containers, images and what belongs to them";
    const EXAMPLES: &'static [&'static str] = &["system reset", "system reset --force"];

    fn run(self, context: &Context) -> CommandResult {
        let dirs = &context.engine.dirs;
        let warning = format!(
            "WARNING! This will remove:\n        - all containers\n        - all images\n        \
             - all volumes\n        - everything in {} and {}\n\n",
            dirs.data_root.display(),
            dirs.run_root.display()
        );
        if !self.force && confirm(context, &warning)? == Answer::No {
            return Ok(0);
        }
        let reset = context.engine.reset(context);
        reset.map_err(|error| Failure::from_error(TOOL_ERROR, &error))?;
        Ok(0)
    }
}
