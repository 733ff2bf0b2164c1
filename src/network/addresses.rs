// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Addresses: those that a container has, seen from outside through /proc, and the one by which
//! it may reach the host.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// Where containers find the host, whatever its own addresses are just now: podman's choice.
/// Link-local, so that it hides nothing real.
pub const HOST: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 2);

/// The addresses in the network namespace of the process `pid`, but for loopback and link-local
/// ones: IPv4 first.
///
/// # Errors
///
/// What reading says; the process may be gone.
pub fn of_process(pid: i32) -> io::Result<Vec<IpAddr>> {
    let trie = fs::read_to_string(format!("/proc/{pid}/net/fib_trie"))?;
    // Not there without IPv6.
    let v6 = match fs::read_to_string(format!("/proc/{pid}/net/if_inet6")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        result => result?,
    };
    let addresses = local_v4(&trie).into_iter().map(IpAddr::V4);
    Ok(addresses.chain(global_v6(&v6).map(IpAddr::V6)).collect())
}

/// The first address of this host that others could reach it by, IPv4 if there is one, and none
/// of `excluded`: a container that has the host's own address means itself by it.
pub fn of_host(excluded: &[IpAddr]) -> Option<IpAddr> {
    let interfaces = getifaddrs().ok()?;
    let up = interfaces.filter(|interface| {
        let flags = interface.flags;
        flags.contains(InterfaceFlags::IFF_UP) && !flags.contains(InterfaceFlags::IFF_LOOPBACK)
    });
    let addresses = up.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    let mut usable = addresses
        .filter(|address| is_usable(*address) && !excluded.contains(address))
        .collect::<Vec<_>>();
    usable.sort_by_key(IpAddr::is_ipv6);
    usable.first().copied()
}

fn is_usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_multicast(),
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_multicast() && !address.is_unicast_link_local()
        }
    }
}

/// The local addresses in the kernel's table of routes: an address on one line, `host LOCAL` on
/// the next. The table stands there once or twice.
fn local_v4(trie: &str) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    let lines = trie.lines().map(str::trim);
    for (line, next) in lines.clone().zip(lines.skip(1)) {
        let address = line
            .strip_prefix("|-- ")
            .and_then(|text| text.parse::<Ipv4Addr>().ok());
        if let Some(address) = address
            && next == "/32 host LOCAL"
            && is_usable(address.into())
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

/// The addresses with the scope of the whole world: address, interface, prefix, scope, flags and
/// name, all in hexadecimal.
fn global_v6(table: &str) -> impl Iterator<Item = Ipv6Addr> {
    table.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let address = u128::from_str_radix(fields.next()?, 16).ok()?;
        let scope = fields.nth(2)?;
        (scope == "00").then(|| Ipv6Addr::from_bits(address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 4
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.2.0/24 2 0 2
        |-- 10.0.2.0
           /24 link UNICAST
        |-- 10.0.2.100
           /32 host LOCAL
        |-- 10.0.2.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
Local:
     |-- 10.0.2.100
        /32 host LOCAL
";

    #[test]
    fn local_addresses_of_a_table() {
        assert_eq!(local_v4(TRIE), [Ipv4Addr::new(10, 0, 2, 100)]);
        assert_eq!(local_v4(""), [Ipv4Addr::UNSPECIFIED; 0]);
    }

    #[test]
    fn global_addresses_of_a_table() {
        let table = "\
00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000002 04 40 00 80     eth0
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
broken
";
        let found = global_v6(table).collect::<Vec<_>>();
        assert_eq!(found, ["fd00::2".parse::<Ipv6Addr>().unwrap()]);
    }

    #[test]
    fn this_process_and_its_host_agree() {
        let pid = i32::try_from(std::process::id()).expect("an int");
        let own = of_process(pid).expect("this process is there");
        match of_host(&[]) {
            Some(host) => assert!(own.contains(&host), "{host} in {own:?}"),
            None => assert_eq!(own, [Ipv4Addr::UNSPECIFIED; 0]),
        }
        assert_eq!(of_host(&own), None);
    }
}
