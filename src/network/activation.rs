// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Socket activation: sockets that whoever started the command has bound, as sd_listen_fds(3)
//! says. Those of published ports serve these, with rights that the caller may not have; the
//! others are the container's.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{SockType, getsockopt, sockopt};

use super::plan::Protocol;
use crate::sys::process::{copy_of, put_at};
use crate::sys::{Called, SysResult, socket};

/// The number of the first socket.
const FIRST: i32 = 3;

/// More than anybody passes; the variable may say anything.
const MOST: i32 = 1024;

/// The sockets, in order.
#[derive(Debug, Default)]
pub struct Activation {
    sockets: Vec<Passed>,
}

/// One of them.
#[derive(Debug)]
struct Passed {
    socket: OwnedFd,
    name: String,
    /// What it is bound to, if it is of the internet.
    bound: Option<Bound>,
    use_: Use,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bound {
    protocol: Protocol,
    address: SocketAddr,
    /// Whether it has what comes to the same port by IPv4, too.
    both_families: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Container,
    Port,
}

/// A socket for a published port.
#[derive(Debug)]
pub enum Found {
    /// This one; a copy.
    Socket(OwnedFd),
    /// The one that was found for the other family.
    Already,
}

impl Activation {
    /// What this process was given: `LISTEN_FDS` counts if `LISTEN_PID` names this process.
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let number = |name: &str| variable(name).parse::<i32>().ok();
        let own = i32::try_from(std::process::id()).ok();
        let count = number("LISTEN_FDS").filter(|count| (1..=MOST).contains(count));
        match count {
            Some(count) if number("LISTEN_PID") == own => {
                // Numbers that are not open were meant for somebody else.
                Self::of_numbers(count, &variable("LISTEN_FDNAMES")).unwrap_or_default()
            }
            _ => Self::default(),
        }
    }

    fn of_numbers(count: i32, names: &str) -> SysResult<Self> {
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let passed = |number| {
            let socket = copy_of(number)?;
            Ok(Passed {
                bound: bound(socket.as_fd()),
                socket,
                name: names.next().unwrap_or("unknown").to_owned(),
                use_: Use::Container,
            })
        };
        let sockets = (FIRST..FIRST + count).map(passed);
        Ok(Self {
            sockets: sockets.collect::<SysResult<_>>()?,
        })
    }

    /// The socket that is bound to `address` for this protocol; it is not the container's then.
    ///
    /// # Errors
    ///
    /// What fcntl(2) and listen(2) say.
    pub(super) fn find(
        &mut self,
        protocol: Protocol,
        address: SocketAddr,
    ) -> SysResult<Option<Found>> {
        let mut sockets = self.sockets.iter_mut();
        let Some(found) = sockets.find(|one| {
            one.bound
                .is_some_and(|bound| bound.serves(protocol, address))
        }) else {
            return Ok(None);
        };
        if found.use_ == Use::Port {
            return Ok(Some(Found::Already));
        }
        found.use_ = Use::Port;
        let socket = found.socket.as_fd();
        // Whoever serves it waits for all at once.
        fcntl(socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).called(|| "fcntl(O_NONBLOCK)")?;
        if protocol == Protocol::Tcp {
            socket::listen_on(socket)?;
        }
        let copy = socket.try_clone_to_owned();
        copy.map(|copy| Some(Found::Socket(copy)))
            .called(|| "fcntl(F_DUPFD_CLOEXEC)")
    }

    /// Gives the container those that serve no port: their numbers are the first ones from here
    /// on, and the value is the variables that tell of them.
    ///
    /// # Errors
    ///
    /// What dup2(2) says.
    pub fn give(&self) -> SysResult<Given> {
        let its = self
            .sockets
            .iter()
            .filter(|one| one.use_ == Use::Container)
            .collect::<Vec<_>>();
        let numbers = (FIRST..).take(its.len()).collect::<Vec<_>>();
        for (number, one) in numbers.iter().zip(&its) {
            // The number is one of those that the sockets came with.
            put_at(one.socket.as_fd(), *number)?;
        }
        let names = its.iter().map(|one| one.name.as_str()).collect::<Vec<_>>();
        let variables = match its.len() {
            0 => Vec::new(),
            count => vec![
                ("LISTEN_FDS".to_owned(), count.to_string()),
                ("LISTEN_PID".to_owned(), "1".to_owned()),
                ("LISTEN_FDNAMES".to_owned(), names.join(":")),
            ],
        };
        Ok(Given { numbers, variables })
    }
}

/// What a container gets.
#[derive(Debug, Default)]
pub struct Given {
    /// Of its sockets.
    pub numbers: Vec<i32>,
    /// For its first process.
    pub variables: Vec<(String, String)>,
}

impl Bound {
    fn serves(self, protocol: Protocol, address: SocketAddr) -> bool {
        let everywhere = self.address.ip().is_unspecified() && address.ip().is_unspecified();
        let same = self.address == address
            || (self.both_families && everywhere && self.address.port() == address.port());
        self.protocol == protocol && same
    }
}

fn bound(socket: BorrowedFd<'_>) -> Option<Bound> {
    let protocol = match getsockopt(&socket, sockopt::SockType).ok()? {
        SockType::Stream => Protocol::Tcp,
        SockType::Datagram => Protocol::Udp,
        _ => return None,
    };
    let address = socket::local_address(socket).ok()?;
    let only = getsockopt(&socket, sockopt::Ipv6V6Only);
    Some(Bound {
        protocol,
        address,
        both_families: address.is_ipv6() && matches!(only, Ok(false)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_serve_their_own_address() {
        let bound = |address: &str, both_families| Bound {
            protocol: Protocol::Tcp,
            address: address.parse().unwrap(),
            both_families,
        };
        let cases = [
            (bound("0.0.0.0:80", false), "0.0.0.0:80", true),
            (bound("0.0.0.0:80", false), "[::]:80", false),
            (bound("[::]:80", true), "0.0.0.0:80", true),
            (bound("[::]:80", true), "0.0.0.0:81", false),
            (bound("[::]:80", true), "127.0.0.1:80", false),
            (bound("[::]:80", false), "0.0.0.0:80", false),
        ];
        for (one, address, expected) in cases {
            let address = address.parse().unwrap();
            assert_eq!(one.serves(Protocol::Tcp, address), expected, "{address}");
            assert!(!one.serves(Protocol::Udp, address));
        }
    }
}
