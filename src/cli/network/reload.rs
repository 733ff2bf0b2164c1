// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network reload`.

use super::failure::in_dialect;
use crate::cli::container::which::Which;
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::network::{MemberError, NetworkFailure};

/// Flags of `network reload`.
#[derive(Debug, clap::Args)]
pub(crate) struct Reload {
    /// Reload network configuration of all containers
    #[arg(long, short)]
    all: bool,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Subcommand for Reload {
    const PATHS: &'static [&'static str] = &["network reload"];
    const ABOUT: &'static str = "Reload firewall rules for one or more containers";

    fn run(self, context: &Context) -> CommandResult {
        let which = Which {
            words: self.containers,
            all: self.all,
            latest: self.latest,
            ..Which::default()
        };
        let selection = which.selection()?;
        for chosen in context.engine.select(&selection)? {
            let id = chosen.id?;
            match context.engine.reload_networks(&id) {
                Err(NetworkFailure::Member(
                    MemberError::NotRunning { .. } | MemberError::Mode { .. },
                )) if self.all => {}
                Err(error) => return Err(in_dialect(context, &error)),
                Ok(()) => context.ui.line(id)?,
            }
        }
        Ok(0)
    }
}
