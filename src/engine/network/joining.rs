// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which networks a container is to be in: from the flags when it is made. What it is in then
//! stands in its record under the networks' own names.

use super::NetworkFailure;
use super::listed::DEFAULT_NETWORK;
use crate::engine::Engine;
use crate::network::mode::{BRIDGE, ModeError, NetworkMode};
use crate::state::connection::{MacError, NetworkRequest};
use crate::state::networks::{NetworkError, NetworksLock};
use crate::state::record::ContainerRequest;

/// Flags about networks that do not go together. The words are podman's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoiningError {
    /// `--network`.
    #[error(transparent)]
    Mode(#[from] ModeError),
    /// `--ip`, `--ip6`.
    #[error("\"{text}\" is not an ip address")]
    Address {
        /// As typed.
        text: String,
    },
    /// `--mac-address`.
    #[error(transparent)]
    Mac(#[from] MacError),
    /// A flag about a bridge, and none is there.
    #[error("--{flag} can only be set when the network mode is bridge: invalid argument")]
    NoBridge {
        /// The flag.
        flag: &'static str,
    },
    /// A flag about one network, and there are more.
    #[error("--{flag} can only be set for a single network: invalid argument")]
    Several {
        /// The flag.
        flag: &'static str,
    },
    /// One network twice.
    #[error("network {network} is named twice")]
    Twice {
        /// Which.
        network: String,
    },
}

/// The networks that `request` asks for, under the names typed, and whether it asks for a bridge
/// at all.
///
/// # Errors
///
/// See [`JoiningError`].
pub fn network_requests(
    request: &ContainerRequest,
) -> Result<Option<Vec<NetworkRequest>>, JoiningError> {
    let flags = [
        ("ip", request.ip.is_some()),
        ("ip6", request.ip6.is_some()),
        ("mac-address", request.mac_address.is_some()),
        ("network-alias", !request.network_alias.is_empty()),
    ];
    let given = flags.into_iter().find(|(_, given)| *given);
    let mut networks = match (NetworkMode::parse(&request.networks)?, given) {
        (NetworkMode::Named(networks), _) => networks,
        (NetworkMode::Private, Some(_)) => vec![the_default()],
        (NetworkMode::Private, None) => return Ok(None),
        (
            NetworkMode::None
            | NetworkMode::Host
            | NetworkMode::Slirp4netns(_)
            | NetworkMode::Pasta(_)
            | NetworkMode::Container(_)
            | NetworkMode::Namespace(_),
            given,
        ) => {
            return match given {
                Some((flag, _)) => Err(JoiningError::NoBridge { flag }),
                None => Ok(None),
            };
        }
    };
    match given {
        Some((flag, _)) if flag != "network-alias" && networks.len() > 1 => {
            return Err(JoiningError::Several { flag });
        }
        _ => {}
    }
    for text in request.ip.iter().chain(&request.ip6) {
        let address = text
            .parse()
            .map_err(|_error| JoiningError::Address { text: text.clone() })?;
        networks[0].addresses.push(address);
    }
    if let Some(text) = &request.mac_address {
        networks[0].mac = Some(text.parse()?);
    }
    for network in &mut networks {
        network
            .aliases
            .extend(request.network_alias.iter().cloned());
    }
    Ok(Some(networks))
}

fn the_default() -> NetworkRequest {
    NetworkRequest {
        network: BRIDGE.to_owned(),
        ..NetworkRequest::default()
    }
}

/// Networks of a container whose record is not written yet: nobody can remove them.
#[derive(Debug, Default)]
pub(in crate::engine) struct HeldNetworks {
    /// `None` where there are none that could go.
    _lock: Option<NetworksLock>,
}

impl Engine {
    /// The networks that `request` asks for, under their own names; they stay until the value is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Missing`], [`JoiningError`].
    pub(in crate::engine) fn hold_networks(
        &self,
        request: &ContainerRequest,
    ) -> Result<(Option<Vec<NetworkRequest>>, HeldNetworks), NetworkFailure> {
        let asked = match network_requests(request)? {
            Some(asked) => asked,
            None if self.defaults_to_bridge(request)? => vec![the_default()],
            None => return Ok((None, HeldNetworks::default())),
        };
        let is_default = |one: &NetworkRequest| one.network == BRIDGE;
        let lock = if asked.iter().all(is_default) {
            None
        } else {
            Some(self.networks().lock()?)
        };
        let mut named: Vec<NetworkRequest> = Vec::new();
        for request in asked {
            let network = self.named(&request)?;
            if named.iter().any(|one| one.network == network) {
                return Err(JoiningError::Twice { network }.into());
            }
            named.push(NetworkRequest { network, ..request });
        }
        Ok((Some(named), HeldNetworks { _lock: lock }))
    }

    /// Whether the default network is that of a container for which nothing was asked, neither on
    /// the command line nor in the configuration.
    fn defaults_to_bridge(&self, request: &ContainerRequest) -> Result<bool, NetworkFailure> {
        let parse = |values: &[String]| NetworkMode::parse(values).map_err(JoiningError::from);
        if parse(&request.networks)? != NetworkMode::Private {
            return Ok(false);
        }
        let conf = self.containers_conf()?;
        let configured = conf
            .containers
            .netns
            .clone()
            .filter(|_| request.networks.is_empty());
        let mode = parse(&configured.into_iter().collect::<Vec<_>>())?;
        let driver = conf.network.default_rootless_network_cmd.as_deref();
        let by_program = !matches!(driver, None | Some("auto" | "native"));
        Ok(mode == NetworkMode::Private && !by_program)
    }

    fn named(&self, request: &NetworkRequest) -> Result<String, NetworkError> {
        if request.network == BRIDGE {
            return Ok(DEFAULT_NETWORK.to_owned());
        }
        Ok(self.network_record(&request.network)?.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn flags_are_added_to_the_network() {
        let request = ContainerRequest {
            networks: strings(&["web:alias=a"]),
            ip: Some("10.1.0.9".to_owned()),
            mac_address: Some("92:d0:c6:0a:29:33".to_owned()),
            network_alias: strings(&["b"]),
            ..ContainerRequest::default()
        };
        let [web] = network_requests(&request)
            .unwrap()
            .unwrap()
            .try_into()
            .unwrap();
        let NetworkRequest {
            network,
            addresses,
            mac,
            aliases,
            ..
        } = web;
        assert_eq!((network.as_str(), aliases), ("web", strings(&["a", "b"])));
        assert_eq!(addresses, ["10.1.0.9".parse::<std::net::IpAddr>().unwrap()]);
        assert_eq!(mac.unwrap().to_string(), "92:d0:c6:0a:29:33");
        let default = ContainerRequest {
            network_alias: strings(&["b"]),
            ..ContainerRequest::default()
        };
        let default = network_requests(&default).unwrap().unwrap();
        assert_eq!(default[0].network, "bridge");
        assert_eq!(network_requests(&ContainerRequest::default()), Ok(None));
    }

    #[test]
    fn flags_that_do_not_go_together() {
        let asking = |networks: &[&str]| ContainerRequest {
            networks: strings(networks),
            ip: Some("10.1.0.9".to_owned()),
            ..ContainerRequest::default()
        };
        let wrong = ContainerRequest {
            ip: Some("10.1.0".to_owned()),
            ..ContainerRequest::default()
        };
        let cases = [
            (
                asking(&["host"]),
                "--ip can only be set when the network mode is bridge: invalid argument",
            ),
            (
                asking(&["a", "b"]),
                "--ip can only be set for a single network: invalid argument",
            ),
            (wrong, "\"10.1.0\" is not an ip address"),
        ];
        for (request, words) in cases {
            assert_eq!(network_requests(&request).unwrap_err().to_string(), words);
        }
    }
}
