// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network connect`.

use super::failure::in_dialect;
use crate::cli::container::which::without_slash;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::state::connection::NetworkRequest;

/// Flags of `network connect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Connect {
    /// Add network-scoped alias for the container
    #[arg(long, value_delimiter = ',')]
    alias: Vec<String>,
    /// Set a static IPv4 address for this container network
    #[arg(long, value_name = "IP")]
    ip: Option<String>,
    /// Set a static IPv6 address for this container network
    #[arg(long, value_name = "IP")]
    ip6: Option<String>,
    /// Set a static MAC address for this container network
    #[arg(long, value_name = "MAC")]
    mac_address: Option<String>,
    /// A network, and a container that is to join it
    #[arg(value_name = "NETWORK CONTAINER", required = true, num_args = 2)]
    words: Vec<String>,
}

impl Subcommand for Connect {
    const PATHS: &'static [&'static str] = &["network connect"];
    const ABOUT: &'static str = "Add container to a network";
    const USAGE: Option<&'static str> = Some("NETWORK CONTAINER");
    const EXAMPLES: &'static [&'static str] = &[
        "network connect web ctr1",
        "network connect --alias db --ip 10.5.0.9 back ctr1",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let [network, container] = self.words.as_slice() else {
            return Err(Failure::usage("a network and a container are needed"));
        };
        let mut request = NetworkRequest {
            network: network.clone(),
            aliases: self.alias,
            ..NetworkRequest::default()
        };
        for text in self.ip.iter().chain(&self.ip6) {
            let address = text.parse();
            request.addresses.push(
                address
                    .map_err(|_error| Failure::tool(format!("\"{text}\" is not an ip address")))?,
            );
        }
        if let Some(text) = &self.mac_address {
            request.mac = Some(text.parse().map_err(Failure::tool)?);
        }
        let engine = &context.engine;
        let container = without_slash(container);
        let connected = engine.connect_to_network(&container, &request, context);
        connected.map_err(|error| in_dialect(context, &error))?;
        Ok(0)
    }
}
