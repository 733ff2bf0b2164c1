// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Echo requests of containers, asked anew in the host's network by sockets that need no rights
//! there. The kernel of the bridges' namespace answers none itself: it would answer for every
//! address that was caught.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::events::{Events, Token, Watch};
use super::shares::Shares;
use super::slab::Slab;
use crate::sys::socket::{self, ECHO_REQUEST, Family};
use crate::sys::{Ignored, SysResult};

/// How long after a request its answer is waited for.
const LIFE: Duration = Duration::from_secs(30);

/// How often those are looked for that are over.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// How many programs of one container may ask at once.
const ASKERS_MAX: usize = 64;

/// How many answers are taken at once.
const TURN: usize = 16;

/// Type, code, checksum, identifier, number.
const HEADER_BYTES: usize = 8;

/// Who asks whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// The container's address, and its scope where it has one.
    pub(super) from: SocketAddr,
    /// Whom it thinks it asks.
    pub(super) to: IpAddr,
    identifier: [u8; 2],
}

#[derive(Debug)]
struct Flow {
    asked: Asked,
    owner: u32,
    far: OwnedFd,
    used: Instant,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Echoes {
    sockets: Vec<OwnedFd>,
    flows: Slab<Flow>,
    known: HashMap<Asked, u32>,
    shares: Shares,
    sweep_at: Option<Instant>,
}

impl Echoes {
    /// Asks nobody.
    pub(super) fn none() -> Self {
        Self {
            sockets: Vec::new(),
            flows: Slab::new(),
            known: HashMap::new(),
            shares: Shares::new(),
            sweep_at: None,
        }
    }

    /// Takes the requests of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// What socket(2) says of sockets for packets.
    pub(super) fn open(events: &Events) -> SysResult<Self> {
        let mut opened = Self::none();
        for (place, family) in (0..).zip([Family::V4, Family::V6]) {
            let socket = match socket::open_for_echo(family) {
                // A kernel without IPv6 does without.
                Err(error) if family == Family::V6 && error.errno == Errno::EAFNOSUPPORT => break,
                socket => socket?,
            };
            events.watch(socket.as_fd(), Watch::Readable, Token::Echo(place))?;
            opened.sockets.push(socket);
        }
        Ok(opened)
    }

    /// How many sockets of the host they take.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// The next request of a family, whose message is in the buffer then.
    pub(super) fn next(&self, place: u32, buffer: &mut [u8]) -> Option<Request> {
        let socket = self.sockets.get(place as usize)?;
        for _ in 0..TURN {
            let received = socket::receive_from(socket.as_fd(), buffer).ok()?;
            let (Some(from), Some(to)) = (received.from, received.local) else {
                continue;
            };
            let packet = &buffer[..received.length];
            let Some(start) = message_start(Family::of(to), packet) else {
                continue;
            };
            let identifier = [packet[start + 4], packet[start + 5]];
            return Some(Request {
                asked: Asked {
                    from,
                    to,
                    identifier,
                },
                start,
                end: received.length,
            });
        }
        None
    }

    /// Answers for `asked.to`.
    pub(super) fn answer(&self, asked: Asked, message: &mut [u8]) {
        let place = match asked.to {
            IpAddr::V4(_) => 0,
            IpAddr::V6(_) => 1,
        };
        let Some(socket) = self.sockets.get(place) else {
            return;
        };
        make_reply(Family::of(asked.to), asked.identifier, message);
        // One that finds no room is lost, as on any wire.
        socket::send_to(socket.as_fd(), message, asked.from, Some(asked.to)).ignored();
    }

    /// Asks again in the host's network, if this was asked before.
    pub(super) fn pass(&mut self, asked: Asked, message: &[u8]) -> bool {
        let flow = self.known.get(&asked);
        let Some(flow) = flow.and_then(|number| self.flows.get_mut(*number)) else {
            return false;
        };
        flow.used = Instant::now();
        socket::send(flow.far.as_fd(), message).ignored();
        true
    }

    /// Whether a container may ask more.
    pub(super) fn has_room(&self, owner: u32) -> bool {
        self.shares.of(owner) < ASKERS_MAX
    }

    /// Begins to ask by `far`, which is connected.
    ///
    /// # Errors
    ///
    /// What epoll_ctl(2) says.
    pub(super) fn begin(
        &mut self,
        events: &Events,
        asked: Asked,
        owner: u32,
        far: OwnedFd,
    ) -> SysResult<()> {
        let number = self.flows.add(Flow {
            asked,
            owner,
            far,
            used: Instant::now(),
        });
        let far = self
            .flows
            .get(number)
            .expect("it was just added")
            .far
            .as_fd();
        if let Err(error) = events.watch(far, Watch::Readable, Token::EchoReply(number)) {
            self.flows.remove(number);
            return Err(error);
        }
        self.known.insert(asked, number);
        self.shares.add(owner);
        self.sweep_at
            .get_or_insert_with(|| Instant::now() + SWEEP_EVERY);
        Ok(())
    }

    /// Answers have come.
    pub(super) fn pass_back(&self, number: u32, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Some(flow) = self.flows.get(number) else {
                return;
            };
            match socket::receive(flow.far.as_fd(), buffer) {
                Ok(length) if length >= HEADER_BYTES => {
                    self.answer(flow.asked, &mut buffer[..length]);
                }
                // Told of a request that got nowhere.
                Err(Errno::EAGAIN) => return,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// When those are to be looked for that are over.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Forgets those that are over.
    pub(super) fn sweep(&mut self) {
        let now = Instant::now();
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        self.end_where(|flow| flow.used + LIFE <= now);
        self.sweep_at = (self.flows.len() > 0).then(|| now + SWEEP_EVERY);
    }

    /// Ends those of a container.
    pub(super) fn end_of(&mut self, owner: u32) {
        self.end_where(|flow| flow.owner == owner);
    }

    /// All events of a round are done.
    pub(super) fn settle(&mut self) {
        self.flows.settle();
    }

    fn end_where(&mut self, ends: impl Fn(&Flow) -> bool) {
        let ended = self.flows.iter().filter(|(_, flow)| ends(flow));
        for number in ended.map(|(number, _)| number).collect::<Vec<_>>() {
            if let Some(flow) = self.flows.remove(number) {
                self.known.remove(&flow.asked);
                self.shares.remove(flow.owner);
            }
        }
    }
}

/// A request of a container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) asked: Asked,
    /// Where its message is in the buffer.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Where the message of an echo request begins; nowhere, if that is none.
fn message_start(family: Family, packet: &[u8]) -> Option<usize> {
    let (start, kind) = match family {
        Family::V4 => (usize::from(packet.first()? & 15) * 4, ECHO_REQUEST.0),
        Family::V6 => (0, ECHO_REQUEST.1),
    };
    let message = packet.get(start..)?;
    (message.len() >= HEADER_BYTES && message[..2] == [kind, 0]).then_some(start)
}

/// Makes an answer of a request or of another's answer. The kernel adds the checksum of IPv6.
fn make_reply(family: Family, identifier: [u8; 2], message: &mut [u8]) {
    const ECHO_REPLY: (u8, u8) = (0, 129);
    message[0] = match family {
        Family::V4 => ECHO_REPLY.0,
        Family::V6 => ECHO_REPLY.1,
    };
    message[2..4].fill(0);
    message[4..6].copy_from_slice(&identifier);
    if family == Family::V4 {
        let sum = checksum(message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2);
    let words =
        pairs.map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| (*low).into()));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("it was folded")
}

/// Packets of containers and answers of the world.
///
/// # Panics
///
/// When an answer's checksum is wrong.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(bytes: &[u8]) {
    for family in [Family::V4, Family::V6] {
        let Some(start) = message_start(family, bytes) else {
            continue;
        };
        let mut message = bytes[start..].to_vec();
        make_reply(family, [1, 2], &mut message);
        assert_eq!(message[4..6], [1, 2]);
        assert!(family == Family::V6 || checksum(&message) == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_become_answers() {
        let mut packet = vec![0x46; 24];
        packet.extend([8, 0, 0x12, 0x34, 0xab, 0xcd, 0, 1, b'x']);
        let start = message_start(Family::V4, &packet).unwrap();
        assert_eq!(start, 24);
        let message = &mut packet[start..];
        make_reply(Family::V4, [1, 2], message);
        assert_eq!((message[0], &message[4..]), (0, &[1, 2, 0, 1, b'x'][..]));
        // What holds its own checksum adds up to nothing.
        assert_eq!(checksum(message), 0);
    }

    #[test]
    fn what_is_no_request_is_left_alone() {
        let request = [128, 0, 0, 0, 1, 2, 3, 4];
        assert_eq!(message_start(Family::V6, &request), Some(0));
        let short = &request[..7];
        for packet in [
            &[][..],
            short,
            &[129, 0, 0, 0, 0, 0, 0, 0],
            &[128, 1, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(message_start(Family::V6, packet), None, "{packet:?}");
        }
        for packet in [&[][..], &[0x4f; 59], &[0x45; 20]] {
            assert_eq!(message_start(Family::V4, packet), None, "{packet:?}");
        }
    }
}
