// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages over TCP: each comes behind its length (RFC 7766).

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How much is kept of what comes in before it is asked for: a message and the start of the next.
const INBOX_BYTES_MAX: usize = 2 * (2 + u16::MAX as usize);

/// A connection that carries messages, and never waits.
#[derive(Debug)]
pub(super) struct Stream {
    socket: File,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

/// Whether a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It does.
    Open,
    /// Nothing more comes.
    Ended,
}

impl Stream {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket: File::from(socket),
            inbox: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// Reads what is there.
    pub(super) fn fill(&mut self) -> Condition {
        let mut buffer = [0; 4096];
        while self.inbox.len() < INBOX_BYTES_MAX {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Condition::Ended,
                Ok(length) => self.inbox.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Condition::Open,
                Err(_) => return Condition::Ended,
            }
        }
        Condition::Open
    }

    /// The next message that is complete.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_be_bytes([
            *self.inbox.first()?,
            *self.inbox.get(1)?,
        ]));
        let message = self.inbox.get(2..2 + length)?.to_vec();
        self.inbox.drain(..2 + length);
        Some(message)
    }

    /// Sends a message, as far as there is room; the rest goes with [`Stream::flush`].
    pub(super) fn put(&mut self, message: &[u8]) -> Condition {
        let Ok(length) = u16::try_from(message.len()) else {
            return Condition::Open;
        };
        self.outbox.extend_from_slice(&length.to_be_bytes());
        self.outbox.extend_from_slice(message);
        self.flush()
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> Condition {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(length) => drop(self.outbox.drain(..length)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // NotConnected: it is being connected.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    return Condition::Open;
                }
                Err(_) => return Condition::Ended,
            }
        }
        Condition::Open
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
