// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The helper at work: one loop over everything that can happen.

mod control;
mod start;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::events::{Event, Events, Token, Watch};
use super::host::Host;
use super::policy;
use super::relay::Relay;
use super::slab::Slab;
use super::topology::Topology;
use crate::network::plan::{ConnectionPlan, Prefix, Protocol, PublishedPort};
use crate::sys::SysResult;
use crate::sys::socket::{self, Family, Flag, Kind};

pub use start::main;

/// How long the helper stays when nobody needs it any more: a loop of short containers finds it.
const LINGER: Duration = Duration::from_secs(1);

/// How many connections are taken from one listener before others have their turn.
const ACCEPTED_AT_ONCE: usize = 64;

/// How many connections one container may have through the helper.
const FLOWS_MAX: usize = 16 * 1024;

/// The helper.
#[derive(Debug)]
struct Server {
    events: Events,
    control: OwnedFd,
    topology: Topology,
    host: Host,
    relay: Relay,
    clients: Slab<OwnedFd>,
    containers: Slab<Container>,
    /// Whose address it is.
    owners: HashMap<IpAddr, u32>,
    ports: Slab<Port>,
    /// Sockets that connections are caught by.
    caught_tcp: [OwnedFd; 2],
    /// How many connections there may be in all.
    flows_max: usize,
    /// When there will be nobody for long enough.
    ends_at: Option<Instant>,
}

/// A container that is attached.
#[derive(Debug)]
struct Container {
    id: String,
    plan: ConnectionPlan,
    namespace: OwnedFd,
    process: OwnedFd,
    interfaces: Vec<Interface>,
    ports: Vec<u32>,
    /// The client that attached it: its monitor.
    client: Option<u32>,
    /// How many interfaces it has had.
    interfaces_made: usize,
}

/// One of a container's interfaces.
#[derive(Debug)]
struct Interface {
    network: String,
    outer: String,
    addresses: Vec<Prefix>,
}

/// A listening socket of the host.
#[derive(Debug)]
struct Port {
    socket: OwnedFd,
    published: PublishedPort,
    container: u32,
}

impl Server {
    /// Serves until nobody needs it any more.
    fn serve(mut self) -> SysResult<()> {
        loop {
            let timeout = if self.relay.is_busy() {
                Some(Duration::ZERO)
            } else {
                let left = |at: Instant| at.saturating_duration_since(Instant::now());
                self.ends_at.map(left)
            };
            for event in self.events.wait(timeout)? {
                self.handle(event);
            }
            self.relay.go_on();
            self.settle();
            if self.is_over() {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event.token {
            Token::Control => self.admit_clients(),
            Token::Client(number) => self.serve_client(number),
            Token::Process(number) => self.detach(number),
            Token::CaughtTcp(place) => self.take_caught(place),
            Token::Port(number) => self.serve_port(number),
            Token::Near(_) | Token::Far(_) => self.relay.handle(&self.events, event),
            Token::CaughtUdp(_)
            | Token::Queue
            | Token::NearDatagrams(_)
            | Token::FarDatagrams(_)
            | Token::Held(_)
            | Token::Echo(_)
            | Token::EchoReply(_)
            | Token::Names(_) => {}
        }
    }

    fn settle(&mut self) {
        self.relay.settle();
        self.clients.settle();
        self.containers.settle();
        self.ports.settle();
    }

    /// Whether nobody has needed the helper for long enough.
    fn is_over(&mut self) -> bool {
        if self.containers.len() + self.clients.len() > 0 {
            self.ends_at = None;
            return false;
        }
        match self.ends_at {
            None => {
                self.host.forget();
                self.ends_at = Some(Instant::now() + LINGER);
                false
            }
            Some(at) if Instant::now() < at => false,
            Some(_) => {
                // Who came at the last moment is served.
                self.admit_clients();
                self.clients.len() == 0
            }
        }
    }

    /// Connections of containers with the world.
    fn take_caught(&mut self, place: u32) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let listener = self.caught_tcp[place as usize].as_fd();
            let Ok(Some((near, from))) = socket::accept(listener) else {
                return;
            };
            // One that is dropped here is reset: it was asked for what cannot be had.
            if self
                .send_on(near.as_fd(), from)
                .is_none_or(|(far, owner)| self.relay.join(&self.events, near, far, owner).is_err())
            {
                // Nothing more can be done for it.
            }
        }
    }

    /// The host's side of a caught connection, and whose it is.
    fn send_on(
        &mut self,
        near: std::os::fd::BorrowedFd<'_>,
        from: SocketAddr,
    ) -> Option<(OwnedFd, u32)> {
        let reset = |_| drop(socket::reset_on_close(near));
        let to = socket::local_address(near).ok()?;
        let owner = self.owner_of(from.ip());
        let target = owner.and_then(|owner| self.target_of(owner, to));
        let (Some(owner), Some(target)) = (owner, target) else {
            reset(());
            return None;
        };
        let connected = self.connect_host(target);
        if connected.is_err() {
            reset(());
        }
        Some((connected.ok()?, owner))
    }

    fn owner_of(&self, address: IpAddr) -> Option<u32> {
        let owner = self.owners.get(&policy::canonical(address)).copied()?;
        let room = self.relay.len() < self.flows_max && self.relay.count_of(owner) < FLOWS_MAX;
        room.then_some(owner)
    }

    /// Where a container's packet for `to` goes in the host's network; nowhere if that is not
    /// allowed.
    fn target_of(&mut self, owner: u32, to: SocketAddr) -> Option<SocketAddr> {
        let address = policy::canonical(to.ip());
        let container = self.containers.get(owner)?;
        let plan = &container.plan;
        let gateways = plan.networks.iter().flat_map(|network| &network.subnets);
        let mut gateways = gateways.filter_map(|subnet| subnet.gateway);
        if gateways.any(|gateway| gateway == address) {
            let family = Family::of(address);
            let host = if plan.host_loopback {
                Some(loopback(family))
            } else {
                self.host.address(family)
            };
            return host.map(|host| SocketAddr::new(host, to.port()));
        }
        policy::is_allowed(address).then(|| SocketAddr::new(address, to.port()))
    }

    fn connect_host(&mut self, target: SocketAddr) -> SysResult<OwnedFd> {
        let far = self.host.socket(Family::of(target.ip()), Kind::Stream)?;
        socket::connect_to(far.as_fd(), target)?;
        Ok(far)
    }

    /// Connections of the world with a container.
    fn serve_port(&mut self, number: u32) {
        let Some(port) = self.ports.get(number) else {
            return;
        };
        match port.published.protocol {
            Protocol::Tcp => self.accept_port(number),
            Protocol::Udp => {}
        }
    }

    fn accept_port(&mut self, number: u32) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(port) = self.ports.get(number) else {
                return;
            };
            let Ok(Some((near, client))) = socket::accept(port.socket.as_fd()) else {
                return;
            };
            let (owner, inner) = (port.container, port.published.container_port);
            let room = self.relay.len() < self.flows_max;
            let far = room.then(|| self.connect_container(owner, client, inner));
            match far.flatten() {
                Some(far) => drop(self.relay.join(&self.events, near, far, owner)),
                None => drop(socket::reset_on_close(near.as_fd())),
            }
        }
    }

    /// A connection with a port of a container, which sees the client's address.
    fn connect_container(&self, owner: u32, client: SocketAddr, port: u16) -> Option<OwnedFd> {
        let (source, target) = self.way_in(owner, client.ip())?;
        let target = SocketAddr::new(target, port);
        let wanted = if source == policy::canonical(client.ip()) {
            client.port()
        } else {
            0
        };
        // The same client port may be in use by another of the user's published ports.
        for port in [wanted, 0] {
            let source = SocketAddr::new(source, port);
            if let Ok(socket) = transparent(Kind::Stream, source)
                && socket::connect_to(socket.as_fd(), target).is_ok()
            {
                return Some(socket);
            }
        }
        None
    }

    /// The address that a container sees for `client`, and the container's own for it.
    fn way_in(&self, owner: u32, client: IpAddr) -> Option<(IpAddr, IpAddr)> {
        let client = policy::canonical(client);
        let plan = &self.containers.get(owner)?.plan;
        let attachment = plan.attachments.first()?;
        let network = plan.network_of(attachment)?;
        let addresses = attachment.addresses.iter().map(|prefix| prefix.address);
        let same = addresses
            .clone()
            .find(|own| own.is_ipv4() == client.is_ipv4());
        let target = same.or_else(|| addresses.clone().next())?;
        let ours = self
            .containers
            .iter()
            .flat_map(|(_, each)| &each.plan.networks);
        let mut ours = ours.flat_map(|network| &network.subnets);
        // An answer to these would not come back to us.
        let hidden = client.is_loopback()
            || client.is_ipv4() != target.is_ipv4()
            || network.internal
            || matches!(client, IpAddr::V6(v6) if v6.is_unicast_link_local())
            || ours.any(|subnet| subnet.network.contains(client));
        if !hidden {
            return Some((client, target));
        }
        let gateways = network.subnets.iter().filter_map(|subnet| subnet.gateway);
        let mut gateways = gateways.filter(|way| way.is_ipv4() == target.is_ipv4());
        gateways.next().map(|gateway| (gateway, target))
    }
}

const fn loopback(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        Family::V6 => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
    }
}

/// A socket of the bridges' namespace with an address that may be anybody's.
fn transparent(kind: Kind, source: SocketAddr) -> SysResult<OwnedFd> {
    let family = Family::of(source.ip());
    let made = socket::open(family, kind)?;
    socket::set_transparent(made.as_fd(), family)?;
    socket::set(made.as_fd(), Flag::ReuseAddress)?;
    socket::bind_to(made.as_fd(), source)?;
    Ok(made)
}

/// Watches a listener of the kind whose every connection is taken.
fn watch_listener(events: &Events, socket: &OwnedFd, token: Token) -> SysResult<()> {
    events.watch(socket.as_fd(), Watch::Readable, token)
}
