// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network create`.

use super::failure::in_dialect;
use crate::cli::args::pairs;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::network::{NewNetwork, NewSubnet};
use crate::engine::volume::Existing;

/// Flags of `network create`.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Disable the names of containers
    #[arg(long)]
    disable_dns: bool,
    /// DNS servers this network will use
    #[arg(long, value_delimiter = ',', value_name = "IP")]
    dns: Vec<String>,
    /// Driver to manage the network
    #[arg(long, short, default_value = "bridge", hide_default_value = true)]
    driver: String,
    /// IPv4 or IPv6 gateway for the subnet
    #[arg(long, value_delimiter = ',', value_name = "IP")]
    gateway: Vec<String>,
    /// Do not fail if the network exists
    #[arg(long)]
    ignore: bool,
    /// Interface name which is used by the driver
    #[arg(long, value_name = "NAME")]
    interface_name: Option<String>,
    /// Restrict external access from this network
    #[arg(long)]
    internal: bool,
    /// Allocate container IPs from a range
    #[arg(long, value_name = "RANGE")]
    ip_range: Vec<String>,
    /// IP address management driver
    #[arg(long, value_name = "DRIVER")]
    ipam_driver: Option<String>,
    /// Enable IPv6 networking
    #[arg(long)]
    ipv6: bool,
    /// Set metadata on a network
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(long, short, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Static routes
    #[arg(long, value_name = "DESTINATION,GATEWAY[,METRIC]")]
    route: Vec<String>,
    /// Subnets in CIDR format
    #[arg(long, value_name = "CIDR")]
    subnet: Vec<String>,
    /// Means nothing outside of a swarm
    #[arg(long, hide = true)]
    attachable: bool,
    /// Name of the network
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Subcommand for Create {
    const PATHS: &'static [&'static str] = &["network create"];
    const ABOUT: &'static str = "Create networks for containers and pods";
    const EXAMPLES: &'static [&'static str] = &[
        "network create web",
        "network create --subnet 10.5.0.0/24 --gateway 10.5.0.1 web",
        "network create --internal --ipv6 back",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let dialect = context.engine.dialect;
        if dialect == Dialect::Docker && self.name.is_none() {
            return Err(Failure::usage("requires 1 argument"));
        }
        let subnets = subnets(&self.subnet, &self.gateway, &self.ip_range)?;
        let request = NewNetwork {
            name: self.name,
            driver: self.driver,
            subnets,
            routes: self.route,
            ipv6: self.ipv6,
            internal: self.internal,
            disable_dns: self.disable_dns,
            dns_servers: self.dns,
            labels: pairs(&self.label),
            options: pairs(&self.opt),
            interface: self.interface_name,
            ipam_driver: self.ipam_driver,
            existing: if self.ignore {
                Existing::Keep
            } else {
                Existing::Refuse
            },
        };
        let made = context.engine.create_network(request);
        let made = made.map_err(|error| in_dialect(context, &error))?;
        context.ui.line(match dialect {
            Dialect::Podman => made.name,
            Dialect::Docker => made.id,
        })?;
        Ok(0)
    }
}

/// Each gateway and range belongs to the subnet of the same place.
fn subnets(
    subnets: &[String],
    gateways: &[String],
    ranges: &[String],
) -> Result<Vec<NewSubnet>, Failure> {
    let refuse = |what: &str| Failure::tool(format!("cannot set more {what} than subnets"));
    if subnets.is_empty() && !(gateways.is_empty() && ranges.is_empty()) {
        return Err(Failure::tool("cannot set gateway or range without subnet"));
    }
    if gateways.len() > subnets.len() {
        return Err(refuse("gateways"));
    }
    if ranges.len() > subnets.len() {
        return Err(refuse("ranges"));
    }
    let subnet = |(at, subnet): (usize, &String)| NewSubnet {
        subnet: subnet.clone(),
        gateway: gateways.get(at).cloned(),
        range: ranges.get(at).cloned(),
    };
    Ok(subnets.iter().enumerate().map(subnet).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_and_ranges_need_their_subnets() {
        let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (two, one) = (
            strings(&["10.0.0.0/24", "fd00::/64"]),
            strings(&["10.0.0.9"]),
        );
        let parsed = subnets(&two, &one, &[]).unwrap();
        assert_eq!(parsed[0].gateway.as_deref(), Some("10.0.0.9"));
        assert_eq!(parsed[1].gateway, None);
        let cases = [
            (
                subnets(&[], &one, &[]),
                "cannot set gateway or range without subnet",
            ),
            (
                subnets(&one, &two, &[]),
                "cannot set more gateways than subnets",
            ),
            (
                subnets(&one, &[], &two),
                "cannot set more ranges than subnets",
            ),
        ];
        for (result, words) in cases {
            assert_eq!(result.unwrap_err().message, words);
        }
    }
}
