// SPDX-License-Identifier: Apache-2.0 OR MIT
//! First packets of connections, held by the kernel until the far side has answered: without this
//! every port of the world looks open from inside, for a caught connection stands at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, NetlinkAddr, recv, sendto};

use super::firewall::{REFUSED, UNREACHABLE};
use crate::network::netlink::{Message, Protocol, Socket};
use crate::sys::{Called, SysResult};

/// `NFNL_SUBSYS_QUEUE`.
const SUBSYSTEM: u16 = 3;
const PACKET: u16 = SUBSYSTEM << 8;
const VERDICT: u16 = SUBSYSTEM << 8 | 1;
const CONFIG: u16 = SUBSYSTEM << 8 | 2;
const CONFIG_COMMAND: u16 = 1;
const CONFIG_PARAMETERS: u16 = 2;
const PACKET_HEADER: u16 = 1;
const VERDICT_HEADER: u16 = 2;
const MARK: u16 = 3;
const PAYLOAD: u16 = 10;
/// `nfgenmsg`: any family, version 0, queue 0.
const GENERIC: [u8; 4] = [0; 4];
/// `NLM_F_REQUEST` and no acknowledgement: a packet that is gone is no failure.
const UNANSWERED: u16 = 1;

/// As much of a packet as both headers take.
const COPIED_BYTES: u32 = 128;

/// What a first packet wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

/// A packet that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) number: u32,
    pub(super) wanted: Option<Wanted>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The far side has answered: the connection may stand.
    Standing,
    /// The far side refused.
    Refused,
    /// The far side cannot be reached.
    Unreachable,
    /// Nobody answered.
    Silence,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Queue {
    /// Takes queue 0 of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// The kernel's refusal; EPROTONOSUPPORT or EINVAL where it has no packet queues.
    pub(super) fn open() -> SysResult<Self> {
        let mut socket = Socket::open(Protocol::Netfilter)?;
        let configure = |kind, value: &[u8]| {
            let mut message = Message::new(CONFIG, 1 | 4, "bind packet queue", &GENERIC);
            message.attribute(kind, value);
            message
        };
        let [a, b, c, d] = COPIED_BYTES.to_be_bytes();
        socket.request(&[
            // NFQNL_CFG_CMD_BIND.
            configure(CONFIG_COMMAND, &[1, 0, 0, 0]),
            // NFQNL_COPY_PACKET.
            configure(CONFIG_PARAMETERS, &[a, b, c, d, 2]),
        ])?;
        Ok(Self {
            socket: socket.into_descriptor(),
            buffer: vec![0; 1024],
        })
    }

    /// The next packet that waits.
    pub(super) fn next(&mut self) -> Option<Packet> {
        loop {
            let flags = MsgFlags::MSG_DONTWAIT;
            match recv(self.socket.as_raw_fd(), &mut self.buffer, flags) {
                Ok(length) => {
                    if let Some(packet) = parse(&self.buffer[..length]) {
                        return Some(packet);
                    }
                }
                // ENOBUFS: some were lost, and come again.
                Err(Errno::EINTR | Errno::ENOBUFS) => {}
                Err(_) => return None,
            }
        }
    }

    /// Lets a packet go.
    ///
    /// # Errors
    ///
    /// What sendto(2) says.
    pub(super) fn decide(&self, number: u32, answer: Answer) -> SysResult<()> {
        let (verdict, mark) = match answer {
            Answer::Silence => (0_u32, None),
            Answer::Standing => (1, None),
            Answer::Refused => (1, Some(REFUSED)),
            Answer::Unreachable => (1, Some(UNREACHABLE)),
        };
        let mut message = Message::new(VERDICT, UNANSWERED, "verdict", &GENERIC);
        let header = [verdict.to_be_bytes(), number.to_be_bytes()].concat();
        message.attribute(VERDICT_HEADER, &header);
        if let Some(mark) = mark {
            message.network_number(MARK, mark);
        }
        let kernel = NetlinkAddr::new(0, 0);
        let bytes = message.finished(0);
        sendto(self.socket.as_raw_fd(), &bytes, &kernel, MsgFlags::empty())
            .map(drop)
            .called(|| "sendto(packet queue)")
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// One message of the queue.
fn parse(message: &[u8]) -> Option<Packet> {
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    if kind != PACKET {
        return None;
    }
    let mut rest = message.get(20..)?;
    let (mut number, mut wanted) = (None, None);
    while rest.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        let kind = u16::from_ne_bytes([rest[2], rest[3]]) & 0x3fff;
        let value = rest.get(4..length)?;
        match kind {
            PACKET_HEADER => number = value.get(..4)?.try_into().ok().map(u32::from_be_bytes),
            PAYLOAD => wanted = wanted_by(value),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(Packet {
        number: number?,
        wanted,
    })
}

/// Both ends that a TCP packet names. One behind extension headers of IPv6 is not understood: no
/// stack sends its first packet so.
fn wanted_by(packet: &[u8]) -> Option<Wanted> {
    const TCP: u8 = 6;
    let port = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    let first = *packet.first()?;
    let (from, to, header): (IpAddr, IpAddr, usize) = match first >> 4 {
        4 if packet.get(9) == Some(&TCP) => {
            let address = |at: usize| {
                let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                Some(Ipv4Addr::from(octets).into())
            };
            (address(12)?, address(16)?, usize::from(first & 15) * 4)
        }
        6 if packet.get(6) == Some(&TCP) => {
            let address = |at: usize| {
                let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(Ipv6Addr::from(octets).into())
            };
            (address(8)?, address(24)?, 40)
        }
        _ => return None,
    };
    Some(Wanted {
        from: SocketAddr::new(from, port(header)?),
        to: SocketAddr::new(to, port(header + 2)?),
    })
}

/// A message of the queue, whose payload is a container's; and the same bytes as a packet.
///
/// # Panics
///
/// When the host would connect to itself.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(bytes: &[u8]) {
    use super::policy::{canonical, is_allowed};

    let packet = parse(bytes).and_then(|packet| packet.wanted);
    for wanted in packet.into_iter().chain(wanted_by(bytes)) {
        let address = canonical(wanted.to.ip());
        assert_eq!(canonical(address), address);
        let inward = address.is_loopback() || address.is_unspecified() || address.is_multicast();
        assert!(!(inward && is_allowed(address)), "{address}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut message = Message::new(PACKET, 0, "", &GENERIC);
        message
            .attribute(PACKET_HEADER, &[0, 0, 0, 9, 8, 0, 0])
            .attribute(5, &[0; 4])
            .attribute(PAYLOAD, payload);
        message.finished(0)
    }

    fn v4(protocol: u8) -> Vec<u8> {
        let mut bytes = vec![0x46, 0, 0, 44, 0, 0, 0, 0, 64, protocol, 0, 0];
        bytes.extend([10, 88, 0, 2, 93, 184, 216, 34, 1, 1, 1, 1]);
        bytes.extend([0x9c, 0x40, 1, 187, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn first_packets_say_where_they_go() {
        let found = parse(&packet(&v4(6))).unwrap();
        let wanted = Wanted {
            from: "10.88.0.2:40000".parse().unwrap(),
            to: "93.184.216.34:443".parse().unwrap(),
        };
        assert_eq!((found.number, found.wanted), (9, Some(wanted)));
        let mut v6 = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
        v6.extend([0xfd; 16].iter().chain(&[0x20; 16]));
        v6.extend([0, 80, 0, 81]);
        let found = parse(&packet(&v6)).unwrap().wanted.unwrap();
        assert_eq!((found.from.port(), found.to.port()), (80, 81));
        assert!(found.to.is_ipv6());
    }

    #[test]
    fn what_is_not_understood_names_nobody() {
        for payload in [&v4(17)[..], &v4(6)[..20], &v4(6)[..25], &[], &[0x60; 30]] {
            let found = parse(&packet(payload)).unwrap();
            assert_eq!(found.wanted, None, "{payload:?}");
        }
        let whole = packet(&v4(6));
        for length in 0..whole.len() {
            // With less than both ports nobody is named.
            let named = parse(&whole[..length]).and_then(|packet| packet.wanted);
            assert!(named.is_none() || length + 4 >= whole.len());
        }
    }
}
