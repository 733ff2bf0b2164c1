// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whom the host asks: its resolv.conf as it is at the moment, local servers and those of a VPN
//! among them. Never anybody whom it does not name.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use nix::net::if_::if_nametoindex;

/// Most servers that are asked, as in the C library.
const SERVERS_MAX: usize = 3;
const DNS_PORT: u16 = 53;

/// The host's servers, read again when the file is another one.
#[derive(Debug)]
pub(super) struct HostServers {
    path: PathBuf,
    seen: Option<(u64, u64, i64, i64)>,
    servers: Vec<SocketAddr>,
}

impl HostServers {
    pub(super) fn of(path: PathBuf) -> Self {
        Self {
            path,
            seen: None,
            servers: Vec::new(),
        }
    }

    pub(super) fn now(&mut self) -> &[SocketAddr] {
        // Links are followed: what they lead to may be replaced.
        let seen = fs::metadata(&self.path)
            .ok()
            .map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec()));
        if seen.is_none() || seen != self.seen {
            match fs::read_to_string(&self.path) {
                // It has moved to where we may not read: the last ones are better than none.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
                text => {
                    self.servers = servers(&text.unwrap_or_default());
                    self.seen = seen;
                }
            }
        }
        &self.servers
    }
}

fn servers(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server).and_then(address)
    };
    text.lines().filter_map(server).take(SERVERS_MAX).collect()
}

/// An address, in IPv6 with the interface that it is behind.
fn address(text: &str) -> Option<SocketAddr> {
    let Some((address, zone)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, DNS_PORT));
    };
    let scope = zone.parse().ok().or_else(|| if_nametoindex(zone).ok())?;
    Some(SocketAddrV6::new(address.parse().ok()?, DNS_PORT, 0, scope).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_a_file() {
        let text = "# nameserver 1.1.1.1\nsearch x\nnameserver 127.0.0.53\n nameserver ::1 # it\n\
                    nameserver nobody\nnameserver fe80::1%7\nnameserver 9.9.9.9\n";
        let texts: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["127.0.0.53:53", "[::1]:53", "[fe80::1%7]:53"]);
    }

    #[test]
    fn a_file_that_is_replaced_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resolv.conf");
        let mut servers = HostServers::of(path.clone());
        assert!(servers.now().is_empty());
        for server in ["10.0.0.1", "10.0.0.2"] {
            let new = directory.path().join("new");
            crate::state::atomic::replace_file(
                &new,
                format!("nameserver {server}\n").as_bytes(),
                crate::state::atomic::Durability::Unsynced,
            )
            .unwrap();
            fs::rename(&new, &path).unwrap();
            assert_eq!(servers.now(), [format!("{server}:53").parse().unwrap()]);
        }
        fs::remove_file(&path).unwrap();
        assert!(servers.now().is_empty());
    }
}
