// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `container exists`: an exit code and no word.

use super::which::without_slash;
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::error::EngineError;

/// Flags of `container exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Check for containers of buildah as well
    #[arg(long)]
    external: bool,
    /// Name or id of a container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// The exit code that says no.
const MISSING: u8 = 1;

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["container exists"];
    const ABOUT: &'static str = "Check if a container exists in local storage";
    const EXAMPLES: &'static [&'static str] = &["container exists web && echo it is there"];

    fn run(self, context: &Context) -> CommandResult {
        let store = context.engine.store().map_err(EngineError::from)?;
        let name = without_slash(&self.container);
        match store.resolve(&name) {
            Ok(_) => Ok(0),
            Err(error) => {
                let error = EngineError::from(error);
                if self.external && context.engine.has_external(&name) {
                    Ok(0)
                } else if error.is_missing() {
                    Ok(MISSING)
                } else {
                    Err(error.into())
                }
            }
        }
    }
}
