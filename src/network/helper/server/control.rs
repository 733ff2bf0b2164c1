// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What clients ask for.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::super::events::{Token, Watch};
use super::super::names;
use super::super::protocol::{self, Member, Reply, Request, borrow};
use super::super::topology::{Ensured, WayOut, outer_name, ways_out};
use super::super::version::Version;
use super::{Container, Interface, Port, Server, Stage};
use crate::network::dns::Asker;
use crate::network::plan::{ConnectionPlan, NetworkPlan, Protocol, PublishedPort};
use crate::sys::socket::{self, Family, Flag};
use crate::sys::{Ignored, SysResult, fdpass};

/// What a client is told, with descriptors.
type Answer = (Reply, Vec<OwnedFd>);

fn refused(words: impl Into<String>) -> Answer {
    let words = words.into();
    (Reply::Refused { words }, Vec::new())
}

fn done(result: SysResult<()>) -> Answer {
    match result {
        Ok(()) => (Reply::Done, Vec::new()),
        Err(error) => refused(error.to_string()),
    }
}

impl Server {
    pub(super) fn admit_clients(&mut self) {
        let us = nix::unistd::geteuid().as_raw();
        while let Some(control) = &self.control
            && let Ok(Some(client)) = fdpass::accept(control.as_fd())
        {
            // Security: the socket's mode keeps others out already; this holds if that is
            // loosened.
            if !fdpass::peer_uid(client.as_fd()).is_ok_and(|uid| uid == us) {
                continue;
            }
            let number = self.clients.add(client);
            let client = self.clients.get(number).expect("it was just added");
            let token = Token::Client(number);
            if self
                .events
                .watch(client.as_fd(), Watch::Readable, token)
                .is_err()
            {
                self.clients.remove(number);
            }
        }
    }

    pub(super) fn serve_client(&mut self, number: u32) {
        let Some(client) = self.clients.get(number) else {
            return;
        };
        let (request, descriptors) = match protocol::receive::<Request>(client.as_fd()) {
            Ok(Some(message)) => message,
            Err(error) if error.errno == Errno::EAGAIN => return,
            Ok(None) | Err(_) => return self.forget_client(number),
        };
        let (reply, descriptors) = self.answer(number, request, descriptors);
        let Some(client) = self.clients.get(number) else {
            return;
        };
        if protocol::send(client.as_fd(), &reply, &borrow(&descriptors)).is_err() {
            self.forget_client(number);
        }
    }

    /// Its container goes on: only its process counts.
    fn forget_client(&mut self, number: u32) {
        self.clients.remove(number);
        let attached = self.containers.iter();
        let its = attached.filter(|(_, container)| container.client == Some(number));
        for container in its.map(|(container, _)| container).collect::<Vec<_>>() {
            if let Some(container) = self.containers.get_mut(container) {
                container.client = None;
            }
        }
    }

    fn answer(&mut self, client: u32, request: Request, descriptors: Vec<OwnedFd>) -> Answer {
        match request {
            Request::Hello { .. } => {
                let version = Version::own();
                (Reply::Hello { version }, Vec::new())
            }
            Request::Retire => {
                self.stage = Stage::Retiring;
                self.with_namespace()
            }
            Request::Attach { container, plan } => {
                let Ok([namespace, process]) = <[OwnedFd; 2]>::try_from(descriptors) else {
                    return refused("attach comes with two descriptors");
                };
                self.attach(client, container, *plan, namespace, process)
            }
            Request::Publish { container, ports } => self.publish(&container, ports, descriptors),
            Request::Connect { container, plan } => match self.number_of(&container) {
                Some(number) => {
                    let result = self.connect(number, *plan);
                    self.tell_change(number);
                    done(result)
                }
                None => refused(not_attached(&container)),
            },
            Request::Disconnect { container, network } => match self.number_of(&container) {
                Some(number) => {
                    let result = self.disconnect(number, &network);
                    self.tell_change(number);
                    done(result)
                }
                None => refused(not_attached(&container)),
            },
            Request::NameServers { network, servers } => {
                self.set_name_servers(&network, &servers);
                (Reply::Done, Vec::new())
            }
            Request::Detach { container } => {
                if let Some(number) = self.number_of(&container) {
                    self.detach(number);
                }
                (Reply::Done, Vec::new())
            }
            Request::List => (Reply::Attached(self.members()), Vec::new()),
            Request::Namespace => self.with_namespace(),
        }
    }

    fn with_namespace(&self) -> Answer {
        match self.topology.namespace().try_clone_to_owned() {
            Ok(namespace) => (Reply::Done, vec![namespace]),
            Err(error) => refused(error.to_string()),
        }
    }

    fn number_of(&self, id: &str) -> Option<u32> {
        let mut containers = self.containers.iter();
        let found = containers.find(|(_, container)| container.id == id);
        found.map(|(number, _)| number)
    }

    fn members(&self) -> Vec<Member> {
        let ports = |numbers: &[u32]| -> Vec<PublishedPort> {
            let ports = numbers.iter().filter_map(|number| self.ports.get(*number));
            ports.map(|port| port.published).collect()
        };
        let member = |container: &Container| Member {
            container: container.id.clone(),
            attachments: container.plan.attachments.clone(),
            ports: ports(&container.ports),
        };
        self.containers
            .iter()
            .map(|(_, each)| member(each))
            .collect()
    }

    fn attach(
        &mut self,
        client: u32,
        id: String,
        plan: ConnectionPlan,
        namespace: OwnedFd,
        process: OwnedFd,
    ) -> Answer {
        // It was started again before the end of its last process was seen here.
        if let Some(old) = self.number_of(&id) {
            self.detach(old);
        }
        let own = ConnectionPlan {
            networks: Vec::new(),
            attachments: Vec::new(),
            ..plan.clone()
        };
        let number = self.containers.add(Container {
            id,
            plan: own,
            namespace,
            process,
            interfaces: Vec::new(),
            ports: Vec::new(),
            client: Some(client),
        });
        let container = self.containers.get(number).expect("it was just added");
        let process = container.process.as_fd();
        let watched = self
            .events
            .watch(process, Watch::Readable, Token::Process(number));
        let connected = watched.and_then(|()| self.connect(number, plan));
        match connected.and_then(|()| self.serve_names_inside(number)) {
            Ok(()) => self.with_namespace(),
            Err(error) => {
                self.detach(number);
                refused(error.to_string())
            }
        }
    }

    /// Plugs a container into the networks of `plan`.
    fn connect(&mut self, number: u32, plan: ConnectionPlan) -> SysResult<()> {
        for attachment in plan.attachments {
            let network = plan
                .networks
                .iter()
                .find(|network| network.id == attachment.network);
            let (Some(network), Some(container)) = (network, self.containers.get_mut(number))
            else {
                continue;
            };
            let outer = outer_name(&container.id, &attachment.interface);
            let known = ways_out(&container.plan);
            if container.plan.network_of(&attachment).is_none() {
                container.plan.networks.push(network.clone());
            }
            container.plan.attachments.push(attachment.clone());
            let ways = new_ways(&known, &container.plan);
            if let Some(other) = self.topology.make_way(network)? {
                self.names.remove_network(&other);
            }
            let made = self.topology.ensure(network)?;
            let network_names = (made == Ensured::Made).then(|| gateways_of(network));
            for gateway in network_names.into_iter().flatten() {
                let (datagrams, listener) = names::sockets_on_gateway(gateway)?;
                let asker = Asker::Network(network.id.clone());
                self.names.serve(asker, datagrams, listener)?;
            }
            let namespace = container.namespace.as_fd();
            self.topology
                .plug(network, &attachment, &outer, namespace, &ways)?;
            for prefix in &attachment.addresses {
                self.owners.insert(prefix.address, number);
            }
            container.interfaces.push(Interface {
                network: network.id.clone(),
                outer,
                addresses: attachment.addresses,
            });
        }
        self.tell_names(number);
        Ok(())
    }

    /// The name server knows what the container is in now.
    fn tell_names(&mut self, number: u32) {
        if let Some(container) = self.containers.get(number) {
            self.names.set_container(&container.id, &container.plan);
        }
    }

    /// Sockets for names inside a container. A kernel without translation of addresses goes
    /// without: the gateways answer as well.
    fn serve_names_inside(&mut self, number: u32) -> SysResult<()> {
        let Some(container) = self.containers.get(number) else {
            return Ok(());
        };
        // Its names are another's business.
        if container.plan.inside.is_some() {
            return Ok(());
        }
        let namespace = container.namespace.as_fd();
        let made = self
            .topology
            .inside(namespace, || Ok(names::sockets_inside()))?;
        if let Ok((datagrams, listener)) = made {
            let asker = Asker::Container(container.id.clone());
            self.names.serve(asker, datagrams, listener)?;
        }
        Ok(())
    }

    fn disconnect(&mut self, number: u32, network: &str) -> SysResult<()> {
        let Some(container) = self.containers.get_mut(number) else {
            return Ok(());
        };
        let known = ways_out(&container.plan);
        container.plan.networks.retain(|each| each.id != network);
        container
            .plan
            .attachments
            .retain(|each| each.network != network);
        let (gone, kept) = std::mem::take(&mut container.interfaces)
            .into_iter()
            .partition::<Vec<_>, _>(|interface| interface.network == network);
        container.interfaces = kept;
        for interface in gone {
            for prefix in &interface.addresses {
                self.owners.remove(&prefix.address);
            }
            self.topology.unplug(&interface.outer)?;
        }
        self.tell_names(number);
        let Some(container) = self.containers.get(number) else {
            return Ok(());
        };
        let ways = new_ways(&known, &container.plan);
        self.topology.lead(container.namespace.as_fd(), &ways)
    }

    fn set_name_servers(&mut self, network: &str, servers: &[IpAddr]) {
        let containers = self.containers.iter().map(|(number, _)| number);
        for number in containers.collect::<Vec<_>>() {
            let Some(container) = self.containers.get_mut(number) else {
                continue;
            };
            let mut networks = container.plan.networks.iter_mut();
            if let Some(its) = networks.find(|one| one.id == network) {
                its.dns_servers = servers.to_vec();
                self.tell_names(number);
                self.tell_change(number);
            }
        }
    }

    /// The monitor keeps what the next helper needs to know.
    fn tell_change(&mut self, number: u32) {
        let Some(container) = self.containers.get(number) else {
            return;
        };
        let Some(client) = container.client.and_then(|client| self.clients.get(client)) else {
            return;
        };
        let news = Reply::Changed(Box::new(container.plan.clone()));
        protocol::send(client.as_fd(), &news, &[]).ignored();
    }

    fn publish(
        &mut self,
        id: &str,
        ports: Vec<PublishedPort>,
        descriptors: Vec<OwnedFd>,
    ) -> Answer {
        let Some(number) = self.number_of(id) else {
            return refused(not_attached(id));
        };
        if ports.len() != descriptors.len() {
            return refused("a port comes with one descriptor");
        }
        for (published, socket) in ports.into_iter().zip(descriptors) {
            let port = Port {
                socket,
                published,
                container: number,
            };
            if let Err(error) = self.serve_listener(port) {
                return refused(error.to_string());
            }
        }
        (Reply::Done, Vec::new())
    }

    fn serve_listener(&mut self, port: Port) -> SysResult<()> {
        match port.published.protocol {
            // An answer comes from the address that was asked.
            Protocol::Udp => {
                let family = Family::of(socket::local_address(port.socket.as_fd())?.ip());
                socket::tell_local_address(port.socket.as_fd(), family)?;
            }
            // Connections have it from their listener.
            Protocol::Tcp => {
                socket::set(port.socket.as_fd(), Flag::NoDelay)?;
                socket::set(port.socket.as_fd(), Flag::KeepAlive)?;
            }
        }
        let owner = port.container;
        let number = self.ports.add(port);
        let port = self.ports.get(number).expect("it was just added");
        let socket: BorrowedFd<'_> = port.socket.as_fd();
        self.events
            .watch(socket, Watch::Readable, Token::Port(number))?;
        if let Some(container) = self.containers.get_mut(owner) {
            container.ports.push(number);
        }
        Ok(())
    }

    /// The container is gone, or nobody serves it any more.
    pub(super) fn detach(&mut self, number: u32) {
        let Some(container) = self.containers.remove(number) else {
            return;
        };
        self.events.forget(container.process.as_fd());
        for port in container.ports {
            if let Some(port) = self.ports.remove(port) {
                // The monitor has a copy, by which it would tell for ever.
                self.events.forget(port.socket.as_fd());
            }
        }
        self.names.remove_container(&container.id);
        self.relay.end_of(number);
        self.tries.end_of(number);
        self.datagrams.end_of(number);
        self.echoes.end_of(number);
        for interface in container.interfaces {
            // The interface itself goes with the container's namespace: removing it here would
            // hold everybody up for ten milliseconds.
            self.topology.expel(&interface.outer);
            for prefix in interface.addresses {
                self.owners.remove(&prefix.address);
            }
        }
    }
}

/// Those of `plan` that are not among `known`.
fn new_ways(known: &[WayOut], plan: &ConnectionPlan) -> Vec<WayOut> {
    let mut ways = ways_out(plan);
    ways.retain(|way| !known.contains(way));
    ways
}

fn gateways_of(network: &NetworkPlan) -> impl Iterator<Item = IpAddr> + '_ {
    network.subnets.iter().filter_map(|subnet| subnet.gateway)
}

fn not_attached(id: &str) -> String {
    format!("container {id} has no network here")
}
