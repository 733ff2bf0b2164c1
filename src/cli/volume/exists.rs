// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `volume exists`.

use crate::cli::{CommandResult, Context, Subcommand};

/// Words of `volume exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Name of the volume
    #[arg(value_name = "VOLUME", required = true)]
    volume: String,
}

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["volume exists"];
    const ABOUT: &'static str = "Check if a volume exists";

    fn run(self, context: &Context) -> CommandResult {
        Ok(u8::from(!context.engine.volume_exists(&self.volume)))
    }
}
