// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `quadlet print`.

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::quadlet::Quadlets;

/// Words of `quadlet print`.
#[derive(Debug, clap::Args)]
pub(crate) struct Print {
    /// Name of the quadlet file
    #[arg(value_name = "QUADLET", required = true)]
    quadlet: String,
}

impl Subcommand for Print {
    const PATHS: &'static [&'static str] = &["quadlet print", "quadlet cat"];
    const ABOUT: &'static str = "Show what a quadlet file says";

    fn run(self, context: &Context) -> CommandResult {
        let text = Quadlets::of_process().text(&self.quadlet);
        context.ui.raw(&text.map_err(Failure::tool)?)?;
        Ok(0)
    }
}
