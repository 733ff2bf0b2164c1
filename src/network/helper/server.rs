// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The helper at work: one loop over everything that can happen.

mod control;
mod echo;
mod inbound;
mod outbound;
mod retirement;
mod start;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use self::outbound::Tries;
use super::datagrams::Datagrams;
use super::echoes::Echoes;
use super::events::{Event, Events, Token, Watch};
use super::host::Host;
use super::relay::Relay;
use super::slab::Slab;
use super::topology::Topology;
use crate::network::dns::NameServer;
use crate::network::plan::{ConnectionPlan, Prefix, PublishedPort};
use crate::sys::SysResult;
use crate::sys::socket::{self, Family, Flag, Kind};

pub use start::main;

/// How long the helper stays when nobody needs it any more: a loop of short containers finds it.
const LINGER: Duration = Duration::from_secs(1);

/// After so long without any event there is probably none for longer: the memory is worth more then
/// than the time in which it comes back.
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// How many connections are taken from one listener before others have their turn.
const ACCEPTED_AT_ONCE: usize = 64;

/// The helper.
#[derive(Debug)]
struct Server {
    events: Events,
    /// `None` once another helper has taken its place.
    control: Option<OwnedFd>,
    topology: Topology,
    host: Host,
    relay: Relay,
    tries: Tries,
    datagrams: Datagrams,
    echoes: Echoes,
    names: NameServer,
    clients: Slab<OwnedFd>,
    containers: Slab<Container>,
    /// Whose address it is.
    owners: HashMap<IpAddr, u32>,
    ports: Slab<Port>,
    /// Sockets that connections are caught by.
    caught_tcp: Vec<OwnedFd>,
    /// And datagrams.
    caught_udp: Vec<OwnedFd>,
    /// How many descriptors connections may take in all.
    descriptors_max: usize,
    /// When there will be nobody for long enough.
    ends_at: Option<Instant>,
    stage: Stage,
}

/// Where a helper is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serving,
    /// A client has asked for its place.
    Retiring,
    /// It only carries what it has begun.
    Retired,
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
            for event in self.wait()? {
                self.handle(event);
            }
            self.relay.go_on();
            self.settle();
            if self.is_over() {
                return Ok(());
            }
        }
    }

    /// How long nothing needs to be done.
    fn time_left(&self) -> Option<Duration> {
        if self.relay.is_busy() {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.ends_at,
            self.tries.deadline(),
            self.datagrams.deadline(),
            self.echoes.deadline(),
            self.names.deadline(),
        ];
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        deadlines.into_iter().flatten().min().map(left)
    }

    fn wait(&mut self) -> SysResult<Vec<Event>> {
        let timeout = self.time_left();
        if timeout.is_some_and(|timeout| timeout <= QUIET_AFTER) {
            return self.events.wait(timeout);
        }
        let events = self.events.wait(Some(QUIET_AFTER))?;
        if !events.is_empty() {
            return Ok(events);
        }
        self.relay.rest();
        self.events.wait_with_little_memory(self.time_left())?;
        self.events.wait(Some(Duration::ZERO))
    }

    fn handle(&mut self, event: Event) {
        match event.token {
            Token::Control => self.admit_clients(),
            Token::Client(number) => self.serve_client(number),
            Token::Process(number) => self.detach(number),
            Token::CaughtTcp(place) => self.take_caught(place),
            Token::Port(number) => self.serve_port(number),
            Token::Near(_) | Token::Far(_) => self.relay.handle(event),
            Token::Queue => self.take_held(),
            Token::Held(number) => self.end_try(number),
            Token::CaughtUdp(place) => self.take_caught_datagrams(place),
            Token::NearDatagrams(number) => self.datagrams.pass_from_near(number),
            Token::FarDatagrams(number) => self.datagrams.pass_from_far(number),
            Token::Names(_) => self.answer_names(),
            Token::Echo(place) => self.take_echoes(place),
            Token::EchoReply(number) => self.pass_echo(number),
        }
    }

    fn settle(&mut self) {
        self.relay.settle();
        self.tries.settle();
        self.tries.expire();
        self.datagrams.sweep();
        if self.names.deadline().is_some_and(|at| at <= Instant::now()) {
            self.answer_names();
        }
        self.datagrams.settle();
        self.echoes.sweep();
        self.echoes.settle();
        self.clients.settle();
        self.containers.settle();
        self.ports.settle();
        if self.stage == Stage::Retiring {
            self.retire();
        }
    }

    /// Names are asked for, or answers have come.
    fn answer_names(&mut self) {
        let host = &mut self.host;
        self.names
            .go_on(&mut |family, kind| host.socket(family, kind));
    }

    /// Whether nobody has needed the helper for long enough.
    fn is_over(&mut self) -> bool {
        if self.stage == Stage::Retired {
            return self.relay.is_empty();
        }
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
