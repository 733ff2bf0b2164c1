// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sockets of published ports, bound by the command with the caller's own rights, in the host's
//! network, before the container starts: what is taken is refused at once.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::activation::{Activation, Found};
use super::helper::client::Listener;
use super::plan::{Protocol, PublishedPort};
use crate::sys::process::{rlimit, set_rlimit};
use crate::sys::socket::{self, Family, Flag, Kind};
use crate::sys::{Ignored, SysError, SysResult};

/// A port that cannot be bound. Scripts look for the kernel's words at the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has it.
    #[error("listen {protocol} {address}: bind: address already in use")]
    InUse {
        /// TCP or UDP.
        protocol: Protocol,
        /// Which.
        address: SocketAddr,
    },
    /// A low one, for which the caller has no right.
    #[error(
        "cannot expose privileged port {}, you can add 'net.ipv4.ip_unprivileged_port_start={}' \
         to /etc/sysctl.conf, or choose a larger port number: listen {protocol} {address}: bind: \
         permission denied",
        address.port(), address.port()
    )]
    Privileged {
        /// TCP or UDP.
        protocol: Protocol,
        /// Which.
        address: SocketAddr,
    },
    /// An address that is not this host's.
    #[error("listen {protocol} {address}: bind: cannot assign requested address")]
    NotOurs {
        /// TCP or UDP.
        protocol: Protocol,
        /// Which.
        address: SocketAddr,
    },
    /// Something else.
    #[error("listen {protocol} {address}")]
    Call {
        /// TCP or UDP.
        protocol: Protocol,
        /// Which.
        address: SocketAddr,
        /// What the kernel said.
        source: SysError,
    },
}

/// How often a free port is looked for that both families have.
const TRIES: usize = 64;

/// From so many ports on, the limit of open files is lifted for them.
const FEW: usize = 200;

/// Binds all of `ports`, but for those that `activation` has sockets for, and tells the numbers of
/// those that were left to the kernel.
///
/// # Errors
///
/// The first that cannot be bound; nothing stays bound then.
pub fn bind(
    ports: &mut [PublishedPort],
    activation: &mut Activation,
) -> Result<Vec<Listener>, ListenError> {
    if ports.len() > FEW
        && let Ok((_, hard)) = rlimit(libc::RLIMIT_NOFILE)
    {
        set_rlimit(libc::RLIMIT_NOFILE, hard, hard).ignored();
    }
    let mut listeners = Vec::new();
    for port in ports {
        let sockets = bind_port(*port, activation)?;
        if let Some((address, _)) = sockets.first() {
            port.host_port = address.port();
        }
        let port = *port;
        let sockets = sockets.into_iter();
        listeners.extend(sockets.map(|(_, socket)| Listener { port, socket }));
    }
    Ok(listeners)
}

type Bound = Vec<(SocketAddr, OwnedFd)>;

fn bind_port(port: PublishedPort, activation: &mut Activation) -> Result<Bound, ListenError> {
    if port.host_port != 0 || port.host_ip.is_some() {
        return bind_all(port, activation);
    }
    // The number that the kernel gives in one family may be taken in the other.
    let mut bound = bind_all(port, activation);
    for _ in 0..TRIES {
        if !matches!(bound, Err(ListenError::InUse { .. })) {
            break;
        }
        bound = bind_all(port, activation);
    }
    bound
}

fn bind_all(mut port: PublishedPort, activation: &mut Activation) -> Result<Bound, ListenError> {
    let mut bound = Bound::new();
    for place in 0..port.bind_addresses().len() {
        let wanted = port.bind_addresses()[place];
        let found = activation.find(port.protocol, wanted);
        match found.map_err(|error| explain(port.protocol, wanted, error))? {
            Some(Found::Socket(socket)) => {
                bound.push((wanted, socket));
                continue;
            }
            Some(Found::Already) => continue,
            None => {}
        }
        match bind_one(port.protocol, wanted) {
            Ok((address, socket)) => {
                port.host_port = address.port();
                bound.push((address, socket));
            }
            // Nobody asked for IPv6 here, and the host has none.
            Err(error) if place > 0 && is_without_family(error.errno) => {}
            Err(error) => return Err(explain(port.protocol, wanted, error)),
        }
    }
    Ok(bound)
}

const fn is_without_family(errno: Errno) -> bool {
    matches!(errno, Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL)
}

fn bind_one(protocol: Protocol, address: SocketAddr) -> SysResult<(SocketAddr, OwnedFd)> {
    let kind = match protocol {
        Protocol::Tcp => Kind::Stream,
        Protocol::Udp => Kind::Datagram,
    };
    let made = socket::open(Family::of(address.ip()), kind)?;
    // Old connections of a container that was started again are no obstacle. For datagrams it
    // would let two have one port.
    if protocol == Protocol::Tcp {
        socket::set(made.as_fd(), Flag::ReuseAddress)?;
    }
    socket::bind_to(made.as_fd(), address)?;
    if protocol == Protocol::Tcp {
        socket::listen_on(made.as_fd())?;
    }
    let address = socket::local_address(made.as_fd())?;
    Ok((address, made))
}

fn explain(protocol: Protocol, address: SocketAddr, source: SysError) -> ListenError {
    match source.errno {
        Errno::EADDRINUSE => ListenError::InUse { protocol, address },
        Errno::EACCES => ListenError::Privileged { protocol, address },
        Errno::EADDRNOTAVAIL => ListenError::NotOurs { protocol, address },
        _ => ListenError::Call {
            protocol,
            address,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: PublishedPort = PublishedPort {
        host_ip: None,
        host_port: 0,
        container_port: 80,
        protocol: Protocol::Tcp,
    };

    #[test]
    fn free_ports_are_told_and_taken_ones_refused() {
        let mut ports = [ANY];
        let listeners = bind(&mut ports, &mut Activation::default()).unwrap();
        assert_ne!(ports[0].host_port, 0);
        assert_eq!(listeners[0].port, ports[0]);
        let taken = bind(&mut ports.clone(), &mut Activation::default())
            .unwrap_err()
            .to_string();
        let port = ports[0].host_port;
        let expected = format!("listen tcp 0.0.0.0:{port}: bind: address already in use");
        assert_eq!(taken, expected);
        drop(listeners);
        assert!(bind(&mut ports, &mut Activation::default()).is_ok());
    }

    #[test]
    fn addresses_of_others_are_refused() {
        let mut ports = [PublishedPort {
            host_ip: Some("203.0.113.9".parse().unwrap()),
            protocol: Protocol::Udp,
            ..ANY
        }];
        let refused = bind(&mut ports, &mut Activation::default())
            .unwrap_err()
            .to_string();
        assert_eq!(
            refused,
            "listen udp 203.0.113.9:0: bind: cannot assign requested address"
        );
    }
}
