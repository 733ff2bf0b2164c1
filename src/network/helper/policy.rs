// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where containers may go: decided on the canonical form of an address, before any socket of the
//! host is asked to connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The metadata service of clouds, which gives out credentials: IPv4 everywhere, IPv6 on one.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// The address that is really meant: IPv4 in the clothes of IPv6 is IPv4.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
    }
}

/// Mapped (::ffff:a.b.c.d) and compatible (::a.b.c.d) addresses, which connect(2) takes as IPv4 or
/// routes to nowhere; ::1 is among neither.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let compatible = || {
        let bits = address.to_bits();
        let low = u32::try_from(bits).ok()?;
        (low > 1).then(|| Ipv4Addr::from_bits(low))
    };
    address.to_ipv4_mapped().or_else(compatible)
}

/// Whether the host may be asked to connect to an address, which must be canonical.
pub(super) fn is_allowed(address: IpAddr) -> bool {
    if METADATA.contains(&address) || address.is_multicast() || address.is_loopback() {
        return false;
    }
    match address {
        IpAddr::V4(address) => address.octets()[0] != 0 && !address.is_broadcast(),
        IpAddr::V6(address) => !address.is_unspecified() && !address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_itself_is_out_of_reach_in_every_form() {
        let cases = [
            ("93.184.216.34", true),
            ("192.168.1.1", true),
            ("2606:2800::1", true),
            ("::ffff:192.168.1.1", true),
            ("64:ff9b::7f00:1", true),
            ("127.0.0.1", false),
            ("127.255.1.2", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::127.0.0.1", false),
            ("::ffff:0.0.0.0", false),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("fd00:ec2::254", false),
            ("224.0.0.1", false),
            ("ff02::1", false),
            ("255.255.255.255", false),
            ("fe80::1", false),
        ];
        for (text, expected) in cases {
            let address = canonical(text.parse().unwrap());
            assert_eq!(is_allowed(address), expected, "{text}");
        }
    }
}
