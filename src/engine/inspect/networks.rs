// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What both dialects show of a container's networks and ports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Subject, port_keys};
use crate::engine::Dialect;
use crate::engine::network::{DEFAULT_NETWORK, ports::ports_of, recorded};
use crate::state::connection::{Attachment, NetworkRequest, Prefix, PublishedPort};
use crate::state::networks::NetworkRecord;

/// A container in one network.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    /// The network's name, as this dialect calls it.
    pub(super) network: String,
    /// Its id.
    pub(super) network_id: String,
    /// The other names of the container there.
    pub(super) aliases: Vec<String>,
    /// Empty when it does not run.
    pub(super) mac: String,
    pub(super) v4: Address,
    pub(super) v6: Address,
}

/// An address as text; empty without one.
#[derive(Debug, Default)]
pub(super) struct Address {
    pub(super) ip: String,
    pub(super) length: u32,
    pub(super) gateway: String,
}

impl Subject<'_> {
    /// The bridge networks of the container, by name; `None` if it has none.
    pub(super) fn endpoints(&self) -> Option<Vec<Endpoint>> {
        let requests = self.record.resolved.networks.as_ref()?;
        let mut endpoints: Vec<Endpoint> = requests.iter().map(|one| self.endpoint(one)).collect();
        endpoints.sort_by(|left, right| left.network.cmp(&right.network));
        Some(endpoints)
    }

    /// The one whose addresses stand for the container's: the default network, if it is in no
    /// other.
    pub(super) fn main_endpoint(&self) -> Option<Endpoint> {
        match self.record.resolved.networks.as_deref() {
            Some([only]) if only.network == DEFAULT_NETWORK => Some(self.endpoint(only)),
            _ => None,
        }
    }

    fn endpoint(&self, request: &NetworkRequest) -> Endpoint {
        let record = recorded(self.dirs, &request.network);
        let id = record.as_ref().map_or("", |record| record.id.as_str());
        let up = self.observed.is_up();
        let mut attachments = self.state.attachments.iter().filter(|_| up);
        let attachment = attachments.find(|one| one.network == id);
        let address = |v4: bool| {
            let found = attachment.and_then(|one| first(one, v4));
            found.map_or_else(Address::default, |prefix| {
                Address::of(prefix, record.as_ref())
            })
        };
        let is_bridge = self.dialect == Dialect::Docker && request.network == DEFAULT_NETWORK;
        Endpoint {
            network: if is_bridge {
                "bridge".to_owned()
            } else {
                request.network.clone()
            },
            network_id: id.to_owned(),
            aliases: self.aliases(request),
            mac: attachment.map_or_else(String::new, |one| one.mac.to_string()),
            v4: address(true),
            v6: address(false),
        }
    }

    /// The wanted ones, the short id, and the host name where it was given.
    fn aliases(&self, request: &NetworkRequest) -> Vec<String> {
        let mut aliases = request.aliases.clone();
        aliases.push(self.record.id.as_str()[..12].to_owned());
        aliases.extend(self.record.request.hostname.clone());
        aliases
    }

    /// The ports of the container, each with those of the host that lead to it.
    pub(super) fn ports(&self) -> BTreeMap<String, Vec<(String, String)>> {
        let mode = self.network_mode();
        if mode == "host" || mode.starts_with("container:") {
            return BTreeMap::new();
        }
        let resolved = &self.record.resolved;
        let keys = port_keys(&resolved.exposed_ports);
        let mut ports: BTreeMap<String, Vec<(String, String)>> =
            keys.map(|key| (key, Vec::new())).collect();
        for port in ports_of(self.state, self.observed, &self.record.request.publish) {
            let key = format!("{}/{}", port.container_port, port.protocol);
            ports
                .entry(key)
                .or_default()
                .extend(host_ports(port, self.dialect));
        }
        ports
    }
}

impl Address {
    fn of(prefix: Prefix, record: Option<&NetworkRecord>) -> Self {
        let mut subnets = record.iter().flat_map(|record| &record.subnets);
        let subnet = subnets.find(|subnet| subnet.network.contains(prefix.address));
        let gateway = subnet.and_then(|subnet| subnet.gateway);
        Self {
            ip: prefix.address.to_string(),
            length: prefix.length.into(),
            gateway: gateway.as_ref().map(IpAddr::to_string).unwrap_or_default(),
        }
    }
}

fn first(attachment: &Attachment, v4: bool) -> Option<Prefix> {
    let mut addresses = attachment.addresses.iter().copied();
    addresses.find(|prefix| prefix.address.is_ipv4() == v4)
}

/// Address and number; docker shows both families.
fn host_ports(port: PublishedPort, dialect: Dialect) -> Vec<(String, String)> {
    // A number that the kernel is still to choose.
    let number = match port.host_port {
        0 => String::new(),
        number => number.to_string(),
    };
    let addresses = match (port.host_ip, dialect) {
        (Some(address), _) => vec![address.to_string()],
        (None, Dialect::Podman) => vec!["0.0.0.0".to_owned()],
        (None, Dialect::Docker) => vec!["0.0.0.0".to_owned(), "::".to_owned()],
    };
    addresses
        .into_iter()
        .map(|address| (address, number.clone()))
        .collect()
}
