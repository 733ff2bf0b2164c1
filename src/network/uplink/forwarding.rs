// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Published ports as the programs serve them: pasta by words of its command line, slirp4netns by
//! calls to its socket. They bind the ports themselves.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::network::plan::{Protocol, PublishedPort};
use crate::sys::{SysError, fdpass};

/// The name of slirp4netns's socket in the container's run directory.
pub(super) const SOCKET_NAME: &str = "slirp4netns.sock";

/// How long slirp4netns has for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a program is to publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwards {
    /// The ports, with numbers that are free.
    pub ports: Vec<PublishedPort>,
    /// A directory of the container's own.
    pub directory: PathBuf,
}

/// A port that slirp4netns does not publish.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// An address of the wrong family.
    #[error("slirp4netns publishes ports on IPv4 addresses alone, and not on {address}")]
    Family {
        /// As asked for.
        address: IpAddr,
    },
    /// It refused, in its words.
    #[error("publish {protocol} port {port} by slirp4netns: {words}")]
    Refused {
        /// TCP or UDP.
        protocol: Protocol,
        /// Of the host.
        port: u16,
        /// What it said.
        words: String,
    },
    /// It could not be spoken with.
    #[error("speak with slirp4netns")]
    Call(#[from] SysError),
}

/// The words by which pasta publishes `ports`; neighbours are one range.
pub(super) fn words_for_pasta(ports: &[PublishedPort]) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = ports;
    while let Some(first) = rest.first() {
        let follows = |offset: usize, port: &PublishedPort| {
            let after = |start: u16, now: u16| usize::from(now) == usize::from(start) + offset;
            (port.host_ip, port.protocol) == (first.host_ip, first.protocol)
                && after(first.host_port, port.host_port)
                && after(first.container_port, port.container_port)
        };
        let neighbours = rest.iter().enumerate();
        let count = neighbours
            .take_while(|(offset, port)| follows(*offset, port))
            .count();
        let (range, others) = rest.split_at(count);
        rest = others;
        let last = range.last().unwrap_or(first);
        let span = |start: u16, end: u16| match end - start {
            0 => start.to_string(),
            _ => format!("{start}-{end}"),
        };
        let flag = match first.protocol {
            Protocol::Tcp => "-t",
            Protocol::Udp => "-u",
        };
        let address = first.host_ip.map(|ip| format!("{ip}/")).unwrap_or_default();
        let host = span(first.host_port, last.host_port);
        let container = span(first.container_port, last.container_port);
        words.extend([flag.to_owned(), format!("{address}{host}:{container}")]);
    }
    words
}

/// What slirp4netns is asked.
#[derive(Debug, Serialize)]
struct Call {
    execute: &'static str,
    arguments: Arguments,
}

#[derive(Debug, Serialize)]
struct Arguments {
    proto: Protocol,
    host_addr: Ipv4Addr,
    host_port: u16,
    guest_addr: Ipv4Addr,
    guest_port: u16,
}

/// What it answers: one of both.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    error: Option<Complaint>,
}

#[derive(Debug, Deserialize)]
struct Complaint {
    desc: String,
}

/// Refuses what slirp4netns cannot publish, before it is started.
///
/// # Errors
///
/// [`ForwardError::Family`].
pub(super) fn check_for_slirp4netns(ports: &[PublishedPort]) -> Result<(), ForwardError> {
    let mut addresses = ports.iter().filter_map(|port| port.host_ip);
    match addresses.find(IpAddr::is_ipv6) {
        Some(address) => Err(ForwardError::Family { address }),
        None => Ok(()),
    }
}

/// Has slirp4netns, whose container has the address `guest`, publish ports.
///
/// # Errors
///
/// The first that it refuses.
pub(super) fn publish_by_slirp4netns(
    forwards: &Forwards,
    guest: Ipv4Addr,
) -> Result<(), ForwardError> {
    for port in &forwards.ports {
        let host = match port.host_ip {
            Some(IpAddr::V4(address)) => address,
            Some(IpAddr::V6(_)) | None => Ipv4Addr::UNSPECIFIED,
        };
        let call = Call {
            execute: "add_hostfwd",
            arguments: Arguments {
                proto: port.protocol,
                host_addr: host,
                host_port: port.host_port,
                guest_addr: guest,
                guest_port: port.container_port,
            },
        };
        if let Some(complaint) = ask(&forwards.directory, &call)?.error {
            return Err(ForwardError::Refused {
                protocol: port.protocol,
                port: port.host_port,
                words: complaint.desc,
            });
        }
    }
    Ok(())
}

/// One call is one connection, whose end of what we say ends the call.
fn ask(directory: &Path, call: &Call) -> Result<Answer, SysError> {
    let mut stream = UnixStream::from(fdpass::connect_in(directory, SOCKET_NAME)?);
    let bytes = serde_json::to_vec(call).expect("it holds texts and numbers");
    let mut speak = || -> io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&bytes)?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = speak().map_err(|error| {
        let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        SysError::new("read([slirp4netns])", errno)
    })?;
    serde_json::from_slice(&answer)
        .map_err(|_not_json| SysError::new("read([slirp4netns])", Errno::EPROTO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host_ip: Option<&str>, host_port: u16, container_port: u16) -> PublishedPort {
        PublishedPort {
            host_ip: host_ip.map(|ip| ip.parse().unwrap()),
            host_port,
            container_port,
            protocol: Protocol::Tcp,
        }
    }

    #[test]
    fn neighbours_are_one_range_for_pasta() {
        let udp = PublishedPort {
            protocol: Protocol::Udp,
            ..port(Some("::1"), 53, 53)
        };
        let ports = [
            port(None, 8000, 80),
            port(None, 8001, 81),
            port(None, 8002, 83),
            port(Some("127.0.0.1"), 8003, 84),
            udp,
        ];
        let expected = "-t 8000-8001:80-81 -t 8002:83 -t 127.0.0.1/8003:84 -u ::1/53:53";
        assert_eq!(words_for_pasta(&ports).join(" "), expected);
        assert!(words_for_pasta(&[]).is_empty());
    }

    #[test]
    fn slirp4netns_hears_what_it_knows() {
        let call = Call {
            execute: "add_hostfwd",
            arguments: Arguments {
                proto: Protocol::Tcp,
                host_addr: Ipv4Addr::UNSPECIFIED,
                host_port: 8080,
                guest_addr: Ipv4Addr::new(10, 0, 2, 100),
                guest_port: 80,
            },
        };
        insta::assert_snapshot!(serde_json::to_string(&call).unwrap(), @r#"{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"10.0.2.100","guest_port":80}}"#);
        let refused = check_for_slirp4netns(&[port(Some("::1"), 1, 1)]).unwrap_err();
        let expected = "slirp4netns publishes ports on IPv4 addresses alone, and not on ::1";
        assert_eq!(refused.to_string(), expected);
    }
}
