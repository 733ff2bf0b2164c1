// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The networks that are there without being made: nobody can change or remove them.

use jiff::Timestamp;

use super::Dialect;
use crate::oci::Digest;

/// A network that is always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultNetwork {
    /// Its name.
    pub name: &'static str,
    /// 64 hexadecimal digits made from its name, so that they are the same everywhere.
    pub id: String,
    /// `bridge`, `host`, `null`.
    pub driver: &'static str,
    /// The bridge's interface; empty where there is none.
    pub interface: &'static str,
    /// Its addresses.
    pub subnet: Option<&'static str>,
    /// When it was made: now, since it lives in no file.
    pub created: String,
}

/// The networks of `dialect`: podman has one, docker three.
pub fn default_networks(dialect: Dialect) -> Vec<DefaultNetwork> {
    let bridge = |name| network(name, "bridge", "podman0", Some("10.88.0.0/16"));
    match dialect {
        Dialect::Podman => vec![bridge("podman")],
        Dialect::Docker => vec![
            bridge("bridge"),
            network("host", "host", "", None),
            network("none", "null", "", None),
        ],
    }
}

fn network(
    name: &'static str,
    driver: &'static str,
    interface: &'static str,
    subnet: Option<&'static str>,
) -> DefaultNetwork {
    DefaultNetwork {
        name,
        id: Digest::sha256(name.as_bytes()).hex().to_owned(),
        driver,
        interface,
        subnet,
        created: Timestamp::now().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_network_has_podmans_id() {
        let networks = default_networks(Dialect::Podman);
        assert_eq!(
            networks[0].id,
            "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9"
        );
        let names: Vec<_> = default_networks(Dialect::Docker)
            .iter()
            .map(|net| net.name)
            .collect();
        assert_eq!(names, ["bridge", "host", "none"]);
    }
}
