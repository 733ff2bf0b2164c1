// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is called what in which network. A container knows the names of the networks that it is in
//! itself, and no others.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::network::plan::{ConnectionPlan, NetworkPlan};

/// All containers that are connected.
#[derive(Debug, Default)]
pub struct Table {
    containers: BTreeMap<String, ConnectionPlan>,
    /// By network: names and addresses of its containers.
    networks: BTreeMap<String, Names>,
}

/// The names of one network.
#[derive(Debug, Default)]
struct Names {
    name: String,
    /// Lower case.
    forward: BTreeMap<String, Vec<IpAddr>>,
    reverse: BTreeMap<IpAddr, String>,
}

/// What a name is to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is a container's: all its addresses that can be reached.
    Known(Vec<IpAddr>),
    /// It would be a container's, and there is none.
    Missing,
    /// It is none of ours.
    Foreign,
}

/// The domain that podman's containers find in their search list.
const DOMAIN: &str = ".dns.podman";
/// Names of the host.
const HOST_NAMES: [&str; 2] = ["host.containers.internal", "host.docker.internal"];

impl Table {
    /// Adds a container, or changes what it is in.
    pub fn set(&mut self, container: &str, plan: &ConnectionPlan) {
        self.containers.insert(container.to_owned(), plan.clone());
        self.rebuild();
    }

    /// Forgets a container.
    pub fn remove(&mut self, container: &str) {
        if self.containers.remove(container).is_some() {
            self.rebuild();
        }
    }

    /// The container that has the address in the network with the id `network`.
    pub fn owner(&self, network: &str, address: IpAddr) -> Option<&str> {
        let has = |plan: &ConnectionPlan| {
            let own = plan.attachments.iter().filter(|one| one.network == network);
            own.flat_map(|one| &one.addresses)
                .any(|own| own.address == address)
        };
        let mut containers = self.containers.iter();
        containers
            .find(|(_, plan)| has(plan))
            .map(|(container, _)| container.as_str())
    }

    /// What `name` (lower case) is to `container`.
    pub fn find(&self, container: &str, name: &str) -> Found {
        let Some(plan) = self.containers.get(container) else {
            return Found::Foreign;
        };
        if HOST_NAMES.contains(&name) {
            return Found::Known(gateways(plan));
        }
        let (name, is_ours) = match name.strip_suffix(DOMAIN) {
            Some(name) => (name, true),
            None => (name, false),
        };
        let mut addresses: Vec<IpAddr> = Vec::new();
        let mut known = false;
        for names in self.networks_of(plan) {
            let qualified = name
                .strip_suffix(names.name.as_str())
                .and_then(|rest| rest.strip_suffix('.'));
            for name in [Some(name), qualified].into_iter().flatten() {
                for address in names.forward.get(name).into_iter().flatten() {
                    known = true;
                    if !addresses.contains(address) {
                        addresses.push(*address);
                    }
                }
            }
        }
        match (known, is_ours) {
            (true, _) => Found::Known(addresses),
            (false, true) => Found::Missing,
            (false, false) => Found::Foreign,
        }
    }

    /// The name of an address, as `container` may know it; [`Found::Missing`] for one of its
    /// networks that nobody has.
    ///
    /// # Errors
    ///
    /// What is to be said instead of a name.
    pub fn name_of(&self, container: &str, address: IpAddr) -> Result<String, Found> {
        let plan = self.containers.get(container).ok_or(Found::Foreign)?;
        let mut names = self.networks_of(plan);
        if let Some(name) = names.find_map(|names| names.reverse.get(&address)) {
            return Ok(name.clone());
        }
        let mut subnets = plan.networks.iter().flat_map(|network| &network.subnets);
        if subnets.any(|subnet| subnet.network.contains(address)) {
            return Err(Found::Missing);
        }
        Err(Found::Foreign)
    }

    /// Whom `container` wants to be asked for other names; empty is whom the host asks. `None` if
    /// nobody may be.
    pub fn servers(&self, container: &str) -> Option<Vec<SocketAddr>> {
        let plan = self.containers.get(container)?;
        if plan.networks.iter().all(|network| network.internal) {
            return None;
        }
        if !plan.dns_servers.is_empty() {
            return Some(plan.dns_servers.clone());
        }
        let servers = plan
            .networks
            .iter()
            .flat_map(|network| &network.dns_servers);
        Some(servers.map(|server| SocketAddr::new(*server, 53)).collect())
    }

    fn networks_of(&self, plan: &ConnectionPlan) -> impl Iterator<Item = &Names> {
        let ids = plan.attachments.iter().map(|one| one.network.as_str());
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.into_iter().filter_map(|id| self.networks.get(&id))
    }

    fn rebuild(&mut self) {
        self.networks.clear();
        for plan in self.containers.values() {
            for attachment in &plan.attachments {
                let network = plan.network_of(attachment);
                let Some(network) = network.filter(|network| network.dns_enabled) else {
                    continue;
                };
                let names = self.networks.entry(network.id.clone()).or_default();
                names.name = network.name.to_ascii_lowercase();
                let addresses = attachment.addresses.iter().map(|prefix| prefix.address);
                for name in plan.names.iter().chain(&attachment.aliases) {
                    let list = names.forward.entry(name.to_ascii_lowercase()).or_default();
                    let new = addresses.clone().filter(|one| !list.contains(one));
                    let new: Vec<IpAddr> = new.collect();
                    list.extend(new);
                }
                if let Some(name) = plan.names.first() {
                    names
                        .reverse
                        .extend(addresses.map(|one| (one, name.clone())));
                }
            }
        }
    }
}

/// Where the container finds the host: the gateways of its first network.
fn gateways(plan: &ConnectionPlan) -> Vec<IpAddr> {
    let first = plan.attachments.first();
    let network: Option<&NetworkPlan> = first.and_then(|first| plan.network_of(first));
    let subnets = network.into_iter().flat_map(|network| &network.subnets);
    subnets.filter_map(|subnet| subnet.gateway).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::network::plan::{Attachment, Subnet};

    /// A container with one address in each network; aliases go with every one of them.
    pub(in super::super) fn plan(
        names: &[&str],
        aliases: &[&str],
        at: &[(&str, &str)],
    ) -> ConnectionPlan {
        let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let network = |(name, address): &(&str, &str)| {
            let prefix: crate::network::plan::Prefix = address.parse().unwrap();
            NetworkPlan {
                id: format!("id-{name}"),
                name: (*name).to_owned(),
                bridge: (*name).to_owned(),
                subnets: vec![Subnet {
                    network: prefix.network(),
                    gateway: address
                        .rsplit_once('.')
                        .map(|(net, _)| format!("{net}.1").parse().unwrap()),
                }],
                ipv6: false,
                internal: name.starts_with("internal"),
                isolate: true,
                mtu: None,
                dns_enabled: *name != "podman",
                dns_servers: Vec::new(),
                routes: Vec::new(),
            }
        };
        let attachment = |(name, address): &(&str, &str)| Attachment {
            network: format!("id-{name}"),
            interface: "eth0".to_owned(),
            addresses: vec![address.parse().unwrap()],
            mac: "02:42:00:00:00:01".parse().unwrap(),
            aliases: strings(aliases),
        };
        ConnectionPlan {
            networks: at.iter().map(network).collect(),
            attachments: at.iter().map(attachment).collect(),
            names: strings(names),
            ..ConnectionPlan::default()
        }
    }

    pub(in super::super) fn table() -> Table {
        let mut table = Table::default();
        table.set(
            "c1",
            &plan(
                &["Web", "aaaaaaaaaaaa"],
                &["www"],
                &[("front", "10.1.0.2/24")],
            ),
        );
        table.set(
            "c2",
            &plan(
                &["web2"],
                &["www"],
                &[("front", "10.1.0.3/24"), ("back", "10.2.0.3/24")],
            ),
        );
        table.set("c3", &plan(&["db"], &[], &[("back", "10.2.0.4/24")]));
        table.set("c4", &plan(&["lone"], &[], &[("podman", "10.88.0.2/16")]));
        table.set("c5", &plan(&["shut"], &[], &[("internal", "10.3.0.2/24")]));
        table
    }

    fn known(addresses: &[&str]) -> Found {
        Found::Known(addresses.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn names_are_those_of_ones_own_networks() {
        let table = table();
        let cases = [
            ("c2", "web", known(&["10.1.0.2"])),
            ("c2", "aaaaaaaaaaaa", known(&["10.1.0.2"])),
            ("c2", "db", known(&["10.2.0.4"])),
            ("c2", "db.back", known(&["10.2.0.4"])),
            ("c2", "db.front", Found::Foreign),
            ("c1", "www", known(&["10.1.0.2", "10.1.0.3"])),
            ("c3", "www", known(&["10.2.0.3"])),
            ("c1", "db", Found::Foreign),
            ("c1", "web.dns.podman", known(&["10.1.0.2"])),
            ("c1", "db.dns.podman", Found::Missing),
            ("c1", "host.containers.internal", known(&["10.1.0.1"])),
            ("c4", "lone", Found::Foreign),
            ("nobody", "web", Found::Foreign),
        ];
        for (container, name, expected) in cases {
            assert_eq!(table.find(container, name), expected, "{container} {name}");
        }
    }

    #[test]
    fn addresses_have_names_and_owners() {
        let mut table = table();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            table.name_of("c1", address("10.1.0.3")),
            Ok("web2".to_owned())
        );
        assert_eq!(
            table.name_of("c1", address("10.1.0.99")),
            Err(Found::Missing)
        );
        assert_eq!(
            table.name_of("c1", address("10.2.0.4")),
            Err(Found::Foreign)
        );
        assert_eq!(table.owner("id-back", address("10.2.0.3")), Some("c2"));
        assert_eq!(table.owner("id-front", address("10.2.0.3")), None);
        table.remove("c2");
        assert_eq!(table.owner("id-back", address("10.2.0.3")), None);
        assert_eq!(table.find("c1", "www"), known(&["10.1.0.2"]));
    }

    #[test]
    fn whom_to_ask_is_the_containers_then_the_networks_then_the_hosts() {
        let mut table = table();
        assert_eq!(table.servers("c1"), Some(Vec::new()));
        assert_eq!(table.servers("c5"), None);
        let mut own = plan(&["own"], &[], &[("front", "10.1.0.9/24")]);
        own.networks[0].dns_servers = vec!["10.9.9.9".parse().unwrap()];
        table.set("c6", &own);
        assert_eq!(
            table.servers("c6"),
            Some(vec!["10.9.9.9:53".parse().unwrap()])
        );
        own.dns_servers = vec!["10.8.8.8:53".parse().unwrap()];
        table.set("c6", &own);
        assert_eq!(table.servers("c6"), Some(own.dns_servers.clone()));
    }
}
