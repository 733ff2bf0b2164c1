// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container's connection to networks is, complete and as plain data: the engine resolves
//! flags and records into it, the network helper carries it out. It names no files and asks no
//! kernel.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address with the length of its network's prefix: `10.88.0.5/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    /// The address; its host bits may be set.
    pub address: IpAddr,
    /// How many leading bits are the network's.
    pub length: u8,
}

/// A text that is no address with a prefix length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid CIDR address: {text}")]
pub struct PrefixError {
    /// As typed.
    pub text: String,
}

impl Prefix {
    /// `length` is cut to what the family has.
    pub fn new(address: IpAddr, length: u8) -> Self {
        let length = length.min(bits_of(address));
        Self { address, length }
    }

    /// The network: host bits cleared.
    #[must_use]
    pub fn network(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length));
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask.unwrap_or(0)))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length));
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask.unwrap_or(0)))
            }
        };
        Self { address, ..self }
    }

    /// The last address of the network.
    pub fn last(self) -> IpAddr {
        let host = |bits: u32| u128::MAX.checked_shr(128 - bits).unwrap_or(0);
        match self.network().address {
            IpAddr::V4(address) => {
                let rest = u32::try_from(host(32 - u32::from(self.length))).unwrap_or(u32::MAX);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() | rest))
            }
            IpAddr::V6(address) => {
                let rest = host(128 - u32::from(self.length));
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() | rest))
            }
        }
    }

    /// Whether `address` is in the network.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Self::new(address, self.length).network() == self.network()
    }

    /// Whether both have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.network().address) || other.contains(self.network().address)
    }
}

const fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let read = || {
            let (address, length) = text.split_once('/')?;
            let address = address.parse::<IpAddr>().ok()?;
            let length = length.parse::<u8>().ok()?;
            (length <= bits_of(address)).then_some(Self { address, length })
        };
        read().ok_or_else(|| PrefixError {
            text: text.to_owned(),
        })
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

/// A network as its bridge needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The interface of its bridge, unique among the user's networks; at most 15 bytes.
    pub bridge: String,
    /// Its subnets; none is a network without addresses.
    pub subnets: Vec<Subnet>,
    /// Whether containers get IPv6 as well.
    #[serde(default)]
    pub ipv6: bool,
    /// Whether there is no way out: neither outbound traffic nor a default route.
    #[serde(default)]
    pub internal: bool,
    /// Whether containers of the user's other networks are kept out, and its own in.
    #[serde(default)]
    pub isolate: bool,
    /// The largest packet; `None` is the helper's choice.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Whether names of containers are answered.
    #[serde(default)]
    pub dns_enabled: bool,
    /// Name servers of the network itself, for what is no container's name; none is the host's.
    #[serde(default)]
    pub dns_servers: Vec<IpAddr>,
    /// Further routes that its containers get: the destination and the next hop.
    #[serde(default)]
    pub routes: Vec<(Prefix, IpAddr)>,
}

/// Part of a network's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The network, host bits cleared.
    pub network: Prefix,
    /// The bridge's own address in it; an internal network may have none.
    pub gateway: Option<IpAddr>,
}

/// How a container is to take part in one network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRequest {
    /// The network's name.
    pub network: String,
    /// The wanted addresses; the others are chosen at each start.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// The wanted hardware address.
    #[serde(default)]
    pub mac: Option<Mac>,
    /// Further names of the container in this network.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The name of the interface inside.
    #[serde(default)]
    pub interface: Option<String>,
}

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

/// A text that is no hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("address {text}: invalid MAC address")]
pub struct MacError {
    /// As typed.
    pub text: String,
}

impl fmt::Display for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.0.map(|octet| format!("{octet:02x}"));
        formatter.write_str(&octets.join(":"))
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let octet = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(part, 16).ok()).flatten()
        };
        let octets: Option<Vec<u8>> = text.split([':', '-']).map(octet).collect();
        let six = octets.and_then(|octets| <[u8; 6]>::try_from(octets).ok());
        six.map(Self).ok_or_else(|| MacError {
            text: text.to_owned(),
        })
    }
}

impl TryFrom<String> for Mac {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

/// How a container takes part in one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The id of its [`NetworkPlan`].
    pub network: String,
    /// The interface inside the container.
    pub interface: String,
    /// The container's addresses, with their networks' prefix lengths.
    pub addresses: Vec<Prefix>,
    /// The hardware address of the interface.
    pub mac: Mac,
    /// Further names of the container in this network.
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// What a port carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Streams.
    Tcp,
    /// Datagrams.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// One port of the host that leads into a container. A range is as many of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The host's address; `None` is every address of both families.
    pub host_ip: Option<IpAddr>,
    /// The host's port; 0 is any that is free, until it is bound.
    pub host_port: u16,
    /// The port in the container.
    pub container_port: u16,
    /// What it carries.
    pub protocol: Protocol,
}

impl PublishedPort {
    /// The addresses that are bound for it: IPv4 first.
    pub fn bind_addresses(self) -> Vec<SocketAddr> {
        let every = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let addresses = self.host_ip.map_or(every.to_vec(), |address| vec![address]);
        let with_port = |address| SocketAddr::new(address, self.host_port);
        addresses.into_iter().map(with_port).collect()
    }
}

/// All of a container's networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionPlan {
    /// The networks that `attachments` name, each once.
    pub networks: Vec<NetworkPlan>,
    /// The container's place in each; the first has its default route.
    pub attachments: Vec<Attachment>,
    /// Its published ports.
    #[serde(default)]
    pub ports: Vec<PublishedPort>,
    /// The container's own names, in every network with names: its name, its short id, its
    /// hostname.
    #[serde(default)]
    pub names: Vec<String>,
    /// Name servers for what is not a container's name (`--dns`); none is the host's.
    #[serde(default)]
    pub dns_servers: Vec<SocketAddr>,
    /// Whether the container may reach the host's loopback by the gateway's address.
    #[serde(default)]
    pub host_loopback: bool,
    /// Where a container without bridges is reached from inside its own network namespace: its
    /// address behind slirp4netns.
    #[serde(default)]
    pub inside: Option<IpAddr>,
}

impl ConnectionPlan {
    /// The network of an attachment.
    pub fn network_of(&self, attachment: &Attachment) -> Option<&NetworkPlan> {
        self.networks
            .iter()
            .find(|network| network.id == attachment.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn networks_of_addresses() {
        let cases = [
            ("10.88.3.5/16", "10.88.0.0/16", "10.88.255.255"),
            ("10.1.2.3/32", "10.1.2.3/32", "10.1.2.3"),
            ("10.1.2.3/0", "0.0.0.0/0", "255.255.255.255"),
            ("fd00::1:2/64", "fd00::/64", "fd00::ffff:ffff:ffff:ffff"),
            ("fd00::1/128", "fd00::1/128", "fd00::1"),
            ("::1/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ];
        for (text, network, last) in cases {
            assert_eq!(prefix(text).network(), prefix(network), "{text}");
            assert_eq!(prefix(text).last().to_string(), last, "{text}");
        }
    }

    #[test]
    fn what_is_in_a_network() {
        let net = prefix("10.88.0.0/16");
        assert!(net.contains("10.88.255.1".parse().unwrap()));
        assert!(!net.contains("10.89.0.1".parse().unwrap()));
        assert!(!net.contains("::ffff:10.88.0.1".parse().unwrap()));
        assert!(net.overlaps(prefix("10.0.0.0/8")) && prefix("10.88.4.0/24").overlaps(net));
        assert!(!net.overlaps(prefix("10.89.0.0/16")));
    }

    #[test]
    fn hardware_addresses() {
        let mac: Mac = "92:d0:c6:0A:29:33".parse().unwrap();
        assert_eq!(mac.to_string(), "92:d0:c6:0a:29:33");
        assert_eq!("92-d0-c6-0a-29-33".parse(), Ok(mac));
        for text in [
            "",
            "92:d0:c6:0a:29",
            "92:d0:c6:0a:29:3",
            "92:d0:c6:0a:29:+3",
            "g0:0:0:0:0:0",
        ] {
            let error = text.parse::<Mac>().unwrap_err().to_string();
            assert_eq!(error, format!("address {text}: invalid MAC address"));
        }
    }

    #[test]
    fn texts_that_are_none() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "fd00::/129",
            "a/8",
            "10.0.0.0/-1",
        ] {
            let error = text.parse::<Prefix>().unwrap_err();
            assert_eq!(error.to_string(), format!("invalid CIDR address: {text}"));
        }
    }
}
