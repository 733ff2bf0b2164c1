// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages about interfaces, addresses, routes and rules (rtnetlink(7)).

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{CREATE, EXCLUSIVE, Message, REQUEST};
use crate::network::plan::Prefix;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWRULE: u16 = 32;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_BR_FORWARD_DELAY: u16 = 1;
const IFLA_BR_MCAST_SNOOPING: u16 = 23;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_F_NODAD: u8 = 0x02;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_TABLE: u16 = 15;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;

const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_HOST: u8 = 254;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
/// `FR_ACT_TO_TBL`, in the place of the route's type.
const TO_TABLE: u8 = 1;

/// Whether an interface works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It does.
    Up,
    /// It does not yet.
    Down,
}

/// `ifinfomsg` of an interface that is found by its name.
fn link_header(state: Link) -> [u8; 16] {
    let mut header = [0; 16];
    let flags = match state {
        Link::Up => libc::IFF_UP,
        Link::Down => 0,
    };
    header[8..12].copy_from_slice(&flags.cast_unsigned().to_ne_bytes());
    header[12..16].copy_from_slice(&libc::IFF_UP.cast_unsigned().to_ne_bytes());
    header
}

/// Sets an interface going.
pub fn set_up(name: &str) -> Message {
    let header = link_header(Link::Up);
    let mut message = Message::new(RTM_NEWLINK, REQUEST, format!("set {name} up"), &header);
    message.text(IFLA_IFNAME, name);
    message
}

/// Makes a bridge that works at once.
pub fn add_bridge(name: &str, mtu: u32, mac: [u8; 6]) -> Message {
    let header = link_header(Link::Up);
    let flags = REQUEST | CREATE | EXCLUSIVE;
    let mut message = Message::new(RTM_NEWLINK, flags, format!("add bridge {name}"), &header);
    message
        .text(IFLA_IFNAME, name)
        .number(IFLA_MTU, mtu)
        .attribute(IFLA_ADDRESS, &mac)
        .nested(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, "bridge")
                .nested(IFLA_INFO_DATA, |data| {
                    data.number(IFLA_BR_FORWARD_DELAY, 0)
                        .attribute(IFLA_BR_MCAST_SNOOPING, &[0]);
                });
        });
    message
}

/// Removes an interface.
pub fn delete(name: &str) -> Message {
    let header = [0; 16];
    let mut message = Message::new(RTM_DELLINK, REQUEST, format!("delete {name}"), &header);
    message.text(IFLA_IFNAME, name);
    message
}

/// A pair of interfaces, one in a bridge and one in a container.
#[derive(Debug, Clone, Copy)]
pub struct Veth<'a> {
    /// The end in the bridge.
    pub outer: &'a str,
    /// The index of the bridge.
    pub bridge: u32,
    /// The end in the container.
    pub inner: &'a str,
    /// The inner end's hardware address.
    pub mac: [u8; 6],
    /// The container's namespace.
    pub namespace: BorrowedFd<'a>,
    /// The largest packet.
    pub mtu: u32,
}

/// Makes the pair. The inner end is down: the kernel refuses to bring it up before it is linked.
pub fn add_veth(veth: &Veth<'_>) -> Message {
    let flags = REQUEST | CREATE | EXCLUSIVE;
    let what = format!("add veth {}", veth.outer);
    let mut message = Message::new(RTM_NEWLINK, flags, what, &link_header(Link::Up));
    let namespace = veth.namespace.as_raw_fd().cast_unsigned();
    message
        .text(IFLA_IFNAME, veth.outer)
        .number(IFLA_MTU, veth.mtu)
        .number(IFLA_MASTER, veth.bridge)
        .nested(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, "veth")
                .nested(IFLA_INFO_DATA, |data| {
                    data.nested(VETH_INFO_PEER, |peer| {
                        peer.structure(&link_header(Link::Down))
                            .text(IFLA_IFNAME, veth.inner)
                            .number(IFLA_MTU, veth.mtu)
                            .attribute(IFLA_ADDRESS, &veth.mac)
                            .number(IFLA_NET_NS_FD, namespace);
                    });
                });
        });
    message
}

/// Gives an interface an address, which is usable at once.
pub fn add_address(index: u32, address: Prefix) -> Message {
    let mut header = vec![family(address.address), address.length, IFA_F_NODAD, 0];
    header.extend(index.to_ne_bytes());
    let flags = REQUEST | CREATE | EXCLUSIVE;
    let what = format!("add address {address}");
    let mut message = Message::new(RTM_NEWADDR, flags, what, &header);
    let bytes = octets(address.address);
    message
        .attribute(IFA_LOCAL, &bytes)
        .attribute(IFA_ADDRESS, &bytes);
    // Programs look for it; a network of two addresses has none.
    if address.address.is_ipv4() && address.length < 31 {
        message.attribute(IFA_BROADCAST, &octets(address.last()));
    }
    message
}

/// Sends what has no nearer route to `gateway`.
pub fn add_default_route(index: u32, gateway: IpAddr) -> Message {
    let header = route_header(gateway, 0, RT_TABLE_MAIN, SCOPE_UNIVERSE, RTN_UNICAST);
    let what = format!("add default route by {gateway}");
    let mut message = Message::new(RTM_NEWROUTE, REQUEST | CREATE, what, &header);
    message
        .number(RTA_OIF, index)
        .attribute(RTA_GATEWAY, &octets(gateway));
    message
}

/// Sends packets to a destination network to `gateway`.
pub fn add_route(index: u32, destination: Prefix, gateway: IpAddr) -> Message {
    let length = destination.length;
    let header = route_header(gateway, length, RT_TABLE_MAIN, SCOPE_UNIVERSE, RTN_UNICAST);
    let what = format!("add route to {destination} by {gateway}");
    let mut message = Message::new(RTM_NEWROUTE, REQUEST | CREATE, what, &header);
    message
        .number(RTA_OIF, index)
        .attribute(RTA_DST, &octets(destination.address))
        .attribute(RTA_GATEWAY, &octets(gateway));
    message
}

/// In `table`, every address of the family is this host's own.
pub fn add_local_route(like: IpAddr, loopback_index: u32, table: u8) -> Message {
    let header = route_header(like, 0, table, SCOPE_HOST, RTN_LOCAL);
    let flags = REQUEST | CREATE;
    let mut message = Message::new(RTM_NEWROUTE, flags, "add local route", &header);
    message
        .number(RTA_TABLE, u32::from(table))
        .number(RTA_OIF, loopback_index);
    message
}

/// Packets of the family with `mark` are routed by `table`.
pub fn add_mark_rule(like: IpAddr, mark: u32, table: u8) -> Message {
    let header = [family(like), 0, 0, 0, table, 0, 0, TO_TABLE, 0, 0, 0, 0];
    let flags = REQUEST | CREATE | EXCLUSIVE;
    let mut message = Message::new(
        RTM_NEWRULE,
        flags,
        format!("add rule for mark {mark}"),
        &header,
    );
    message.number(FRA_PRIORITY, 100).number(FRA_FWMARK, mark);
    message
}

fn route_header(like: IpAddr, length: u8, table: u8, scope: u8, kind: u8) -> [u8; 12] {
    let protocol = RTPROT_STATIC;
    let family = family(like);
    [
        family, length, 0, 0, table, protocol, scope, kind, 0, 0, 0, 0,
    ]
}

fn family(address: IpAddr) -> u8 {
    let family = match address {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    u8::try_from(family).expect("the numbers are 2 and 10")
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
