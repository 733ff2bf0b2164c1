// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where containers ask for names: on 127.0.0.11, port 53, of each, where images expect the name
//! server of docker, and on the gateways of their networks. A container may have port 53 itself:
//! the sockets in it have other numbers, and a rule leads there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use crate::network::netlink::nft::{
    self, Chain, Checksum, Comparison, Expression, Field, Hook, Register, Table, TableFamily,
};
use crate::network::netlink::{Protocol, Socket};
use crate::sys::SysResult;
use crate::sys::socket::{self, Family, Flag, Kind};

/// Docker's name server.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The port of name servers.
const PORT: u16 = 53;

/// The sockets of a name server: for datagrams, and for connections.
pub(super) type Sockets = (OwnedFd, OwnedFd);

/// Sockets on `address` in the calling thread's network namespace; port 0 is any.
///
/// # Errors
///
/// What bind(2) says.
pub(super) fn sockets_on(address: IpAddr, port: u16) -> SysResult<Sockets> {
    let address = SocketAddr::new(address, port);
    let family = Family::of(address.ip());
    let datagrams = socket::open(family, Kind::Datagram)?;
    socket::bind_to(datagrams.as_fd(), address)?;
    let listener = socket::open(family, Kind::Stream)?;
    socket::set(listener.as_fd(), Flag::ReuseAddress)?;
    socket::bind_to(listener.as_fd(), address)?;
    socket::listen_on(listener.as_fd())?;
    Ok((datagrams, listener))
}

/// Sockets on a gateway.
///
/// # Errors
///
/// What bind(2) says.
pub(super) fn sockets_on_gateway(gateway: IpAddr) -> SysResult<Sockets> {
    sockets_on(gateway, PORT)
}

/// Sockets inside a container, in whose network namespace the calling thread is, and the rule that
/// leads to them.
///
/// # Errors
///
/// What bind(2) says, and the kernel's refusal of the rule.
pub(super) fn sockets_inside() -> SysResult<Sockets> {
    let sockets = sockets_on(ADDRESS.into(), 0)?;
    let datagrams = socket::local_address(sockets.0.as_fd())?.port();
    let listener = socket::local_address(sockets.1.as_fd())?.port();
    let mut filter = Socket::open(Protocol::Netfilter)?;
    let table = redirection(datagrams, listener);
    match filter.transaction(&nft::add(&table)) {
        // That of a helper that has died.
        Err(error) if error.errno == Errno::EEXIST => filter.transaction(&nft::replace(&table))?,
        result => result?,
    }
    Ok(sockets)
}

/// Exchanges the ports of what is sent to the name server, and of its answers. Nothing else of the
/// container is touched: translation by the kernel would have it keep track of every connection.
fn redirection(datagrams: u16, listener: u16) -> Table {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    let is = |field, value: &[u8]| {
        [
            Expression::Load(field, Register::One),
            Expression::Compare(Comparison::Is, value.to_vec()),
        ]
    };
    let rule = |address, port, protocol: u8, from: u16, to: u16| {
        let mut rule = is(address, &ADDRESS.octets()).to_vec();
        rule.extend(is(Field::TransportProtocol, &[protocol]));
        rule.extend(is(port, &from.to_be_bytes()));
        rule.extend([
            Expression::Value(Register::One, to.to_be_bytes().to_vec()),
            match protocol {
                TCP => Expression::Store(port, Checksum::Tcp),
                _ => Expression::Store(port, Checksum::Udp),
            },
        ]);
        rule
    };
    let there = |protocol, port| {
        let (address, field) = (Field::V4Destination, Field::DestinationPort);
        rule(address, field, protocol, PORT, port)
    };
    let back = |protocol, port| rule(Field::V4Source, Field::SourcePort, protocol, port, PORT);
    Table {
        family: TableFamily::Ip,
        name: "coracle_names".to_owned(),
        sets: Vec::new(),
        chains: vec![Chain {
            name: "output".to_owned(),
            hook: Hook::Output,
            priority: -100,
            rules: vec![
                there(UDP, datagrams),
                back(UDP, datagrams),
                there(TCP, listener),
                back(TCP, listener),
            ],
        }],
    }
}
