// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest exists`.

use crate::cli::{CommandResult, Context, Subcommand};

/// Words of `manifest exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Name or id of a list
    #[arg(value_name = "LIST", required = true)]
    list: String,
}

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["manifest exists"];
    const ABOUT: &'static str = "Check whether a manifest list exists in local storage";
    const EXAMPLES: &'static [&'static str] = &["manifest exists web:1.0"];

    fn run(self, context: &Context) -> CommandResult {
        Ok(u8::from(!context.engine.manifest_exists(&self.list)?))
    }
}
