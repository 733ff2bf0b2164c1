// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's connection with the user's bridges, as its monitor keeps it: should the network
//! helper die, the first monitor starts it again, and all connect their containers anew. The
//! bridges have lived on in the monitors' descriptors meanwhile.

use std::cell::RefCell;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::engine::Dialect;
use crate::engine::cgroup::of_network_helper;
use crate::monitor::Lifeline;
use crate::network::addresses::HOST;
use crate::network::helper::client::{Client, HelperError, Listener, Membership};
use crate::state::connection::ConnectionPlan;
use crate::state::id::ContainerId;
use crate::sys::Ignored;
use crate::sys::pidfd::Pidfd;

/// How often a helper that has died is started again, and the pause before each try.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug)]
pub(super) struct Bridges {
    run_root: PathBuf,
    container: String,
    plan: Rc<RefCell<ConnectionPlan>>,
    listeners: Vec<Listener>,
    /// Of the container.
    namespace: OwnedFd,
    process: Pidfd,
    client: Option<Client>,
    /// The namespace of the bridges; open as long as this monitor lives.
    holder: OwnedFd,
    _membership: Membership,
}

/// The container as the helper gets it.
#[derive(Debug)]
pub(super) struct Joined<'a> {
    pub(super) run_root: &'a Path,
    pub(super) id: &'a ContainerId,
    /// Its first process.
    pub(super) process: i32,
    /// Its network namespace.
    pub(super) namespace: OwnedFd,
}

impl Bridges {
    /// Connects a container; `client` is the way to the helper if it was begun already.
    ///
    /// # Errors
    ///
    /// [`HelperError::Unsupported`] where the host has no native networking; the listeners are
    /// closed then.
    pub(super) fn connect(
        joined: Joined<'_>,
        plan: &ConnectionPlan,
        listeners: Vec<Listener>,
        client: Option<Client>,
    ) -> Result<Self, HelperError> {
        let container = joined.id.to_string();
        let namespace = joined.namespace;
        let process = Pidfd::open(joined.process)?;
        let attach =
            |client: &Client| client.attach(&container, plan, namespace.as_fd(), process.as_fd());
        let start = || Client::start(joined.run_root, None, of_network_helper);
        let client = client.map_or_else(start, Ok)?;
        let mut client = client.current(joined.run_root, of_network_helper)?;
        let holder = match attach(&client) {
            // It has ended just before, for want of containers.
            Err(HelperError::Gone) => {
                client = start()?.current(joined.run_root, of_network_helper)?;
                attach(&client)?
            }
            result => result?,
        };
        client.publish(&container, &listeners)?;
        let membership = Membership::begin(joined.run_root)?;
        Ok(Self {
            run_root: joined.run_root.to_owned(),
            container,
            plan: Rc::new(RefCell::new(plan.clone())),
            listeners,
            namespace,
            process,
            client: Some(client),
            holder,
            _membership: membership,
        })
    }

    /// How the container is connected, also when that has changed.
    pub(super) fn plan(&self) -> Rc<RefCell<ConnectionPlan>> {
        Rc::clone(&self.plan)
    }

    fn reconnect(&mut self) -> Result<(), HelperError> {
        let client = Client::start(&self.run_root, Some(self.holder.as_fd()), of_network_helper)?;
        let client = client.current(&self.run_root, of_network_helper)?;
        let (namespace, process) = (self.namespace.as_fd(), self.process.as_fd());
        // Somebody else may have been first, who had no bridges to hand over.
        self.holder = client.attach(&self.container, &self.plan.borrow(), namespace, process)?;
        client.publish(&self.container, &self.listeners)?;
        self.client = Some(client);
        Ok(())
    }
}

impl Lifeline for Bridges {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.client.as_ref().map(AsFd::as_fd)
    }

    fn attend(&mut self) {
        if let Some(plan) = self.client.as_ref().and_then(Client::news) {
            self.plan.replace(plan);
            return;
        }
        self.client = None;
        for _ in 0..TRIES {
            if self.reconnect().is_ok() {
                return;
            }
            // Nobody can be told here: the container goes on without a network in the end.
            std::thread::sleep(PAUSE);
        }
    }
}

/// The ports are free when this is over.
impl Drop for Bridges {
    fn drop(&mut self) {
        self.listeners.clear();
        if let Some(client) = &self.client {
            // A helper that is gone serves nothing.
            client.detach(&self.container).ignored();
        }
    }
}

/// Where a container finds the host: at the gateway of its first network that has one, which docker
/// names, or at an address that is the same in all, as with podman.
pub(in crate::engine) fn host_of(plan: &ConnectionPlan, dialect: Dialect) -> Option<IpAddr> {
    let networks = plan
        .attachments
        .iter()
        .filter_map(|one| plan.network_of(one));
    let mut outward = networks.filter(|network| !network.internal);
    let mut gateways = outward
        .next()?
        .subnets
        .iter()
        .filter_map(|subnet| subnet.gateway);
    match (dialect, gateways.next()?) {
        (Dialect::Podman, IpAddr::V4(_)) => Some(HOST.into()),
        (Dialect::Podman | Dialect::Docker, gateway) => Some(gateway),
    }
}

/// A container's own addresses.
pub(in crate::engine) fn own_of(plan: &ConnectionPlan) -> Vec<IpAddr> {
    let prefixes = plan.attachments.iter().flat_map(|one| &one.addresses);
    prefixes.map(|prefix| prefix.address).collect()
}

/// Whom a container asks for names: podman's ask their gateways, docker's an address of their own
/// that is the same in all. Both answer in every container.
pub(in crate::engine) fn resolvers_of(plan: &ConnectionPlan, dialect: Dialect) -> Vec<IpAddr> {
    let networks = plan
        .attachments
        .iter()
        .filter_map(|one| plan.network_of(one));
    let subnets = networks.flat_map(|network| &network.subnets);
    let gateways = subnets
        .filter_map(|subnet| subnet.gateway)
        .collect::<Vec<_>>();
    match dialect {
        Dialect::Podman if !gateways.is_empty() => gateways,
        Dialect::Podman | Dialect::Docker => vec![IpAddr::from([127, 0, 0, 11])],
    }
}
