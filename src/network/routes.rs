// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The routes of the host, so that no network of ours takes addresses that the host reaches: a
//! VPN's, a bridge's of another tool.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::state::connection::Prefix;

/// A route of the host to something less than everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostRoute {
    /// Where it leads to.
    pub destination: Prefix,
    /// Whether it is a network that the host is part of, with no router between.
    pub direct: bool,
}

/// The routes of this process's network namespace, but for default routes, loopback, link-local
/// and multicast ones. A host without the tables has none.
pub fn of_host() -> Vec<HostRoute> {
    let v4 = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    let all = v4.lines().filter_map(v4_route);
    all.chain(v6.lines().filter_map(v6_route)).collect()
}

/// Interface, destination, gateway, flags, three numbers and the mask: the words of the CPU, in
/// hexadecimal.
fn v4_route(line: &str) -> Option<HostRoute> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let word = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
    let destination = Ipv4Addr::from(word(1)?.to_ne_bytes());
    let mask = u32::from_be_bytes(word(7)?.to_ne_bytes());
    let length = u8::try_from(mask.leading_ones()).ok()?;
    if length == 0 || destination.is_loopback() || destination.is_multicast() {
        return None;
    }
    Some(HostRoute {
        destination: Prefix::new(IpAddr::V4(destination), length).network(),
        direct: word(2)? == 0,
    })
}

/// Destination, its length, source, its length, next hop.
fn v6_route(line: &str) -> Option<HostRoute> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let address = |at: usize| u128::from_str_radix(fields.get(at)?, 16).ok();
    let destination = Ipv6Addr::from_bits(address(0)?);
    let length = u8::from_str_radix(fields.get(1)?, 16).ok()?;
    let special = destination.is_loopback()
        || destination.is_multicast()
        || destination.is_unicast_link_local();
    if length == 0 || special {
        return None;
    }
    Some(HostRoute {
        destination: Prefix::new(IpAddr::V6(destination), length).network(),
        direct: address(4)? == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(destination: &str, direct: bool) -> HostRoute {
        HostRoute {
            destination: destination.parse().unwrap(),
            direct,
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn tables_of_the_kernel() {
        let v4 = [
            ("Iface\tDestination\tGateway \tFlags", None),
            (
                "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
                None,
            ),
            (
                "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
                Some(route("192.0.2.0/24", true)),
            ),
            (
                "tun0\t0000000A\t0100080A\t0003\t0\t0\t0\t000000FF\t0\t0\t0",
                Some(route("10.0.0.0/8", false)),
            ),
            (
                "lo\t0000007F\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0",
                None,
            ),
        ];
        for (line, expected) in v4 {
            assert_eq!(v4_route(line), expected, "{line}");
        }
        let zeros = "0".repeat(32);
        let v6 = [
            (
                "fd000000000000000000000000000000 40",
                Some(route("fd00::/64", true)),
            ),
            ("00000000000000000000000000000000 00", None),
            ("fe800000000000000000000000000000 40", None),
            ("ff000000000000000000000000000000 08", None),
            ("00000000000000000000000000000001 80", None),
        ];
        for (start, expected) in v6 {
            let line =
                format!("{start} {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 eth0");
            assert_eq!(v6_route(&line), expected, "{line}");
        }
    }
}
