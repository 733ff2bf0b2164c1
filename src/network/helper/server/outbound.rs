// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Connections of containers with the world: each is connected anew in the host's network, and
//! stands for the container once it does there.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::super::datagrams::{Ends, Far, Passed};
use super::super::events::{Token, Watch};
use super::super::policy;
use super::super::queue::{Answer, Packet, Queue, Wanted};
use super::super::shares::Shares;
use super::super::slab::Slab;
use super::{ACCEPTED_AT_ONCE, Server, transparent};
use crate::network::addresses::HOST;
use crate::sys::socket::{self, Connecting, Family, Kind};
use crate::sys::{Ignored, SysResult};

/// How many first packets of one container may wait, or stand and not be taken up: it may never
/// mean to.
const HELD_MAX: usize = 512;

/// How long the container has to take up a connection that stands. It does at once, or it has
/// given up.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// Connections that are being tried, and those that stand and were not taken up yet.
#[derive(Debug)]
pub(super) struct Tries {
    queue: Option<Queue>,
    held: Slab<Try>,
    /// The packets among `held`: one that comes again meanwhile is dropped.
    waiting: HashMap<Wanted, u32>,
    standing: HashMap<Wanted, Standing>,
    /// Both kinds.
    shares: Shares,
}

#[derive(Debug)]
struct Try {
    packet: u32,
    wanted: Wanted,
    far: OwnedFd,
    owner: u32,
}

#[derive(Debug)]
struct Standing {
    far: OwnedFd,
    owner: u32,
    since: Instant,
}

impl Tries {
    pub(super) fn new(queue: Option<Queue>) -> Self {
        Self {
            queue,
            held: Slab::new(),
            waiting: HashMap::new(),
            standing: HashMap::new(),
            shares: Shares::new(),
        }
    }

    pub(super) fn settle(&mut self) {
        self.held.settle();
    }

    /// When something must be forgotten.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let since = self.standing.values().map(|standing| standing.since).min();
        since.map(|since| since + TAKEN_WITHIN)
    }

    /// Forgets connections that nobody took up.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        self.forget(|standing| standing.since + TAKEN_WITHIN <= now);
    }

    fn forget(&mut self, is_over: impl Fn(&Standing) -> bool) {
        let shares = &mut self.shares;
        self.standing.retain(|_, standing| {
            let over = is_over(standing);
            if over {
                shares.remove(standing.owner);
            }
            !over
        });
    }

    /// Gives up those of a container.
    pub(super) fn end_of(&mut self, owner: u32) {
        let held = self.held.iter().filter(|(_, each)| each.owner == owner);
        for number in held.map(|(number, _)| number).collect::<Vec<_>>() {
            self.finish(number, Answer::Silence);
        }
        self.forget(|standing| standing.owner == owner);
    }

    fn decide(&self, packet: u32, answer: Answer) {
        if let Some(queue) = &self.queue {
            // A packet that is gone needs no answer.
            queue.decide(packet, answer).ignored();
        }
    }

    fn finish(&mut self, number: u32, answer: Answer) {
        if let Some(tried) = self.held.remove(number) {
            self.waiting.remove(&tried.wanted);
            self.shares.remove(tried.owner);
            self.decide(tried.packet, answer);
        }
    }

    fn is_full(&self, owner: u32) -> bool {
        self.shares.of(owner) >= HELD_MAX
    }
}

/// What the container is told of a connection that cannot be had.
fn answer_for(errno: Errno) -> Answer {
    match errno {
        Errno::ECONNREFUSED | Errno::ECONNRESET => Answer::Refused,
        Errno::ETIMEDOUT | Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM => {
            Answer::Silence
        }
        _ => Answer::Unreachable,
    }
}

impl Server {
    /// First packets that wait for the far side.
    pub(super) fn take_held(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let queue = self.tries.queue.as_mut();
            let Some(packet) = queue.and_then(Queue::next) else {
                return;
            };
            if let Err(answer) = self.try_far(packet) {
                self.tries.decide(packet.number, answer);
            }
        }
    }

    /// Begins to connect for a first packet.
    fn try_far(&mut self, packet: Packet) -> Result<(), Answer> {
        let wanted = packet.wanted.ok_or(Answer::Unreachable)?;
        if self.tries.waiting.contains_key(&wanted) {
            return Err(Answer::Silence);
        }
        // It stands already, and the packet that was let through was lost.
        if self.tries.standing.contains_key(&wanted) {
            return Err(Answer::Standing);
        }
        let owner = self.owner_of(wanted.from.ip()).ok_or(Answer::Silence)?;
        if self.tries.is_full(owner) {
            return Err(Answer::Silence);
        }
        let target = self
            .target_of(owner, wanted.to)
            .ok_or(Answer::Unreachable)?;
        let (far, _) = self.connect_host(target).map_err(answer_for)?;
        let number = self.tries.held.add(Try {
            packet: packet.number,
            wanted,
            far,
            owner,
        });
        self.tries.waiting.insert(wanted, number);
        self.tries.shares.add(owner);
        let tried = self.tries.held.get(number).expect("it was just added");
        let far = tried.far.as_fd();
        if self
            .events
            .watch(far, Watch::Changes, Token::Held(number))
            .is_err()
        {
            self.tries.finish(number, Answer::Silence);
        }
        Ok(())
    }

    /// The far side of a connection that was tried has answered.
    pub(super) fn end_try(&mut self, number: u32) {
        let Some(tried) = self.tries.held.get(number) else {
            return;
        };
        if let Err(errno) = socket::take_error(tried.far.as_fd()) {
            return self.tries.finish(number, answer_for(errno));
        }
        self.events.forget(tried.far.as_fd());
        let Some(tried) = self.tries.held.remove(number) else {
            return;
        };
        self.tries.waiting.remove(&tried.wanted);
        let standing = Standing {
            far: tried.far,
            owner: tried.owner,
            since: Instant::now(),
        };
        self.tries.standing.insert(tried.wanted, standing);
        self.tries.decide(tried.packet, Answer::Standing);
    }

    /// The far side that stands already for a caught connection.
    fn standing(&mut self, from: SocketAddr, to: SocketAddr) -> Option<(OwnedFd, u32)> {
        let standing = self.tries.standing.remove(&Wanted { from, to })?;
        self.tries.shares.remove(standing.owner);
        Some((standing.far, standing.owner))
    }

    /// Connections of containers with the world.
    pub(super) fn take_caught(&mut self, place: u32) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let listener = self.caught_tcp[place as usize].as_fd();
            let Ok(Some((near, from))) = socket::accept(listener) else {
                return;
            };
            if let Some((far, owner)) = self.send_on(near.as_fd(), from) {
                // It is closed where it cannot be watched.
                self.relay.join(&self.events, near, far, owner).ignored();
            }
        }
    }

    /// The host's side of a caught connection, and whose it is.
    fn send_on(
        &mut self,
        near: std::os::fd::BorrowedFd<'_>,
        from: SocketAddr,
    ) -> Option<(OwnedFd, u32)> {
        let to = socket::local_address(near).ok()?;
        if let Some(standing) = self.standing(from, to) {
            return Some(standing);
        }
        let owner = self.owner_of(from.ip());
        let target = owner.and_then(|owner| self.target_of(owner, to));
        let (Some(owner), Some(target)) = (owner, target) else {
            socket::reset_on_close(near).ignored();
            return None;
        };
        let connected = self.connect_host(target);
        if connected.is_err() {
            socket::reset_on_close(near).ignored();
        }
        Some((connected.ok()?.0, owner))
    }

    /// First datagrams of containers to the world.
    pub(super) fn take_caught_datagrams(&mut self, place: u32) {
        let mut buffer = self.datagrams.take_buffer();
        for _ in 0..ACCEPTED_AT_ONCE {
            let socket = self.caught_udp[place as usize].as_fd();
            let Ok(received) = socket::receive_from(socket, &mut buffer) else {
                break;
            };
            let (Some(from), Some(to)) = (received.from, received.original) else {
                continue;
            };
            let ends = Ends::Outbound { from, to };
            let bytes = &buffer[..received.length];
            if self.datagrams.pass(ends, bytes) == Passed::Unknown
                && self.begin_outbound(ends, from, to).is_some()
            {
                self.datagrams.pass(ends, bytes);
            }
        }
        self.datagrams.put_back(buffer);
    }

    fn begin_outbound(&mut self, ends: Ends, from: SocketAddr, to: SocketAddr) -> Option<()> {
        let owner = self.owner_of(from.ip())?;
        let target = self.target_of(owner, to)?;
        if !self.datagrams.has_room(owner) {
            return None;
        }
        let far = self
            .host
            .socket(Family::of(target.ip()), Kind::Datagram)
            .ok()?;
        socket::connect_to(far.as_fd(), target).ok()?;
        let near = transparent(Kind::Datagram, to).ok()?;
        socket::connect_to(near.as_fd(), from).ok()?;
        let begun = self
            .datagrams
            .begin(&self.events, ends, owner, near, Far::Own(far));
        begun.ok()
    }

    pub(super) fn owner_of(&self, address: IpAddr) -> Option<u32> {
        let owner = self.owners.get(&policy::canonical(address)).copied()?;
        self.has_room(owner).then_some(owner)
    }

    /// Whether there may be one more connection of a container: none takes the descriptors that
    /// the others need.
    pub(super) fn has_room(&self, owner: u32) -> bool {
        let streams = self.relay.descriptors() + self.tries.shares.total();
        let free = self
            .descriptors_max
            .saturating_sub(streams + 2 * self.datagrams.len() + self.echoes.len());
        let of_one = self.descriptors_max / 2;
        free > 2 && self.relay.count_of(owner) < of_one - of_one / 16
    }

    /// Where a container's packet for `to` goes in the host's network; nowhere if that is not
    /// allowed.
    pub(super) fn target_of(&mut self, owner: u32, to: SocketAddr) -> Option<SocketAddr> {
        let address = policy::canonical(to.ip());
        let container = self.containers.get(owner)?;
        let plan = &container.plan;
        let gateways = plan.networks.iter().flat_map(|network| &network.subnets);
        let mut gateways = gateways.filter_map(|subnet| subnet.gateway);
        if address == HOST || gateways.any(|gateway| gateway == address) {
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

    fn connect_host(&mut self, target: SocketAddr) -> Result<(OwnedFd, Connecting), Errno> {
        let connect = |far: OwnedFd| -> SysResult<_> {
            let connecting = socket::connect_to(far.as_fd(), target)?;
            Ok((far, connecting))
        };
        let far = self.host.socket(Family::of(target.ip()), Kind::Stream);
        far.and_then(connect).map_err(|error| error.errno)
    }
}

const fn loopback(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}
