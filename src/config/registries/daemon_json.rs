// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What docker's daemon.json says of registries: `insecure-registries` and `registry-mirrors`.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::RegistriesError;
use super::reference::is_domain;
use crate::config::document::is_absent;
use crate::sys::Called;
use crate::sys::account::{Environment, xdg_directory};

/// The registries of every daemon.json that there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DaemonJson {
    /// Hosts with an optional port, and networks: `10.0.0.0/8`.
    insecure: Vec<Insecure>,
    /// Mirrors of docker.io.
    pub(super) mirrors: Vec<DockerMirror>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Insecure {
    Host(String),
    Network(IpAddr, u8),
}

/// A mirror of docker.io.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DockerMirror {
    /// `host[:port]`.
    pub(super) host: String,
    /// It was written as `http://…`.
    pub(super) plain: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Written {
    insecure_registries: Vec<String>,
    registry_mirrors: Vec<String>,
}

impl DaemonJson {
    /// Reads the system's file and the rootless daemon's.
    pub(super) fn load(env: Environment<'_>) -> Result<Self, RegistriesError> {
        let own = xdg_directory(env, "XDG_CONFIG_HOME", ".config").join("docker/daemon.json");
        let mut all = Self::default();
        for path in [own, PathBuf::from("/etc/docker/daemon.json")] {
            all.merge_file(&path)?;
        }
        Ok(all)
    }

    fn merge_file(&mut self, path: &Path) -> Result<(), RegistriesError> {
        let bytes = match fs::read(path) {
            Err(error) if is_absent(&error) => return Ok(()),
            result => result
                .called(|| format!("open({})", path.display()))
                .map_err(|source| RegistriesError::Unreadable {
                    path: path.to_owned(),
                    source,
                })?,
        };
        self.merge_bytes(path, &bytes)
    }

    /// Takes what `bytes`, found at `path`, say beside what is known.
    pub(super) fn merge_bytes(&mut self, path: &Path, bytes: &[u8]) -> Result<(), RegistriesError> {
        let written = serde_json::from_slice(bytes).map_err(|source| RegistriesError::Json {
            path: path.to_owned(),
            source,
        })?;
        self.merge(&written)
            .map_err(|value| RegistriesError::Daemon {
                path: path.to_owned(),
                value,
            })
    }

    /// An entry that means nothing is returned.
    fn merge(&mut self, written: &Written) -> Result<(), String> {
        for text in &written.insecure_registries {
            let entry = Insecure::parse(text).ok_or_else(|| text.clone())?;
            self.insecure.push(entry);
        }
        for text in &written.registry_mirrors {
            let mirror = DockerMirror::parse(text).ok_or_else(|| text.clone())?;
            self.mirrors.push(mirror);
        }
        Ok(())
    }

    /// Whether `host[:port]` may be spoken to without a certificate: what the file lists, and
    /// this machine itself. Host names are not looked up: a network fits addresses alone.
    pub(super) fn is_insecure(&self, host: &str) -> bool {
        let address = address_of(host);
        if is_loopback(host) {
            return true;
        }
        self.insecure.iter().any(|entry| match entry {
            Insecure::Host(listed) => listed == host,
            Insecure::Network(network, bits) => {
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
        })
    }
}

/// Whether `host[:port]` is this machine.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || address_of(host).is_some_and(|address| address.is_loopback())
}

/// The address in `1.2.3.4[:port]` and `[::1][:port]`.
fn address_of(host: &str) -> Option<IpAddr> {
    if let Some(bracketed) = host.strip_prefix('[') {
        let (address, _) = bracketed.split_once(']')?;
        return address.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    host.split(':').next()?.parse().ok()
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u8| {
        let drop = u32::from(width - bits.min(width));
        a.checked_shr(drop).unwrap_or(0) == b.checked_shr(drop).unwrap_or(0)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

impl Insecure {
    fn parse(text: &str) -> Option<Self> {
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let bits: u8 = bits.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= most).then_some(Self::Network(address, bits));
        }
        is_domain(text).then(|| Self::Host(text.to_owned()))
    }
}

impl DockerMirror {
    fn parse(text: &str) -> Option<Self> {
        let (rest, plain) = match text.strip_prefix("http://") {
            Some(rest) => (rest, true),
            None => (text.strip_prefix("https://")?, false),
        };
        let host = rest.trim_end_matches('/').to_owned();
        is_domain(&host).then_some(Self { host, plain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insecure_hosts() {
        let mut daemon = DaemonJson::default();
        let written = serde_json::from_str(
            r#"{"insecure-registries": ["reg.lan:5000", "10.0.0.0/8", "fd00::/8"], "debug": true}"#,
        );
        daemon.merge(&written.unwrap()).unwrap();
        for (host, insecure) in [
            ("reg.lan:5000", true),
            ("reg.lan", false),
            ("10.1.2.3:5000", true),
            ("11.1.2.3:5000", false),
            ("[fd00::1]:5000", true),
            ("localhost:5000", true),
            ("127.8.8.8:1", true),
            ("[::1]:1", true),
            ("localhost.example.com", false),
            ("docker.io", false),
        ] {
            assert_eq!(daemon.is_insecure(host), insecure, "{host}");
        }
    }

    #[test]
    fn mirrors_are_urls_without_a_path() {
        for (text, expected) in [
            ("https://m.io/", Some(("m.io", false))),
            ("http://m:5000", Some(("m:5000", true))),
            ("m.io", None),
            ("https://m.io/path", None),
            ("https://", None),
        ] {
            let mirror = DockerMirror::parse(text);
            let got = mirror.as_ref().map(|m| (m.host.as_str(), m.plain));
            assert_eq!(got, expected, "{text}");
        }
    }
}
