// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which addresses a network gets when nobody says: none of another network's, and none that the
//! host has a route to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::state::connection::Prefix;
use crate::state::networks::LeasedSubnet;

/// Where networks without addresses of their own get them, in podman's order: the first and the
/// last /24.
const POOLS: [([u8; 4], [u8; 4]); 3] = [
    ([10, 89, 0, 0], [10, 255, 255, 0]),
    ([172, 20, 0, 0], [172, 31, 255, 0]),
    ([192, 168, 100, 0], [192, 168, 255, 0]),
];
/// The default network's addresses: podman's, and others for a host that has a route to those.
const DEFAULTS: [([u8; 4], u8); 4] = [
    ([10, 88, 0, 0], 16),
    ([172, 31, 0, 0], 16),
    ([192, 168, 88, 0], 24),
    ([100, 88, 0, 0], 16),
];

/// A part of the addresses, and how long the prefix of a network in it is.
pub(super) type Pool = (Prefix, u8);

/// The pools of the configuration that are of IPv4; those that are none are left out.
pub(super) fn pools_of(configured: Option<&[(String, u8)]>) -> Vec<Pool> {
    let read = |(base, length): &(String, u8)| {
        let base = base.parse::<Prefix>().ok()?.network();
        let fits = base.address.is_ipv4() && (base.length..=30).contains(length);
        fits.then_some((base, *length))
    };
    configured.into_iter().flatten().filter_map(read).collect()
}

/// The first free network of `pools`, or of podman's own if there are none.
pub(super) fn free_v4(used: &[Prefix], pools: &[Pool]) -> Option<Prefix> {
    if pools.is_empty() {
        return free_of_podmans(used);
    }
    let mut all = pools.iter().flat_map(|(base, length)| {
        let (first, last) = match (base.address, base.last()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => (first.to_bits(), last.to_bits()),
            // There are none of these.
            _ => (1, 0),
        };
        let step = 1_usize << (32 - u32::from(*length));
        let subnet = |bits| Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(bits)), *length);
        (first..=last).step_by(step).map(subnet)
    });
    all.find(|subnet| is_free(*subnet, used))
}

/// The first free /24.
fn free_of_podmans(used: &[Prefix]) -> Option<Prefix> {
    let number = |address: [u8; 4]| Ipv4Addr::from(address).to_bits();
    let pools = POOLS.iter();
    let mut all = pools.flat_map(|(first, last)| (number(*first)..=number(*last)).step_by(256));
    let prefix = |bits: u32| Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(bits)), 24);
    all.by_ref()
        .map(prefix)
        .find(|subnet| is_free(*subnet, used))
}

/// A /64 of unique local addresses, made from random bytes that are different each time.
pub(super) fn free_v6(used: &[Prefix], random: impl Fn() -> [u8; 7]) -> Prefix {
    loop {
        let [a, rest @ ..] = random();
        let mut octets = [0; 16];
        octets[0] = 0xfd;
        octets[1] = a;
        octets[2..8].copy_from_slice(&rest);
        let subnet = Prefix::new(IpAddr::V6(Ipv6Addr::from(octets)), 64);
        if is_free(subnet, used) {
            return subnet;
        }
    }
}

/// What the default network has on a host with these routes; podman's addresses if all are taken.
pub(super) fn default_v4(used: &[Prefix]) -> Prefix {
    let prefix =
        |(address, length): ([u8; 4], u8)| Prefix::new(Ipv4Addr::from(address).into(), length);
    let free = DEFAULTS
        .map(prefix)
        .into_iter()
        .find(|one| is_free(*one, used));
    free.unwrap_or_else(|| prefix(DEFAULTS[0]))
}

pub(super) fn is_free(subnet: Prefix, used: &[Prefix]) -> bool {
    used.iter().all(|other| !subnet.overlaps(*other))
}

/// A subnet whose first address is the bridge's.
pub(super) fn with_gateway(network: Prefix) -> LeasedSubnet {
    LeasedSubnet {
        network,
        gateway: first_host(network),
        range: None,
    }
}

/// The first address that a host can have.
pub(super) fn first_host(network: Prefix) -> Option<IpAddr> {
    usable(network).map(|(first, _)| first)
}

/// The first and the last address of hosts: in IPv4 neither the network's own nor the one for all
/// of it, in IPv6 all but the first.
pub(super) fn usable(network: Prefix) -> Option<(IpAddr, IpAddr)> {
    match (network.network().address, network.last()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (
                first.to_bits().checked_add(1)?,
                last.to_bits().checked_sub(1)?,
            );
            let address = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
            (first <= last).then(|| (address(first), address(last)))
        }
        (IpAddr::V6(first), last @ IpAddr::V6(end)) => {
            let first = Ipv6Addr::from_bits(first.to_bits().checked_add(1)?);
            (first <= end).then_some((IpAddr::V6(first), last))
        }
        _ => None,
    }
}

/// The address behind `address`.
pub(super) fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => Some(Ipv4Addr::from_bits(address.to_bits().checked_add(1)?).into()),
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits().checked_add(1)?).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(texts: &[&str]) -> Vec<Prefix> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_first_free_subnet_shadows_nothing() {
        let cases: &[(&[&str], &str)] = &[
            (&[], "10.89.0.0/24"),
            (&["10.89.0.0/24", "10.89.2.0/24"], "10.89.1.0/24"),
            (&["10.89.0.0/16"], "10.90.0.0/24"),
            (&["10.0.0.0/8"], "172.20.0.0/24"),
            (&["10.0.0.0/8", "172.16.0.0/12"], "192.168.100.0/24"),
        ];
        for (used, expected) in cases {
            let free = free_v4(&prefixes(used), &[]).unwrap();
            assert_eq!(free.to_string(), *expected, "{used:?}");
        }
        assert_eq!(free_v4(&prefixes(&["0.0.0.0/0"]), &[]), None);
        let configured = [
            ("10.200.0.0/23".to_owned(), 24),
            ("fd00::/48".to_owned(), 64),
        ];
        let pools = pools_of(Some(&configured));
        let free = |used: &[&str]| free_v4(&prefixes(used), &pools).map(|free| free.to_string());
        assert_eq!(free(&["10.200.0.0/24"]).as_deref(), Some("10.200.1.0/24"));
        assert_eq!(free(&["10.200.0.0/16"]), None);
        let used = prefixes(&["10.0.0.0/8"]);
        assert_eq!(default_v4(&[]).to_string(), "10.88.0.0/16");
        assert_eq!(default_v4(&used).to_string(), "172.31.0.0/16");
        assert_eq!(
            default_v4(&prefixes(&["0.0.0.0/0"])).to_string(),
            "10.88.0.0/16"
        );
    }

    #[test]
    fn addresses_of_ipv6_are_local() {
        let taken = prefixes(&["fd01:101:101:101::/64"]);
        let count = std::cell::Cell::new(0);
        let random = || {
            count.set(count.get() + 1);
            [count.get(); 7]
        };
        assert_eq!(free_v6(&taken, random).to_string(), "fd02:202:202:202::/64");
    }

    #[test]
    fn addresses_for_hosts() {
        let cases = [
            ("10.89.0.0/24", Some(("10.89.0.1", "10.89.0.254"))),
            ("10.0.0.0/30", Some(("10.0.0.1", "10.0.0.2"))),
            ("10.0.0.0/31", None),
            ("10.0.0.1/32", None),
            ("fd00::/64", Some(("fd00::1", "fd00::ffff:ffff:ffff:ffff"))),
            ("fd00::1/128", None),
        ];
        for (network, expected) in cases {
            let expected = expected.map(|(first, last)| {
                let parse = |text: &str| text.parse::<IpAddr>().unwrap();
                (parse(first), parse(last))
            });
            assert_eq!(usable(network.parse().unwrap()), expected, "{network}");
        }
        assert_eq!(next("10.0.0.255".parse().unwrap()), "10.0.1.0".parse().ok());
    }
}
