// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the helper waits for: each descriptor is watched under a token that says what it is.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::sys::poll::{Interest, PollSet};
use crate::sys::{Called, SysResult};

/// What a watched descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// The control socket.
    Control,
    /// A client of it.
    Client(u32),
    /// The first process of a container.
    Process(u32),
    /// The socket of caught connections, IPv4 or IPv6.
    CaughtTcp(u32),
    /// The socket of caught datagrams, IPv4 or IPv6.
    CaughtUdp(u32),
    /// Packets that wait for a verdict.
    Queue,
    /// A published port.
    Port(u32),
    /// The near side of a relayed connection, or the far one.
    Near(u32),
    /// See `Near`.
    Far(u32),
    /// The container's side of relayed datagrams.
    NearDatagrams(u32),
    /// The other side.
    FarDatagrams(u32),
    /// A connection that is tried while its first packet waits.
    Held(u32),
    /// Echo requests of containers.
    Echo(u32),
    /// Echo replies for one.
    EchoReply(u32),
    /// A socket of the name server.
    Names(u32),
}

impl Token {
    fn to_bits(self) -> u64 {
        let (kind, number) = match self {
            Self::Control => (0, 0),
            Self::Client(number) => (1, number),
            Self::Process(number) => (2, number),
            Self::CaughtTcp(number) => (3, number),
            Self::CaughtUdp(number) => (4, number),
            Self::Queue => (5, 0),
            Self::Port(number) => (6, number),
            Self::Near(number) => (7, number),
            Self::Far(number) => (8, number),
            Self::NearDatagrams(number) => (9, number),
            Self::FarDatagrams(number) => (10, number),
            Self::Held(number) => (11, number),
            Self::Echo(number) => (12, number),
            Self::EchoReply(number) => (13, number),
            Self::Names(number) => (14, number),
        };
        u64::from(number) << 8 | kind
    }

    fn from_bits(bits: u64) -> Self {
        let number = u32::try_from(bits >> 8).unwrap_or(u32::MAX);
        match bits & 0xff {
            0 => Self::Control,
            1 => Self::Client(number),
            2 => Self::Process(number),
            3 => Self::CaughtTcp(number),
            4 => Self::CaughtUdp(number),
            5 => Self::Queue,
            6 => Self::Port(number),
            7 => Self::Near(number),
            8 => Self::Far(number),
            9 => Self::NearDatagrams(number),
            10 => Self::FarDatagrams(number),
            11 => Self::Held(number),
            12 => Self::Echo(number),
            13 => Self::EchoReply(number),
            _ => Self::Names(number),
        }
    }
}

/// When a descriptor's event is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// As long as something can be read.
    Readable,
    /// Once for each change, in both directions: whoever is told goes on until nothing is left.
    Changes,
}

/// An event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) token: Token,
    flags: EpollFlags,
}

impl Event {
    pub(super) fn readable(self) -> bool {
        let any = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
        self.flags
            .intersects(any | EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP)
    }

    pub(super) fn writable(self) -> bool {
        let any = EpollFlags::EPOLLOUT | EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP;
        self.flags.intersects(any)
    }

    /// There is no connection.
    pub(super) fn failed(self) -> bool {
        self.flags
            .intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP)
    }

    /// The other side sends nothing more.
    pub(super) fn ended(self) -> bool {
        let any = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP;
        self.flags.intersects(any)
    }
}

/// All that is waited for.
#[derive(Debug)]
pub(super) struct Events {
    epoll: Epoll,
}

/// How many events are taken at once.
const ROUND: usize = 256;

impl Events {
    pub(super) fn new() -> SysResult<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).called(|| "epoll_create1()")?;
        Ok(Self { epoll })
    }

    pub(super) fn watch(
        &self,
        descriptor: BorrowedFd<'_>,
        watch: Watch,
        token: Token,
    ) -> SysResult<()> {
        let flags = match watch {
            Watch::Readable => EpollFlags::EPOLLIN,
            Watch::Changes => {
                EpollFlags::EPOLLIN
                    | EpollFlags::EPOLLOUT
                    | EpollFlags::EPOLLRDHUP
                    | EpollFlags::EPOLLET
            }
        };
        self.epoll
            .add(descriptor, EpollEvent::new(flags, token.to_bits()))
            .called(|| "epoll_ctl(EPOLL_CTL_ADD)")
    }

    /// A descriptor that stays open elsewhere would tell for ever.
    pub(super) fn forget(&self, descriptor: BorrowedFd<'_>) {
        // ENOENT: it was not watched.
        self.epoll.delete(descriptor).unwrap_or_default();
    }

    /// Waits at most `timeout` for an event, which the next [`Self::wait`] tells, and gives memory
    /// back that nobody needs meanwhile.
    ///
    /// Only for the process's first thread: the others' stacks stay as they are.
    pub(super) fn wait_with_little_memory(&self, timeout: Option<Duration>) -> SysResult<()> {
        let mut set = PollSet::new();
        set.watch(&self.epoll.0, Interest::Read, ());
        set.wait_with_little_memory(timeout)
    }

    /// Waits at most `timeout`.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> SysResult<Vec<Event>> {
        let timeout = timeout.map_or(EpollTimeout::NONE, |timeout| {
            let millis = timeout.as_micros().div_ceil(1000);
            EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
        });
        let mut buffer = [EpollEvent::empty(); ROUND];
        match self.epoll.wait(&mut buffer, timeout) {
            Ok(count) => Ok(buffer[..count]
                .iter()
                .map(|event| Event {
                    token: Token::from_bits(event.data()),
                    flags: event.events(),
                })
                .collect()),
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(errno) => Err(errno).called(|| "epoll_wait()"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        let tokens = [
            Token::Control,
            Token::Client(0),
            Token::Process(1),
            Token::CaughtTcp(u32::MAX),
            Token::CaughtUdp(3),
            Token::Queue,
            Token::Port(70_000),
            Token::Near(7),
            Token::Far(7),
            Token::NearDatagrams(9),
            Token::FarDatagrams(10),
            Token::Held(11),
            Token::Echo(1),
            Token::EchoReply(13),
            Token::Names(14),
        ];
        for token in tokens {
            assert_eq!(Token::from_bits(token.to_bits()), token);
        }
    }
}
