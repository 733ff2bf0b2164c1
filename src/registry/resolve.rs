// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Host names to addresses.
//!
//! A static program must not call getaddrinfo(3): glibc would load the host's name service
//! modules, which fit no other version of it. `getent` asks them in a process of its own, so that
//! /etc/hosts, mDNS, systemd-resolved and whatever else the host uses hold here too. Where there is
//! none (a musl system), the library answers, which then knows /etc/hosts and DNS.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::sys::child;

/// Answers that came before, for the life of a command.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    known: Mutex<HashMap<String, Vec<IpAddr>>>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        // At once, on the thread of the connections: a command asks for one or two hosts.
        let found = self.addresses(name.as_str());
        Box::pin(std::future::ready(match found {
            Ok(addresses) => {
                let sockets = addresses
                    .into_iter()
                    .map(|address| SocketAddr::new(address, 0));
                Ok(Box::new(sockets.collect::<Vec<_>>().into_iter()) as Addrs)
            }
            Err(error) => Err(error.into()),
        }))
    }
}

impl Resolver {
    fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let mut known = self
            .known
            .lock()
            .map_err(|_poisoned| io::ErrorKind::Other)?;
        if let Some(addresses) = known.get(host) {
            return Ok(addresses.clone());
        }
        let addresses = look_up(host)?;
        known.insert(host.to_owned(), addresses.clone());
        Ok(addresses)
    }
}

fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let unknown = || io::Error::other(format!("lookup {host}: no such host"));
    if host.starts_with('-') {
        return Err(unknown());
    }
    let mut command = Command::new("getent");
    command.args(["ahosts", host]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(running) = child::spawn(&mut command, &[]) else {
        let found = (host, 0).to_socket_addrs().map_err(|_resolver| unknown())?;
        return Ok(found.map(|socket| socket.ip()).collect());
    };
    let output = running.wait_with_output()?;
    let addresses = parse(&String::from_utf8_lossy(&output.stdout));
    if addresses.is_empty() {
        return Err(unknown());
    }
    Ok(addresses)
}

/// `ADDRESS STREAM NAME`, once for each kind of socket.
fn parse(text: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for line in text.lines() {
        let first = line.split_whitespace().next().map(str::parse);
        if let Some(Ok(address)) = first
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_getent() {
        let text = "::1             STREAM localhost\n::1             DGRAM  \n\
                    127.0.0.1       STREAM \nnonsense\n\n";
        let expected: Vec<IpAddr> = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn unknown_hosts_are_named() {
        for host in ["-h", "no-such-host.invalid"] {
            let error = look_up(host).unwrap_err().to_string();
            assert_eq!(error, format!("lookup {host}: no such host"));
        }
    }
}
