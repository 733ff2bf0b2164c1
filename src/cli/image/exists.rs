// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `image exists`: an exit code and no word.

use crate::cli::{CommandResult, Context, Subcommand};

/// Words of `image exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Name or id of an image
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
}

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["image exists"];
    const ABOUT: &'static str = "Check if an image exists in local storage";
    const EXAMPLES: &'static [&'static str] = &["image exists web || echo it is not there"];

    fn run(self, context: &Context) -> CommandResult {
        let exists = context.engine.image_exists(&self.image)?;
        Ok(u8::from(!exists))
    }
}
