// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network exists`.

use super::failure::in_dialect;
use crate::cli::nothing::DOES_NOT_EXIST;
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::network::NetworkFailure;
use crate::state::networks::NetworkError;

/// Words of `network exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Name or id of the network
    #[arg(value_name = "NETWORK", required = true)]
    network: String,
}

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["network exists"];
    const ABOUT: &'static str = "Check if a network exists";

    fn run(self, context: &Context) -> CommandResult {
        match context.engine.network(&self.network) {
            Ok(_) => Ok(0),
            Err(NetworkFailure::Network(NetworkError::Missing { .. })) => Ok(DOES_NOT_EXIST),
            Err(error) => Err(in_dialect(context, &error)),
        }
    }
}
