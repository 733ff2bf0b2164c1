// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container's networks are at the moment of a start, as plain data for the helper:
//! networks by name become bridges and subnets, wishes become addresses that are leased.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::addresses::{self, AddressError, Joining};
use super::default_network;
use super::listed::DEFAULT_NETWORK;
use super::ports::{PortError, published_ports};
use super::subnets::{default_v4, is_free, with_gateway};
use crate::engine::{Engine, Report};
use crate::network::routes;
use crate::state::connection::{
    Attachment, ConnectionPlan, NetworkPlan, NetworkRequest, Prefix, PublishedPort,
};
use crate::state::dirs::Dirs;
use crate::state::id::ContainerId;
use crate::state::leases::Leases;
use crate::state::liveness::Observed;
use crate::state::networks::{LeasedSubnet, NetworkError, NetworkRecord, Networks};
use crate::state::record::ContainerRecord;
use crate::state::store::Store;

/// The port of name servers.
const DNS_PORT: u16 = 53;

/// Why a container cannot take part in its networks.
#[derive(Debug, thiserror::Error)]
pub enum JoinNetworkError {
    /// A network that is not there.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// An address that cannot be had.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A port that cannot be read.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Two networks under one name inside.
    #[error("interface name {interface} is asked for in two networks")]
    Interface {
        /// Which.
        interface: String,
    },
}

impl Engine {
    /// What the networks of `record` are now, its addresses leased for it; whoever asks holds its
    /// lock. `None` for one that has no bridge.
    ///
    /// # Errors
    ///
    /// See [`JoinNetworkError`]; nothing stays leased then.
    pub(in crate::engine) fn connection_plan(
        &self,
        store: &Store,
        record: &ContainerRecord,
        report: &dyn Report,
    ) -> Result<Option<ConnectionPlan>, JoinNetworkError> {
        let Some(requests) = &record.resolved.networks else {
            return Ok(None);
        };
        let request = &record.request;
        let mut plan = ConnectionPlan {
            ports: ports_of_record(record)?,
            names: own_names(record),
            dns_servers: request
                .dns
                .iter()
                .filter_map(|text| Some(SocketAddr::new(text.parse().ok()?, DNS_PORT)))
                .collect(),
            ..ConnectionPlan::default()
        };
        // One that was never started has no state.
        let previous = store.read_state(&record.id).unwrap_or_default().attachments;
        for request in requests {
            let attached = &plan.attachments;
            let joined = self.join(store, &record.id, request, &previous, attached, report);
            match joined {
                Ok((network, attachment)) => {
                    plan.networks.push(network);
                    plan.attachments.push(attachment);
                }
                Err(error) => {
                    give_back(&self.dirs, &record.id, &plan.attachments);
                    return Err(error);
                }
            }
        }
        Ok(Some(plan))
    }

    /// What one more network is to a container that has `attached` already.
    pub(super) fn join(
        &self,
        store: &Store,
        id: &ContainerId,
        request: &NetworkRequest,
        previous: &[Attachment],
        attached: &[Attachment],
        report: &dyn Report,
    ) -> Result<(NetworkPlan, Attachment), JoinNetworkError> {
        let network = self.network_record(&request.network)?;
        let network = self.configured(store, network)?;
        let network = self.checked(store, network, report)?;
        let interface = interface(request, attached)?;
        let leases = self.networks().leases(&network.name)?;
        let joining = Joining {
            network: &network,
            request,
            id,
            previous: previous.iter().find(|one| one.network == network.id),
        };
        let (addresses, mac) =
            addresses::lease(&leases, &joining, &mut |holder| is_gone(store, holder))?;
        let attachment = Attachment {
            network: network.id.clone(),
            interface,
            addresses,
            mac,
            aliases: request.aliases.clone(),
        };
        Ok((NetworkPlan::from(&network), attachment))
    }

    /// The default network gets the addresses that the configuration gives it, once nobody is in
    /// it.
    fn configured(
        &self,
        store: &Store,
        network: NetworkRecord,
    ) -> Result<NetworkRecord, NetworkError> {
        if network.name != DEFAULT_NETWORK {
            return Ok(network);
        }
        // What cannot be read was told by whoever needed it for more.
        let conf = self.containers_conf().ok();
        let subnet = conf.and_then(|conf| conf.network.default_subnet.as_deref());
        let subnet = subnet.and_then(|text| text.parse::<Prefix>().ok());
        let Some(subnet) = subnet.map(Prefix::network) else {
            return Ok(network);
        };
        let networks = self.networks();
        let has_it = network.subnets.iter().any(|one| one.network == subnet);
        if has_it || has_holders(store, &networks.leases(&network.name)?) {
            return Ok(network);
        }
        let lock = networks.lock()?;
        let moved = NetworkRecord {
            subnets: vec![with_gateway(subnet)],
            ..network
        };
        networks.save(&lock, &moved)?;
        Ok(moved)
    }

    /// The network as it is used: the default one moves away from a route that the host has got
    /// meanwhile, as long as nobody is in it; for others there is a warning.
    fn checked(
        &self,
        store: &Store,
        network: NetworkRecord,
        report: &dyn Report,
    ) -> Result<NetworkRecord, NetworkError> {
        let host: Vec<Prefix> = routes::of_host()
            .iter()
            .map(|one| one.destination)
            .collect();
        let hides = |one: &LeasedSubnet| !is_free(one.network, &host);
        let Some(hiding) = network.subnets.iter().find(|one| hides(one)) else {
            return Ok(network);
        };
        if network.name == DEFAULT_NETWORK && network.subnets.len() == 1 {
            let networks = self.networks();
            let lock = networks.lock()?;
            let all = networks.list()?;
            let others = all.iter().filter(|one| one.name != DEFAULT_NETWORK);
            let used = others.flat_map(|one| &one.subnets).map(|one| one.network);
            let chosen = default_v4(&used.chain(host).collect::<Vec<_>>());
            let leases = networks.leases(&network.name)?;
            if chosen != hiding.network && !has_holders(store, &leases) {
                let moved = NetworkRecord {
                    subnets: vec![with_gateway(chosen)],
                    ..network
                };
                networks.save(&lock, &moved)?;
                return Ok(moved);
            }
        }
        report.warning(&format!(
            "network {}: its subnet {} hides addresses from its containers that this host has a \
             route to",
            network.name, hiding.network
        ));
        Ok(network)
    }
}

fn has_holders(store: &Store, leases: &Leases) -> bool {
    let all = leases.all().unwrap_or_default();
    all.iter().any(|(_, holder)| !is_gone(store, holder))
}

/// Whether a container has no address any more: it is removed, or has ended. One that somebody is
/// working on, such as starting it, is not gone.
fn is_gone(store: &Store, id: &ContainerId) -> bool {
    match store.try_lock(id) {
        Ok(Some(_lock)) => store.observe(id).is_ok_and(|(_, observed)| match observed {
            Observed::Created | Observed::Exited | Observed::Lost(_) => true,
            Observed::Running | Observed::Paused | Observed::Restarting | Observed::Elsewhere => {
                false
            }
        }),
        Ok(None) | Err(_) => !store.exists(id),
    }
}

/// The first `ethN` that is free, unless another name is asked for.
fn interface(
    request: &NetworkRequest,
    attached: &[Attachment],
) -> Result<String, JoinNetworkError> {
    let used: BTreeSet<&str> = attached.iter().map(|one| one.interface.as_str()).collect();
    match &request.interface {
        Some(name) if used.contains(name.as_str()) => Err(JoinNetworkError::Interface {
            interface: name.clone(),
        }),
        Some(name) => Ok(name.clone()),
        None => {
            let mut names = (0_u32..).map(|number| format!("eth{number}"));
            let free = names.find(|name| !used.contains(name.as_str()));
            Ok(free.expect("there are more numbers than networks"))
        }
    }
}

/// The ports that a container is to publish.
///
/// # Errors
///
/// See [`PortError`].
pub(in crate::engine) fn ports_of_record(
    record: &ContainerRecord,
) -> Result<Vec<PublishedPort>, PortError> {
    let request = &record.request;
    let exposed = &record.resolved.exposed_ports;
    published_ports(&request.publish, request.publish_all, exposed)
}

/// The container's own names, each once.
pub(super) fn own_names(record: &ContainerRecord) -> Vec<String> {
    let mut names = vec![record.name.clone(), record.id.as_str()[..12].to_owned()];
    if !record.resolved.hostname.is_empty() && !names.contains(&record.resolved.hostname) {
        names.push(record.resolved.hostname.clone());
    }
    names
}

/// A network as its bridge needs it.
impl From<&NetworkRecord> for NetworkPlan {
    fn from(record: &NetworkRecord) -> Self {
        let option = |key: &str| record.options.get(key).map(String::as_str);
        Self {
            id: record.id.clone(),
            name: record.name.clone(),
            bridge: record.interface.clone(),
            subnets: record.subnets.iter().map(LeasedSubnet::subnet).collect(),
            ipv6: record.ipv6,
            internal: record.internal,
            // Networks are kept apart unless somebody wants them together.
            isolate: option("isolate") != Some("false"),
            mtu: option("mtu")
                .and_then(|mtu| mtu.parse().ok())
                .filter(|mtu| *mtu > 0),
            dns_enabled: record.dns_enabled,
            dns_servers: record.dns_servers.clone(),
            routes: record
                .routes
                .iter()
                .map(|route| (route.destination, route.gateway))
                .collect(),
        }
    }
}

/// Gives back what a container has in its networks; one that is removed meanwhile took its leases
/// with it.
pub(in crate::engine) fn give_back(dirs: &Dirs, id: &ContainerId, attachments: &[Attachment]) {
    let networks = Networks::open(dirs);
    let mut records = networks.list_readable().unwrap_or_default().networks;
    records.push(default_network());
    for attachment in attachments {
        let mut all = records.iter();
        let network = all.find(|network| network.id == attachment.network);
        if let Some(leases) = network.and_then(|network| networks.leases(&network.name).ok()) {
            addresses::release(&leases, attachment, id);
        }
    }
}
