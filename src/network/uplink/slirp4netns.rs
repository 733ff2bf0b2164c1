// SPDX-License-Identifier: Apache-2.0 OR MIT
//! slirp4netns: what can be asked of it, the addresses that follow, and its command line.
//!
//! It forks into the container's namespaces for a moment, to make the interface, then stays in the
//! caller's. It writes one byte to its ready descriptor, and ends when the other side of its exit
//! descriptor is closed.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::RawFd;

use super::Target;

/// What `--network slirp4netns:…` can ask for, as Podman names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `mtu`.
    pub mtu: u32,
    /// `cidr`: the container's network.
    pub network: Network,
    /// `allow_host_loopback`: whether 127.0.0.1 of the host is reached at the gateway.
    pub host_loopback: HostLoopback,
    /// `enable_ipv6`.
    pub ipv6: Ipv6,
    /// `outbound_addr`: an address or an interface.
    pub outbound_address: Option<String>,
    /// `outbound_addr6`: an address or an interface.
    pub outbound_address6: Option<String>,
    /// `port_handler`.
    pub port_handler: PortHandler,
}

/// Who serves published ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortHandler {
    /// `rootlesskit`: a forwarder beside slirp4netns, which speaks with the container from inside
    /// its network. Ours is the network helper.
    Forwarder,
    /// `slirp4netns` itself.
    Slirp4netns,
}

/// Whether services that listen on the host's loopback interface are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostLoopback {
    /// At the gateway's address.
    Reachable,
    /// Not at all.
    Hidden,
}

/// Whether there is IPv6 inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6 {
    /// fd00::/64.
    Enabled,
    /// IPv4 alone.
    Disabled,
}

/// An IPv4 network, in which slirp4netns gives fixed numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: Ipv4Addr,
    prefix: u8,
}

/// An option that does not exist or has no such value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No such option.
    #[error("unknown option for slirp4netns: {option:?}")]
    Unknown {
        /// As typed.
        option: String,
    },
    /// A value that the option does not take.
    #[error("invalid {name} {value:?}")]
    Invalid {
        /// The option.
        name: &'static str,
        /// The value as typed.
        value: String,
    },
}

/// The name of the interface inside.
pub const INTERFACE: &str = "tap0";

/// The largest that slirp4netns takes, save one; Podman's default.
const DEFAULT_MTU: u32 = 65_520;
/// Below it IPv4 does not work.
const LEAST_MTU: u32 = 68;

impl Default for Options {
    fn default() -> Self {
        Self {
            mtu: DEFAULT_MTU,
            network: Network {
                base: Ipv4Addr::new(10, 0, 2, 0),
                prefix: 24,
            },
            host_loopback: HostLoopback::Hidden,
            ipv6: Ipv6::Enabled,
            outbound_address: None,
            outbound_address6: None,
            port_handler: PortHandler::Forwarder,
        }
    }
}

impl Options {
    /// Reads `name=value` words; later ones win, so those of containers.conf come first.
    ///
    /// # Errors
    ///
    /// [`OptionError`] for the first word that cannot be understood.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, OptionError> {
        let mut options = Self::default();
        for word in words {
            options.set(word)?;
        }
        Ok(options)
    }

    fn set(&mut self, word: &str) -> Result<(), OptionError> {
        let unknown = || OptionError::Unknown {
            option: word.to_owned(),
        };
        let (name, value) = word.split_once('=').ok_or_else(unknown)?;
        match name {
            "mtu" => self.mtu = mtu(value)?,
            "cidr" => self.network = Network::parse(value)?,
            "allow_host_loopback" => {
                self.host_loopback = if flag("allow_host_loopback", value)? {
                    HostLoopback::Reachable
                } else {
                    HostLoopback::Hidden
                }
            }
            "enable_ipv6" => {
                self.ipv6 = if flag("enable_ipv6", value)? {
                    Ipv6::Enabled
                } else {
                    Ipv6::Disabled
                }
            }
            "outbound_addr" => self.outbound_address = Some(outbound::<Ipv4Addr>(value, name)?),
            "outbound_addr6" => self.outbound_address6 = Some(outbound::<Ipv6Addr>(value, name)?),
            "port_handler" => self.port_handler = port_handler(value)?,
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// The container's address for a forwarder, if one is to serve its ports.
    pub fn forwarded_to(&self) -> Option<IpAddr> {
        match self.port_handler {
            PortHandler::Forwarder => Some(self.network.container().into()),
            PortHandler::Slirp4netns => None,
        }
    }

    /// The command line, after the program's name. `ready` and `exit` are the numbers of the
    /// descriptors as the program sees them.
    pub fn arguments(&self, target: &Target, ready: RawFd, exit: RawFd) -> Vec<OsString> {
        let mut arguments = vec![
            "--configure".to_owned(),
            format!("--mtu={}", self.mtu),
            format!("--cidr={}/{}", self.network.base, self.network.prefix),
            "--enable-sandbox".to_owned(),
            "--enable-seccomp".to_owned(),
            format!("--ready-fd={ready}"),
            format!("--exit-fd={exit}"),
        ];
        if self.host_loopback == HostLoopback::Hidden {
            arguments.push("--disable-host-loopback".to_owned());
        }
        if self.ipv6 == Ipv6::Enabled {
            arguments.push("--enable-ipv6".to_owned());
        }
        let outbound = self.outbound_address.iter();
        arguments.extend(outbound.map(|address| format!("--outbound-addr={address}")));
        let outbound = self.outbound_address6.iter();
        arguments.extend(outbound.map(|address| format!("--outbound-addr6={address}")));
        arguments.push("--netns-type=path".to_owned());
        let mut arguments = arguments
            .into_iter()
            .map(OsString::from)
            .collect::<Vec<_>>();
        if let Some(userns) = &target.userns {
            let mut argument = OsString::from("--userns-path=");
            argument.push(userns);
            arguments.push(argument);
        }
        arguments.push(target.netns.clone().into_os_string());
        arguments.push(INTERFACE.into());
        arguments
    }
}

impl Network {
    /// Reads `10.0.2.0/24`; any address of the network does.
    fn parse(text: &str) -> Result<Self, OptionError> {
        let parts = text.split_once('/');
        let parsed = parts.and_then(|(address, prefix)| {
            let address = address.parse::<Ipv4Addr>().ok()?;
            // The numbers given out reach up to 100.
            let prefix = prefix
                .parse::<u8>()
                .ok()
                .filter(|prefix| (1..=25).contains(prefix))?;
            let mask = u32::MAX << (32 - prefix);
            let base = Ipv4Addr::from_bits(address.to_bits() & mask);
            Some(Self { base, prefix })
        });
        parsed.ok_or_else(|| invalid("cidr", text))
    }

    fn host(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() + number)
    }

    /// Where the host is, if it may be reached.
    pub fn gateway(self) -> Ipv4Addr {
        self.host(2)
    }

    /// Where names are resolved, by the host's own first resolver.
    pub fn resolver(self) -> Ipv4Addr {
        self.host(3)
    }

    /// The container's own address.
    pub fn container(self) -> Ipv4Addr {
        self.host(100)
    }
}

fn mtu(value: &str) -> Result<u32, OptionError> {
    let parsed = value.parse::<u32>().ok();
    let allowed = parsed.filter(|mtu| (LEAST_MTU..=DEFAULT_MTU + 1).contains(mtu));
    allowed.ok_or_else(|| invalid("mtu", value))
}

fn flag(name: &'static str, value: &str) -> Result<bool, OptionError> {
    value.parse().or(Err(invalid(name, value)))
}

fn port_handler(value: &str) -> Result<PortHandler, OptionError> {
    match value {
        "rootlesskit" => Ok(PortHandler::Forwarder),
        "slirp4netns" => Ok(PortHandler::Slirp4netns),
        _ => Err(invalid("port_handler", value)),
    }
}

/// An address of the right family, or what may be the name of an interface.
fn outbound<Address: std::str::FromStr>(value: &str, name: &str) -> Result<String, OptionError> {
    let interface = || !value.is_empty() && value.len() < 16 && !value.contains(['/', ':', '.']);
    if value.parse::<Address>().is_ok() || interface() {
        return Ok(value.to_owned());
    }
    Err(match name {
        "outbound_addr" => invalid("outbound_addr", value),
        _ => invalid("outbound_addr6", value),
    })
}

fn invalid(name: &'static str, value: &str) -> OptionError {
    OptionError::Invalid {
        name,
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str], target: &Target) -> String {
        let options = Options::parse(words.iter().copied()).expect("valid");
        let arguments = options.arguments(target, 5, 7);
        arguments
            .join(&OsString::from(" "))
            .into_string()
            .expect("text")
    }

    #[test]
    fn command_lines() {
        let target = Target::of_process(42);
        insta::assert_snapshot!(line(&[], &target), @"--configure --mtu=65520 --cidr=10.0.2.0/24 --enable-sandbox --enable-seccomp --ready-fd=5 --exit-fd=7 --disable-host-loopback --enable-ipv6 --netns-type=path --userns-path=/proc/42/ns/user /proc/42/ns/net tap0");
        let target = Target {
            userns: None,
            netns: "/run/netns/a".into(),
        };
        let words = [
            "mtu=1500",
            "cidr=192.168.7.9/24",
            "allow_host_loopback=true",
            "enable_ipv6=false",
            "outbound_addr=eth0",
            "outbound_addr6=fd00::1",
            "port_handler=rootlesskit",
        ];
        insta::assert_snapshot!(line(&words, &target), @"--configure --mtu=1500 --cidr=192.168.7.0/24 --enable-sandbox --enable-seccomp --ready-fd=5 --exit-fd=7 --outbound-addr=eth0 --outbound-addr6=fd00::1 --netns-type=path /run/netns/a tap0");
    }

    #[test]
    fn addresses_follow_from_the_network() {
        let options = Options::parse(["cidr=10.9.8.7/16"]).expect("valid");
        assert_eq!(options.network.gateway(), Ipv4Addr::new(10, 9, 0, 2));
        assert_eq!(options.network.resolver(), Ipv4Addr::new(10, 9, 0, 3));
        assert_eq!(options.network.container(), Ipv4Addr::new(10, 9, 0, 100));
    }

    #[test]
    fn refused() {
        let cases = [
            ("mtu=67", "invalid mtu \"67\""),
            ("mtu=x", "invalid mtu \"x\""),
            ("mtu", "unknown option for slirp4netns: \"mtu\""),
            ("cidr=10.0.2.0", "invalid cidr \"10.0.2.0\""),
            ("cidr=10.0.2.0/30", "invalid cidr \"10.0.2.0/30\""),
            ("cidr=fd00::/64", "invalid cidr \"fd00::/64\""),
            (
                "allow_host_loopback=yes",
                "invalid allow_host_loopback \"yes\"",
            ),
            ("enable_ipv6=", "invalid enable_ipv6 \"\""),
            ("outbound_addr=fd00::1", "invalid outbound_addr \"fd00::1\""),
            (
                "outbound_addr6=1.2.3.4",
                "invalid outbound_addr6 \"1.2.3.4\"",
            ),
            ("port_handler=x", "invalid port_handler \"x\""),
            ("speed=1", "unknown option for slirp4netns: \"speed=1\""),
        ];
        for (word, expected) in cases {
            let error = Options::parse([word]).expect_err(word);
            assert_eq!(error.to_string(), expected);
        }
    }
}
