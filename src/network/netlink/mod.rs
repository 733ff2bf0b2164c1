// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Netlink, spoken directly: messages are built as bytes, sent together, and the first refusal is
//! told with what was being done. Netlink is a stable interface of a few dozen numbers; the typed
//! crates for it are larger than all of the network helper.

pub mod nft;
pub mod route;

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto,
    socket,
};

use crate::sys::{Called, SysError, SysResult};

/// `NLM_F_REQUEST | NLM_F_ACK`.
pub(crate) const REQUEST: u16 = 0x1 | 0x4;
/// `NLM_F_CREATE`.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_EXCL`.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// Length of `nlmsghdr`.
const HEADER: usize = 16;

/// A message under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
    /// What it does, for whoever reads of its failure.
    what: String,
}

impl Message {
    /// A message of `kind` that does `what`; `body` is the fixed structure that the kind has.
    pub fn new(kind: u16, flags: u16, what: impl Into<String>, body: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        let what = what.into();
        let mut message = Self { bytes, what };
        message.put(body);
        message
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(4 + value.len()).expect("values are names and addresses");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.put(value);
        self
    }

    /// Adds an attribute that is a text with its NUL.
    pub fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.attribute(kind, &value)
    }

    /// Adds a number in the machine's order, as rtnetlink has it.
    pub fn number(&mut self, kind: u16, number: u32) -> &mut Self {
        self.attribute(kind, &number.to_ne_bytes())
    }

    /// Adds a number in the network's order, as nfnetlink has it.
    pub fn network_number(&mut self, kind: u16, number: u32) -> &mut Self {
        self.attribute(kind, &number.to_be_bytes())
    }

    /// Adds an attribute that holds what `fill` adds.
    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).expect("a rule is small");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes[start + 2..start + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
        self
    }

    /// Adds a fixed structure in the middle of a nest (`VETH_INFO_PEER` begins with one).
    pub fn structure(&mut self, body: &[u8]) -> &mut Self {
        self.put(body);
        self
    }

    /// The message as it is sent.
    pub(crate) fn finished(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).expect("a message is small");
        bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        bytes
    }
}

/// Which part of the kernel is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Interfaces, addresses, routes.
    Route,
    /// nftables and packet queues.
    Netfilter,
}

/// A connection with the kernel, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// What socket(2) and bind(2) say; EPROTONOSUPPORT where the kernel has no netfilter.
    pub fn open(protocol: Protocol) -> SysResult<Self> {
        let number = match protocol {
            Protocol::Route => SockProtocol::NetlinkRoute,
            Protocol::Netfilter => SockProtocol::NetlinkNetFilter,
        };
        let flags = SockFlag::SOCK_CLOEXEC;
        let descriptor = socket(AddressFamily::Netlink, SockType::Raw, flags, number)
            .called(|| format!("socket(AF_NETLINK, {number:?})"))?;
        bind(descriptor.as_raw_fd(), &NetlinkAddr::new(0, 0)).called(|| "bind(AF_NETLINK)")?;
        Ok(Self {
            descriptor,
            sequence: 1,
        })
    }

    /// The descriptor, for a socket that is read in another way from now on.
    pub fn into_descriptor(self) -> OwnedFd {
        self.descriptor
    }

    /// Does what all of `messages` ask for; they are looked at in order, and the first that is
    /// refused is told. Those before it are done.
    ///
    /// # Errors
    ///
    /// The kernel's refusal, with what the message was to do.
    pub fn request(&mut self, messages: &[Message]) -> SysResult<()> {
        let numbered = self.send(messages)?;
        let mut outcome = Ok(());
        let mut open = numbered.len();
        while open > 0 {
            for (sequence, errno) in self.answers()? {
                let Some(at) = numbered.iter().position(|number| *number == sequence) else {
                    continue;
                };
                open -= 1;
                if errno != 0 && outcome.is_ok() {
                    outcome = Err(refusal(&messages[at], errno));
                }
            }
        }
        outcome
    }

    /// Does all that `messages` of nfnetlink ask for, or nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::request`].
    pub fn transaction(&mut self, messages: &[Message]) -> SysResult<()> {
        let Some(last_index) = messages.len().checked_sub(1) else {
            return Ok(());
        };
        let border = |kind| {
            // nfgenmsg: unspecified family, version 0, the subsystem in the network's order.
            Message::new(kind, 0x1, "batch", &[0, 0, 0, nft::SUBSYSTEM])
        };
        let mut batch = vec![border(BATCH_BEGIN)];
        batch.extend_from_slice(messages);
        batch.push(border(BATCH_END));
        let numbered = self.send(&batch)?;
        let numbered = &numbered[1..=messages.len()];
        loop {
            for (sequence, errno) in self.answers()? {
                let at = numbered.iter().position(|number| *number == sequence);
                match at {
                    Some(at) if errno != 0 => return Err(refusal(&messages[at], errno)),
                    Some(at) if at == last_index => return Ok(()),
                    // The batch itself was refused.
                    None if errno != 0 => return Err(refusal(&batch[0], errno)),
                    Some(_) | None => {}
                }
            }
        }
    }

    /// Sends the messages at once; the value is their numbers.
    fn send(&mut self, messages: &[Message]) -> SysResult<Vec<u32>> {
        // What a failed transaction has left unread.
        while !self
            .received(MsgFlags::MSG_DONTWAIT)
            .unwrap_or_default()
            .is_empty()
        {}
        let first = self.sequence;
        let mut bytes = Vec::new();
        for message in messages {
            bytes.extend(message.finished(self.sequence));
            self.sequence = self.sequence.wrapping_add(1);
        }
        let raw = self.descriptor.as_raw_fd();
        sendto(raw, &bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty())
            .called(|| format!("sendto(AF_NETLINK, {} messages)", messages.len()))?;
        Ok((first..).take(messages.len()).collect())
    }

    fn answers(&self) -> SysResult<Vec<(u32, i32)>> {
        let answer = self.received(MsgFlags::empty());
        answer.called(|| "recv(AF_NETLINK)")
    }

    /// Acknowledgements and refusals: the number of the message, and 0 or an errno.
    fn received(&self, flags: MsgFlags) -> Result<Vec<(u32, i32)>, Errno> {
        let mut buffer = vec![0; 32 * 1024];
        let length = loop {
            match recv(self.descriptor.as_raw_fd(), &mut buffer, flags) {
                Err(Errno::EINTR) => {}
                result => break result?,
            }
        };
        Ok(acknowledgements(&buffer[..length]))
    }
}

/// `NFNL_MSG_BATCH_BEGIN`.
const BATCH_BEGIN: u16 = 0x10;
/// `NFNL_MSG_BATCH_END`.
const BATCH_END: u16 = 0x11;

fn refusal(message: &Message, errno: i32) -> SysError {
    SysError::new(format!("netlink({})", message.what), Errno::from_raw(errno))
}

fn acknowledgements(mut bytes: &[u8]) -> Vec<(u32, i32)> {
    let word = |bytes: &[u8], at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_ne_bytes(four.try_into().ok()?))
    };
    let mut found = Vec::new();
    while let Some(length) = word(bytes, 0) {
        let length = length as usize;
        if length < HEADER || length > bytes.len() {
            break;
        }
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        if let (ERROR, Some(sequence), Some(code)) = (kind, word(bytes, 8), word(bytes, HEADER)) {
            found.push((sequence, code.cast_signed().saturating_neg()));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested() {
        let mut message = Message::new(16, REQUEST, "test", &[1, 2]);
        message.text(3, "lo").nested(18, |link| {
            link.number(1, 7);
        });
        let bytes = message.finished(5);
        assert_eq!(bytes.len(), 40);
        assert_eq!(bytes[..4], 40_u32.to_ne_bytes());
        assert_eq!(bytes[16..20], [1, 2, 0, 0]);
        assert_eq!(bytes[20..28], [7, 0, 3, 0, b'l', b'o', 0, 0]);
        assert_eq!(bytes[28..32], [12, 0, 18, 0x80]);
    }

    #[test]
    fn broken_answers_end_the_list() {
        let mut bytes = Message::new(ERROR, 0, "", &(-2_i32).to_ne_bytes()).finished(9);
        assert_eq!(acknowledgements(&bytes), [(9, 2)]);
        bytes.extend([255, 0, 0, 0, 1]);
        assert_eq!(acknowledgements(&bytes), [(9, 2)]);
        assert_eq!(acknowledgements(&[0; 40]), []);
    }
}
