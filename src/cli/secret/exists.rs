// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `secret exists`.

use crate::cli::{CommandResult, Context, Subcommand};
use crate::state::secrets::SecretError;

/// Words of `secret exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Name or id of the secret
    #[arg(value_name = "SECRET", required = true)]
    secret: String,
}

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["secret exists"];
    const ABOUT: &'static str = "Check if a secret exists";

    fn run(self, context: &Context) -> CommandResult {
        match context.engine.secrets().find(&self.secret) {
            Ok(_) => Ok(0),
            Err(SecretError::Missing { .. }) => Ok(1),
            Err(error) => Err(super::failure(context, &error, 125)),
        }
    }
}
