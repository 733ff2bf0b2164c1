// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ports: the grammar of `--publish` and `--expose`, and what they stand for.

use std::net::IpAddr;

use crate::state::connection::{Protocol, PublishedPort};
use crate::state::liveness::Observed;
use crate::state::record::ContainerState;

/// What is wrong with a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
/// The words are podman's.
pub enum PortError {
    /// Two slashes.
    #[error("invalid port format - protocol can only be specified once")]
    Protocols,
    /// A slash at the end.
    #[error("must provide a non-empty protocol to publish")]
    EmptyProtocol,
    /// A protocol that nobody knows.
    #[error("unrecognized protocol \"{protocol}\", want tcp, udp or sctp")]
    Protocol {
        /// As typed.
        protocol: String,
    },
    /// `[::1]` and no colon.
    #[error("invalid port format - IPv6 address must be followed by a colon (':')")]
    AfterAddress,
    /// An address and one port.
    #[error("invalid port format - must provide host and destination port if specifying an IP")]
    AddressAlone,
    /// Too many colons.
    #[error("invalid port format - format is [[hostIP:]hostPort:]containerPort")]
    Parts,
    /// No port in the container.
    #[error("must provide a non-empty container port to publish")]
    EmptyContainerPort,
    /// A colon at the start.
    #[error("must provide a non-empty container host IP to publish")]
    EmptyAddress,
    /// An address that is none.
    #[error("cannot parse \"{address}\" as an IP address")]
    Address {
        /// As typed.
        address: String,
    },
    /// Two dashes.
    #[error("invalid port format - port ranges are formatted as startPort-stopPort")]
    Range,
    /// Not a number.
    #[error("invalid port number: \"{text}\"")]
    Number {
        /// As typed.
        text: String,
    },
    /// No port.
    #[error("port numbers must be between 1 and 65535 (inclusive), got {number}")]
    OutOfRange {
        /// As typed.
        number: u64,
    },
    /// A range that ends before it starts.
    #[error(
        "the end port of a range must be higher than the start port - {end} is not higher than {start}"
    )]
    Backwards {
        /// Its start.
        start: u16,
        /// Its end.
        end: u16,
    },
    /// Ranges that do not fit together.
    #[error("host and container port ranges have different lengths: {host} vs {container}")]
    Lengths {
        /// Ports of the host.
        host: u16,
        /// Ports of the container.
        container: u16,
    },
    /// Associations, which nothing here forwards.
    #[error(
        "can't forward protocol: sctp: only tcp and udp ports can be published, not {port}/sctp"
    )]
    Sctp {
        /// The port in the container.
        port: u16,
    },
    /// One port of the host for two of the container.
    #[error("conflicting port mappings for host port {port} (protocol {protocol})")]
    Conflict {
        /// The host's port.
        port: u16,
        /// `tcp`, `udp`.
        protocol: Protocol,
    },
}

/// One `--publish`: as many ports of the host as of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// The host's address; `None` is every one.
    pub host_ip: Option<IpAddr>,
    /// The host's first port; `None` is any that is free, for each.
    pub host: Option<u16>,
    /// The container's first port.
    pub container: u16,
    /// How many ports.
    pub count: u16,
    /// What they carry; `None` is sctp.
    pub protocol: Option<Protocol>,
}

/// Reads `[[ip:]hostPort[-end]:]containerPort[-end][/protocol]`.
///
/// # Errors
///
/// See [`PortError`].
pub fn parse_published(text: &str) -> Result<Mapping, PortError> {
    let (rest, protocol) = split_protocol(text)?;
    let (address, ports) = split_address(rest)?;
    let host_ip = match address {
        None => None,
        Some("") => return Err(PortError::EmptyAddress),
        Some(address) => Some(address.parse().map_err(|_error| PortError::Address {
            address: address.to_owned(),
        })?),
    };
    let (host, container) = match ports.split_once(':') {
        Some((host, container)) => (Some(host), container),
        None => (None, ports),
    };
    if container.is_empty() {
        return Err(PortError::EmptyContainerPort);
    }
    let (container, count) = range(container)?;
    let host = match host.filter(|host| !host.is_empty()) {
        None => None,
        Some(host) => {
            let (host, length) = range(host)?;
            if length != count {
                return Err(PortError::Lengths {
                    host: length,
                    container: count,
                });
            }
            Some(host)
        }
    };
    Ok(Mapping {
        host_ip,
        host,
        container,
        count,
        protocol,
    })
}

/// Reads `port[-end][/protocol]`: the first port, how many, and what they carry.
///
/// # Errors
///
/// See [`PortError`].
pub fn parse_exposed(text: &str) -> Result<Mapping, PortError> {
    let (rest, protocol) = split_protocol(text)?;
    let (container, count) = range(rest)?;
    Ok(Mapping {
        host_ip: None,
        host: None,
        container,
        count,
        protocol,
    })
}

/// Every single port that `publish` asks for, and with `publish_all` the exposed ones that are not
/// among them, in the order typed.
///
/// # Errors
///
/// See [`PortError`].
pub fn published_ports(
    publish: &[String],
    publish_all: bool,
    exposed: &[String],
) -> Result<Vec<PublishedPort>, PortError> {
    let mut ports: Vec<PublishedPort> = Vec::new();
    for text in publish {
        for port in singles(parse_published(text)?)? {
            add(&mut ports, port)?;
        }
    }
    for text in exposed.iter().filter(|_| publish_all) {
        for port in singles(parse_exposed(text)?)? {
            let is_there = |one: &PublishedPort| {
                (one.container_port, one.protocol) == (port.container_port, port.protocol)
            };
            if !ports.iter().any(is_there) {
                ports.push(port);
            }
        }
    }
    Ok(ports)
}

/// The ports that a container has published: those that are bound while it runs, and otherwise
/// those that are asked for.
pub fn ports_of(
    state: &ContainerState,
    observed: Observed,
    publish: &[String],
) -> Vec<PublishedPort> {
    if observed.is_attended() {
        return state.ports.clone();
    }
    // What stands in a record was read before.
    published_ports(publish, false, &[]).unwrap_or_default()
}

fn singles(mapping: Mapping) -> Result<impl Iterator<Item = PublishedPort>, PortError> {
    let protocol = mapping.protocol.ok_or(PortError::Sctp {
        port: mapping.container,
    })?;
    Ok((0..mapping.count).map(move |offset| PublishedPort {
        host_ip: mapping.host_ip,
        host_port: mapping.host.map_or(0, |host| host + offset),
        container_port: mapping.container + offset,
        protocol,
    }))
}

/// The same twice is once.
fn add(ports: &mut Vec<PublishedPort>, port: PublishedPort) -> Result<(), PortError> {
    let clashes = |one: &&PublishedPort| {
        let same = one.host_port == port.host_port && one.protocol == port.protocol;
        let everywhere = one.host_ip.is_none() || port.host_ip.is_none();
        port.host_port != 0 && same && (everywhere || one.host_ip == port.host_ip)
    };
    match ports.iter().find(clashes) {
        Some(one) if *one == port => Ok(()),
        Some(_) => Err(PortError::Conflict {
            port: port.host_port,
            protocol: port.protocol,
        }),
        None => {
            ports.push(port);
            Ok(())
        }
    }
}

/// Splits the protocol off; sctp is `None`.
fn split_protocol(text: &str) -> Result<(&str, Option<Protocol>), PortError> {
    let mut parts = text.split('/');
    let rest = parts.next().unwrap_or_default();
    let protocol = parts.next();
    if parts.next().is_some() {
        return Err(PortError::Protocols);
    }
    match protocol.map(str::to_ascii_lowercase).as_deref() {
        None | Some("tcp") => Ok((rest, Some(Protocol::Tcp))),
        Some("udp") => Ok((rest, Some(Protocol::Udp))),
        Some("sctp") => Ok((rest, None)),
        Some("") => Err(PortError::EmptyProtocol),
        Some(protocol) => Err(PortError::Protocol {
            protocol: protocol.to_owned(),
        }),
    }
}

/// Splits the host's address off; an address of IPv6 stands in brackets.
fn split_address(text: &str) -> Result<(Option<&str>, &str), PortError> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']').ok_or(PortError::AfterAddress)?;
        let ports = rest.strip_prefix(':').ok_or(PortError::AfterAddress)?;
        return match ports.matches(':').count() {
            0 => Err(PortError::AddressAlone),
            1 => Ok((Some(address), ports)),
            _ => Err(PortError::Parts),
        };
    }
    match text.matches(':').count() {
        0 | 1 => Ok((None, text)),
        2 => {
            let (address, ports) = text.split_once(':').expect("there are two colons");
            Ok((Some(address), ports))
        }
        _ => Err(PortError::Parts),
    }
}

/// The first of `start[-end]`, and how many.
fn range(text: &str) -> Result<(u16, u16), PortError> {
    let mut ends = text.split('-');
    let start = port(ends.next().unwrap_or_default())?;
    let end = ends.next().map(port).transpose()?;
    if ends.next().is_some() {
        return Err(PortError::Range);
    }
    match end {
        None => Ok((start, 1)),
        Some(end) if end <= start => Err(PortError::Backwards { start, end }),
        Some(end) => Ok((start, end - start + 1)),
    }
}

fn port(text: &str) -> Result<u16, PortError> {
    let number: u64 = text.parse().map_err(|_error| PortError::Number {
        text: text.to_owned(),
    })?;
    u16::try_from(number)
        .ok()
        .filter(|port| *port > 0)
        .ok_or(PortError::OutOfRange { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_follow_the_grammar() {
        for good in [
            "80",
            "8080:80",
            ":80",
            "8080:80/udp",
            "127.0.0.1:8080:80",
            "127.0.0.1::80",
            "[::1]:8080:80",
            "8000-8010:80-90",
            "8000-8010:80-90/sctp",
        ] {
            assert!(parse_published(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn wrong_ports_say_why() {
        let cases = [
            ("", "must provide a non-empty container port to publish"),
            (
                "80/tcp/udp",
                "invalid port format - protocol can only be specified once",
            ),
            ("80/", "must provide a non-empty protocol to publish"),
            ("80/x", "unrecognized protocol \"x\", want tcp, udp or sctp"),
            (
                "0:80",
                "port numbers must be between 1 and 65535 (inclusive), got 0",
            ),
            (
                "70000",
                "port numbers must be between 1 and 65535 (inclusive), got 70000",
            ),
            ("x:80", "invalid port number: \"x\""),
            (
                "1-2-3:80",
                "invalid port format - port ranges are formatted as startPort-stopPort",
            ),
            (
                "9-8:80-81",
                "the end port of a range must be higher than the start port - 8 is not higher than 9",
            ),
            (
                "8000-8001:80",
                "host and container port ranges have different lengths: 2 vs 1",
            ),
            (
                ":80:80",
                "must provide a non-empty container host IP to publish",
            ),
            ("x:80:80", "cannot parse \"x\" as an IP address"),
            (
                "[::1]80:80",
                "invalid port format - IPv6 address must be followed by a colon (':')",
            ),
            (
                "[::1]:80",
                "invalid port format - must provide host and destination port if specifying an IP",
            ),
            (
                "1:2:3:4",
                "invalid port format - format is [[hostIP:]hostPort:]containerPort",
            ),
        ];
        for (text, message) in cases {
            match parse_published(text) {
                Err(error) => assert_eq!(error.to_string(), message, "{text}"),
                Ok(_) => panic!("{text} passed"),
            }
        }
    }

    #[test]
    fn exposed_ports_are_ports_or_ranges() {
        for good in ["80", "80/udp", "80-90", "80-90/tcp"] {
            assert!(parse_exposed(good).is_ok(), "{good}");
        }
        for bad in ["", "x", "1:2", "90-80", "80/x"] {
            assert!(parse_exposed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_are_many_ports_and_all_are_the_exposed_ones() {
        let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let shown = |publish: &[&str], exposed: &[&str]| {
            let ports = published_ports(&strings(publish), true, &strings(exposed));
            let show = |port: &PublishedPort| {
                let PublishedPort {
                    host_port,
                    container_port,
                    protocol,
                    ..
                } = port;
                let ip = port.host_ip.map(|ip| format!("{ip} ")).unwrap_or_default();
                format!("{ip}{host_port}:{container_port}/{protocol}")
            };
            ports.map(|ports| ports.iter().map(show).collect::<Vec<_>>().join(", "))
        };
        let cases: &[(&[&str], &[&str], &str)] = &[
            (&["8000-8001:80-81"], &[], "8000:80/tcp, 8001:81/tcp"),
            (&["::1:53:53/udp"], &[], ""),
            (
                &["[::1]:53:53/udp", "127.0.0.1::80"],
                &[],
                "::1 53:53/udp, 127.0.0.1 0:80/tcp",
            ),
            (
                &["80:80", "80:80", "80:80/udp"],
                &[],
                "80:80/tcp, 80:80/udp",
            ),
            (
                &["8080:80"],
                &["80/tcp", "53/udp", "90-91"],
                "8080:80/tcp, 0:53/udp, 0:90/tcp, 0:91/tcp",
            ),
        ];
        for (publish, exposed, expected) in cases {
            assert_eq!(
                shown(publish, exposed).unwrap_or_default(),
                *expected,
                "{publish:?}"
            );
        }
        let conflict = shown(&["127.0.0.1:80:80", "80:81"], &[]).unwrap_err();
        assert_eq!(
            conflict.to_string(),
            "conflicting port mappings for host port 80 (protocol tcp)"
        );
        assert!(shown(&["127.0.0.1:80:80", "127.0.0.2:80:81"], &[]).is_ok());
        assert!(matches!(
            shown(&["1:1/sctp"], &[]),
            Err(PortError::Sctp { port: 1 })
        ));
    }
}
