// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Datagrams, passed on by pairs of sockets: one pair for each pair of ends, which is forgotten
//! when nothing came for a while. The near socket stands in the bridges' namespace under the
//! address that the container speaks with, so the kernel finds it for every datagram but the first.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::events::{Events, Token, Watch};
use super::shares::Shares;
use super::slab::Slab;
use crate::sys::datagrams::{BATCH, Batch};
use crate::sys::{Ignored, SysResult, socket};

/// The largest datagram.
const DATAGRAM_BYTES: usize = 65536;

/// How many batches of datagrams one pair may pass before others have their turn.
const TURN: usize = 2;

/// How long a pair lives on that only one side has used, and one that both have, as the kernel's
/// own translation has it.
const ONE_SIDED: Duration = Duration::from_secs(30);
const TWO_SIDED: Duration = Duration::from_mins(3);

/// How often old ones are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// How many one container may have.
const FLOWS_MAX: usize = 4096;

/// Both ends of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ends {
    /// A container speaks with the world.
    Outbound {
        /// The container's end.
        from: SocketAddr,
        /// What it thinks it speaks with.
        to: SocketAddr,
    },
    /// The world speaks with a published port.
    Inbound {
        /// The number of the port.
        port: u32,
        /// Who speaks.
        client: SocketAddr,
        /// The host's address that was spoken to.
        local: Option<IpAddr>,
    },
}

/// The side of the world.
#[derive(Debug)]
pub(super) enum Far {
    /// A socket of the flow's own.
    Own(OwnedFd),
    /// The socket of a published port, a copy of it.
    Port(OwnedFd),
}

#[derive(Debug)]
struct Flow {
    ends: Ends,
    owner: u32,
    near: OwnedFd,
    far: Far,
    answered: bool,
    used: Instant,
}

impl Flow {
    fn is_old(&self, now: Instant) -> bool {
        let life = if self.answered { TWO_SIDED } else { ONE_SIDED };
        self.used + life <= now
    }

    /// To the world.
    fn send_out(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match (&self.far, self.ends) {
            (Far::Own(far), _) => socket::send(far.as_fd(), bytes),
            (Far::Port(far), Ends::Inbound { client, local, .. }) => {
                socket::send_to(far.as_fd(), bytes, client, local)
            }
            (Far::Port(_), Ends::Outbound { .. }) => Err(Errno::ENOTCONN),
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Datagrams {
    flows: Slab<Flow>,
    shares: Shares,
    known: HashMap<Ends, u32>,
    buffer: Vec<u8>,
    batch: Batch,
    sweep_at: Option<Instant>,
}

impl Datagrams {
    pub(super) fn new() -> Self {
        Self {
            flows: Slab::new(),
            shares: Shares::new(),
            known: HashMap::new(),
            buffer: Vec::new(),
            batch: Batch::new(),
            sweep_at: None,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// The buffer that a datagram is received into; given back by [`Self::put_back`].
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        self.buffer.resize(DATAGRAM_BYTES, 0);
        std::mem::take(&mut self.buffer)
    }

    pub(super) fn put_back(&mut self, buffer: Vec<u8>) {
        self.buffer = buffer;
    }

    /// Passes a first datagram on, if the flow is known.
    pub(super) fn pass(&mut self, ends: Ends, bytes: &[u8]) -> Passed {
        let Some(flow) = self
            .known
            .get(&ends)
            .and_then(|number| self.flows.get_mut(*number))
        else {
            return Passed::Unknown;
        };
        flow.used = Instant::now();
        // A datagram that finds no room is lost, as on any wire.
        match ends {
            Ends::Outbound { .. } => flow.send_out(bytes).ignored(),
            Ends::Inbound { .. } => socket::send(flow.near.as_fd(), bytes).ignored(),
        }
        Passed::On
    }

    /// Whether a container may have one more.
    pub(super) fn has_room(&self, owner: u32) -> bool {
        self.shares.of(owner) < FLOWS_MAX
    }

    /// Begins a flow.
    ///
    /// # Errors
    ///
    /// What epoll_ctl(2) says; there is no flow then.
    pub(super) fn begin(
        &mut self,
        events: &Events,
        ends: Ends,
        owner: u32,
        near: OwnedFd,
        far: Far,
    ) -> SysResult<()> {
        let number = self.flows.add(Flow {
            ends,
            owner,
            near,
            far,
            answered: false,
            used: Instant::now(),
        });
        let flow = self.flows.get(number).expect("it was just added");
        let token = Token::NearDatagrams(number);
        let mut watched = events.watch(flow.near.as_fd(), Watch::Readable, token);
        if let Far::Own(far) = &flow.far {
            let token = Token::FarDatagrams(number);
            watched = watched.and_then(|()| events.watch(far.as_fd(), Watch::Readable, token));
        }
        if watched.is_err() {
            self.flows.remove(number);
            return watched;
        }
        self.known.insert(ends, number);
        self.shares.add(owner);
        self.sweep_at
            .get_or_insert_with(|| Instant::now() + SWEEP_EVERY);
        Ok(())
    }

    /// The container has spoken.
    pub(super) fn pass_from_near(&mut self, number: u32) {
        let Some(flow) = self.flows.get_mut(number) else {
            return;
        };
        flow.used = Instant::now();
        flow.answered |= matches!(flow.ends, Ends::Inbound { .. });
        let near = flow.near.as_fd();
        match &flow.far {
            Far::Own(far) => pass_all(near, far.as_fd(), &mut self.batch),
            Far::Port(_) => {
                let mut buffer = self.take_buffer();
                if let Some(flow) = self.flows.get(number) {
                    drain(flow.near.as_fd(), &mut buffer, |bytes| flow.send_out(bytes));
                }
                self.put_back(buffer);
            }
        }
    }

    /// The world has spoken.
    pub(super) fn pass_from_far(&mut self, number: u32) {
        let Some(flow) = self.flows.get_mut(number) else {
            return;
        };
        flow.used = Instant::now();
        flow.answered = true;
        if let Far::Own(far) = &flow.far {
            pass_all(far.as_fd(), flow.near.as_fd(), &mut self.batch);
        }
    }

    /// Ends those of a container.
    pub(super) fn end_of(&mut self, owner: u32) {
        self.end_where(|flow| flow.owner == owner);
    }

    /// When old ones are to be looked for.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Ends those that nobody has used for long.
    pub(super) fn sweep(&mut self) {
        let now = Instant::now();
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        self.end_where(|flow| flow.is_old(now));
        self.sweep_at = (self.flows.len() > 0).then(|| now + SWEEP_EVERY);
        if self.sweep_at.is_none() {
            *self = Self::new();
        }
    }

    /// All events of a round are done.
    pub(super) fn settle(&mut self) {
        self.flows.settle();
    }

    fn end_where(&mut self, ends: impl Fn(&Flow) -> bool) {
        let ended = self.flows.iter().filter(|(_, flow)| ends(flow));
        for number in ended.map(|(number, _)| number).collect::<Vec<_>>() {
            if let Some(flow) = self.flows.remove(number) {
                self.known.remove(&flow.ends);
                self.shares.remove(flow.owner);
            }
        }
    }
}

/// What became of a first datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// It is on its way.
    On,
    /// Its flow is new.
    Unknown,
}

/// One that was sent before found nobody: told once, and nothing that the other side could hear.
const TOLD_ONCE: [Errno; 4] = [
    Errno::ECONNREFUSED,
    Errno::EINTR,
    Errno::EHOSTUNREACH,
    Errno::ENETUNREACH,
];

fn pass_all(from: BorrowedFd<'_>, to: BorrowedFd<'_>, batch: &mut Batch) {
    for _ in 0..TURN {
        match batch.receive(from) {
            Ok(count) => {
                batch.send(to);
                if count < BATCH {
                    return;
                }
            }
            Err(errno) if TOLD_ONCE.contains(&errno) => {}
            Err(_) => return,
        }
    }
}

fn drain(from: BorrowedFd<'_>, buffer: &mut [u8], send: impl Fn(&[u8]) -> Result<usize, Errno>) {
    for _ in 0..TURN * BATCH {
        match socket::receive(from, buffer) {
            Ok(length) => send(&buffer[..length]).ignored(),
            Err(errno) if TOLD_ONCE.contains(&errno) => {}
            Err(_) => return,
        }
    }
}
