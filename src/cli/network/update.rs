// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network update`.

use super::failure::in_dialect;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::network::NetworkUpdate;

/// Flags of `network update`.
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// Add network level nameservers
    #[arg(long, value_delimiter = ',', value_name = "IP")]
    dns_add: Vec<String>,
    /// Remove network level nameservers
    #[arg(long, value_delimiter = ',', value_name = "IP")]
    dns_drop: Vec<String>,
    /// Name or id of the network
    #[arg(value_name = "NETWORK", required = true)]
    network: String,
}

impl Subcommand for Update {
    const PATHS: &'static [&'static str] = &["network update"];
    const ABOUT: &'static str = "Update an existing podman network";
    const EXAMPLES: &'static [&'static str] = &["network update web --dns-add 8.8.8.8"];

    fn run(self, context: &Context) -> CommandResult {
        if self.dns_add.is_empty() && self.dns_drop.is_empty() {
            return Err(Failure::tool(
                "must provide one of: --dns-add or --dns-drop",
            ));
        }
        let update = NetworkUpdate {
            dns_add: self.dns_add,
            dns_drop: self.dns_drop,
        };
        let updated = context.engine.update_network(&self.network, &update);
        updated.map_err(|error| in_dialect(context, &error))?;
        context.ui.line(self.network)?;
        Ok(0)
    }
}
