// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Published ports: connections of the world with containers.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use super::super::datagrams::{Ends, Far, Passed};
use super::super::policy;
use super::{ACCEPTED_AT_ONCE, Container, Server, transparent};
use crate::network::plan::Protocol;
use crate::sys::Ignored;
use crate::sys::socket::{self, Family, Flag, Kind};

impl Server {
    /// A published port has something.
    pub(super) fn serve_port(&mut self, number: u32) {
        let Some(port) = self.ports.get(number) else {
            return;
        };
        match port.published.protocol {
            Protocol::Tcp => self.accept_port(number),
            Protocol::Udp => self.receive_port(number),
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
            let room = self.has_room(owner);
            let far = room.then(|| self.speak_with(Kind::Stream, owner, client, inner));
            match far.flatten() {
                Some(far) => self.relay.join(&self.events, near, far, owner).ignored(),
                None => socket::reset_on_close(near.as_fd()).ignored(),
            }
        }
    }

    /// First datagrams of the world for a container, and all that come to one socket.
    fn receive_port(&mut self, number: u32) {
        let mut buffer = self.datagrams.take_buffer();
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(port) = self.ports.get(number) else {
                break;
            };
            let Ok(received) = socket::receive_from(port.socket.as_fd(), &mut buffer) else {
                break;
            };
            let Some(client) = received.from else {
                continue;
            };
            let ends = Ends::Inbound {
                port: number,
                client,
                local: received.local,
            };
            let bytes = &buffer[..received.length];
            if self.datagrams.pass(ends, bytes) == Passed::Unknown
                && self.begin_inbound(ends, number, client).is_some()
            {
                self.datagrams.pass(ends, bytes);
            }
        }
        self.datagrams.put_back(buffer);
    }

    fn begin_inbound(&mut self, ends: Ends, number: u32, client: SocketAddr) -> Option<()> {
        let port = self.ports.get(number)?;
        let owner = port.container;
        if !self.has_room(owner) || !self.datagrams.has_room(owner) {
            return None;
        }
        let copy = port.socket.try_clone().ok()?;
        let near = self.speak_with(Kind::Datagram, owner, client, port.published.container_port)?;
        let begun = self
            .datagrams
            .begin(&self.events, ends, owner, near, Far::Port(copy));
        begun.ok()
    }

    /// A connection with a port of a container, which sees the client's address.
    fn speak_with(&self, kind: Kind, owner: u32, client: SocketAddr, port: u16) -> Option<OwnedFd> {
        let container = self.containers.get(owner)?;
        if let Some(address) = container.plan.inside {
            return self.speak_inside(kind, container, SocketAddr::new(address, port));
        }
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
            let Ok(socket) = transparent(kind, source) else {
                continue;
            };
            if kind == Kind::Stream {
                socket::set(socket.as_fd(), Flag::NoDelay).ignored();
            }
            if socket::connect_to(socket.as_fd(), target).is_ok() {
                return Some(socket);
            }
        }
        None
    }

    /// The same from inside the container's network, where no address leads to the client: the
    /// container sees its own.
    fn speak_inside(
        &self,
        kind: Kind,
        container: &Container,
        target: SocketAddr,
    ) -> Option<OwnedFd> {
        let open = || socket::open(Family::of(target.ip()), kind);
        let socket = self
            .topology
            .inside(container.namespace.as_fd(), open)
            .ok()?;
        if kind == Kind::Stream {
            socket::set(socket.as_fd(), Flag::NoDelay).ignored();
        }
        socket::connect_to(socket.as_fd(), target).ok()?;
        Some(socket)
    }

    /// The address that a container sees for `client`, and the container's own for it.
    pub(super) fn way_in(&self, owner: u32, client: IpAddr) -> Option<(IpAddr, IpAddr)> {
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
