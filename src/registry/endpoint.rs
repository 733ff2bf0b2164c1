// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a registry is: plain data, from the configuration to the client.

use crate::config::certificates::Certificates;
use crate::config::registries::Trust;
use crate::oci::DOCKER_DOMAIN;

/// The host that serves the images of docker.io.
const DOCKER_HOST: &str = "registry-1.docker.io";

/// A registry server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `HOST` or `HOST:PORT` as image names write it; IPv6 addresses are in brackets.
    pub authority: String,
    /// Whether its certificate must hold.
    pub trust: Trust,
    /// What certs.d says for it.
    pub certificates: Certificates,
}

impl Endpoint {
    /// The registry that serves `domain`, the first part of an image name.
    pub fn of_domain(domain: &str, trust: Trust) -> Self {
        let authority = match domain {
            DOCKER_DOMAIN => DOCKER_HOST,
            other => other,
        };
        Self {
            authority: authority.to_owned(),
            trust,
            certificates: Certificates::default(),
        }
    }

    /// The host without its port and without brackets.
    pub fn host(&self) -> &str {
        if let Some(rest) = self.authority.strip_prefix('[') {
            return rest.split_once(']').map_or(rest, |(host, _)| host);
        }
        let parts = self.authority.split_once(':');
        parts.map_or(self.authority.as_str(), |(host, _)| host)
    }

    /// Whether it is this machine, in the way Docker tells: `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host.parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_by_the_name() {
        for (authority, host, is_loopback) in [
            ("localhost", "localhost", true),
            ("localhost:5000", "localhost", true),
            ("127.0.0.1:5000", "127.0.0.1", true),
            ("127.9.9.9", "127.9.9.9", true),
            ("[::1]:5000", "::1", true),
            ("[::2]", "::2", false),
            ("example.com:5000", "example.com", false),
            ("localhost.example.com", "localhost.example.com", false),
        ] {
            let endpoint = Endpoint::of_domain(authority, Trust::Verified);
            assert_eq!(endpoint.host(), host);
            assert_eq!(endpoint.is_loopback(), is_loopback, "{authority}");
        }
        let hub = Endpoint::of_domain("docker.io", Trust::Verified);
        assert_eq!(hub.authority, "registry-1.docker.io");
    }
}
