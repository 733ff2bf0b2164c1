// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The grammar of `--publish` and `--expose`.

use std::net::IpAddr;

/// What is wrong with a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PortError {
    #[error("invalid port format - protocol can only be specified once")]
    Protocols,
    #[error("must provide a non-empty protocol to publish")]
    EmptyProtocol,
    #[error("unrecognized protocol \"{protocol}\", want tcp, udp or sctp")]
    Protocol { protocol: String },
    #[error("invalid port format - IPv6 address must be followed by a colon (':')")]
    AfterAddress,
    #[error("invalid port format - must provide host and destination port if specifying an IP")]
    AddressAlone,
    #[error("invalid port format - format is [[hostIP:]hostPort:]containerPort")]
    Parts,
    #[error("must provide a non-empty container port to publish")]
    EmptyContainerPort,
    #[error("must provide a non-empty container host IP to publish")]
    EmptyAddress,
    #[error("cannot parse \"{address}\" as an IP address")]
    Address { address: String },
    #[error("invalid port format - port ranges are formatted as startPort-stopPort")]
    Range,
    #[error("invalid port number: \"{text}\"")]
    Number { text: String },
    #[error("port numbers must be between 1 and 65535 (inclusive), got {number}")]
    OutOfRange { number: u64 },
    #[error(
        "the end port of a range must be higher than the start port - {end} is not higher than {start}"
    )]
    Backwards { start: u16, end: u16 },
    #[error("host and container port ranges have different lengths: {host} vs {container}")]
    Lengths { host: u16, container: u16 },
}

/// Checks `[[ip:]hostPort[-end]:]containerPort[-end][/protocol]`.
pub(crate) fn check_published(text: &str) -> Result<(), PortError> {
    let rest = check_protocol(text)?;
    let (address, ports) = split_address(rest)?;
    if let Some(address) = address {
        if address.is_empty() {
            return Err(PortError::EmptyAddress);
        }
        if address.parse::<IpAddr>().is_err() {
            return Err(PortError::Address {
                address: address.to_owned(),
            });
        }
    }
    let (host, container) = match ports.split_once(':') {
        Some((host, container)) => (Some(host), container),
        None => (None, ports),
    };
    if container.is_empty() {
        return Err(PortError::EmptyContainerPort);
    }
    let container = range_length(container)?;
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        return Ok(());
    };
    let host = range_length(host)?;
    if host == container {
        Ok(())
    } else {
        Err(PortError::Lengths { host, container })
    }
}

/// Checks `port[-end][/protocol]`.
pub(crate) fn check_exposed(text: &str) -> Result<(), PortError> {
    range_length(check_protocol(text)?).map(|_| ())
}

/// Splits the protocol off and checks it.
fn check_protocol(text: &str) -> Result<&str, PortError> {
    let mut parts = text.split('/');
    let rest = parts.next().unwrap_or_default();
    let protocol = parts.next();
    if parts.next().is_some() {
        return Err(PortError::Protocols);
    }
    match protocol.map(str::to_ascii_lowercase).as_deref() {
        None | Some("tcp" | "udp" | "sctp") => Ok(rest),
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

/// How many ports `start[-end]` stands for.
fn range_length(text: &str) -> Result<u16, PortError> {
    let mut ends = text.split('-');
    let start = port(ends.next().unwrap_or_default())?;
    let end = ends.next().map(port).transpose()?;
    if ends.next().is_some() {
        return Err(PortError::Range);
    }
    match end {
        None => Ok(1),
        Some(end) if end <= start => Err(PortError::Backwards { start, end }),
        Some(end) => Ok(end - start + 1),
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
            assert_eq!(check_published(good), Ok(()), "{good}");
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
            match check_published(text) {
                Err(error) => assert_eq!(error.to_string(), message, "{text}"),
                Ok(()) => panic!("{text} passed"),
            }
        }
    }

    #[test]
    fn exposed_ports_are_ports_or_ranges() {
        for good in ["80", "80/udp", "80-90", "80-90/tcp"] {
            assert_eq!(check_exposed(good), Ok(()), "{good}");
        }
        for bad in ["", "x", "1:2", "90-80", "80/x"] {
            assert!(check_exposed(bad).is_err(), "{bad}");
        }
    }
}
