// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network rm`.

use super::failure::in_dialect;
use crate::cli::args::Force;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::network::{NetworkFailure, RemovedNetwork};
use crate::state::networks::NetworkError;

/// Flags of `network rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Remove any containers using network
    #[arg(long, short)]
    force: bool,
    /// Seconds to wait for running containers to stop before killing the container
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names or ids of networks
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["network rm", "network remove"];
    const ABOUT: &'static str = "Remove one or more networks";

    fn run(self, context: &Context) -> CommandResult {
        let (force, time) = (self.force, self.time);
        let users = Force { force, time }.running()?;
        let removed = context
            .engine
            .remove_networks(&self.networks, users, context);
        let missing = |one: &RemovedNetwork| {
            let network = one.result.as_ref().err();
            network.is_some_and(|error| {
                matches!(error, NetworkFailure::Network(NetworkError::Missing { .. }))
            })
        };
        print(
            context,
            removed
                .into_iter()
                .filter(|one| !(self.force && missing(one))),
        )
    }
}

/// Prints what is gone, and a line for each that is not; the last is the command's own error, and
/// the gravest code counts.
pub(super) fn print(
    context: &Context,
    removed: impl Iterator<Item = RemovedNetwork>,
) -> CommandResult {
    let mut failures: Vec<Failure> = Vec::new();
    for one in removed {
        match one.result {
            Ok(()) => context.ui.line(one.typed)?,
            Err(error) => failures.push(failure(context, &error)),
        }
    }
    context.end_gravest(failures)
}

fn failure(context: &Context, error: &NetworkFailure) -> Failure {
    let mut failure = in_dialect(context, error);
    match error {
        NetworkFailure::Network(NetworkError::Missing { .. }) => failure.code = 1,
        NetworkFailure::InUse { .. } if failure.code == 125 => failure.code = 2,
        _ => {}
    }
    failure
}
