// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `--network` asks for.
//!
//! ```text
//! none | host | private | default | bridge[:ip=,ip6=,mac=,alias=,interface_name=…]
//! slirp4netns[:mtu=,cidr=,allow_host_loopback=,enable_ipv6=,outbound_addr=…] | pasta[:WORD,…]
//! container:ID | ns:PATH | NAME[:options][,NAME…]
//! ```

use std::net::IpAddr;
use std::path::PathBuf;

use super::uplink::slirp4netns;
use crate::state::connection::{MacError, NetworkRequest};

/// A container's network, as asked for with one or more `--network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// Whatever is the default: no word, `default` or `private`.
    Private,
    /// A namespace with a loopback interface alone.
    None,
    /// The caller's own network.
    Host,
    /// Outbound traffic by slirp4netns, with these options, which are valid.
    Slirp4netns(Vec<String>),
    /// Outbound traffic by pasta, with these words for it.
    Pasta(Vec<String>),
    /// The network of another container, by name or id.
    Container(String),
    /// The namespace at this path.
    Namespace(PathBuf),
    /// One or more networks by name; `bridge` is the default one's.
    Named(Vec<NetworkRequest>),
}

/// A `--network` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// A mode that stands alone, beside another network.
    #[error(
        "cannot set multiple networks without bridge network mode, selected mode {mode}: \
         invalid argument"
    )]
    NotAlone {
        /// The mode.
        mode: String,
    },
    /// An option for a mode that has none.
    #[error("network mode {mode} takes no options, but got {options:?}")]
    NoOptions {
        /// The mode.
        mode: String,
        /// What stands behind the colon.
        options: String,
    },
    /// `ns:` alone.
    #[error("must provide a path to a namespace when specifying \"ns:\"")]
    NoPath,
    /// `container:` alone.
    #[error("must provide name or ID or a container when specifying \"container:\"")]
    NoContainer,
    /// A network without a name.
    #[error("network name cannot be empty in --network {value:?}: invalid argument")]
    NoName {
        /// As typed.
        value: String,
    },
    /// An option of slirp4netns that does not exist or cannot be read.
    #[error(transparent)]
    Slirp4netns(#[from] slirp4netns::OptionError),
    /// An option of a network that does not exist.
    #[error("unknown option {option:?} for network {network}")]
    UnknownOption {
        /// The network.
        network: String,
        /// The option as typed.
        option: String,
    },
    /// A hardware address that is none.
    #[error(transparent)]
    Mac(#[from] MacError),
    /// An address that is none.
    #[error("invalid IP address {value:?} for network {network}")]
    Address {
        /// The network.
        network: String,
        /// As typed.
        value: String,
    },
}

/// The network of the default bridge, which needs no name of its own.
pub const BRIDGE: &str = "bridge";

impl NetworkMode {
    /// Reads the values of all `--network` options of one container.
    ///
    /// # Errors
    ///
    /// [`ModeError`], which names what cannot be understood.
    pub fn parse(values: &[String]) -> Result<Self, ModeError> {
        let Some((first, others)) = values.split_first() else {
            return Ok(Self::Private);
        };
        let mode = Self::parse_one(first)?;
        if others.is_empty() {
            return Ok(mode);
        }
        let mut all = mode.into_attachments(first)?;
        for other in others {
            all.extend(Self::parse_one(other)?.into_attachments(other)?);
        }
        Ok(Self::Named(all))
    }

    fn parse_one(value: &str) -> Result<Self, ModeError> {
        let (word, options) = match value.split_once(':') {
            Some((word, options)) => (word, Some(options)),
            None => (value, None),
        };
        let alone = |mode: Self| match options {
            None => Ok(mode),
            Some(options) => Err(ModeError::NoOptions {
                mode: word.to_owned(),
                options: options.to_owned(),
            }),
        };
        match word {
            "none" => alone(Self::None),
            "host" => alone(Self::Host),
            "private" | "default" => alone(Self::Private),
            "" if options.is_none() => Ok(Self::Private),
            "slirp4netns" => {
                let options = words(options.unwrap_or_default());
                slirp4netns::Options::parse(options.clone())?;
                Ok(Self::Slirp4netns(options.map(str::to_owned).collect()))
            }
            "pasta" => {
                let options = words(options.unwrap_or_default());
                Ok(Self::Pasta(options.map(str::to_owned).collect()))
            }
            "container" => match options {
                None | Some("") => Err(ModeError::NoContainer),
                Some(container) => Ok(Self::Container(container.to_owned())),
            },
            "ns" => match options {
                None | Some("") => Err(ModeError::NoPath),
                Some(path) => Ok(Self::Namespace(PathBuf::from(path))),
            },
            _ => networks(value, word, options).map(Self::Named),
        }
    }

    /// The networks, if the mode is of the kind that there can be several of.
    fn into_attachments(self, value: &str) -> Result<Vec<NetworkRequest>, ModeError> {
        match self {
            Self::Named(attachments) => Ok(attachments),
            Self::Private
            | Self::None
            | Self::Host
            | Self::Slirp4netns(_)
            | Self::Pasta(_)
            | Self::Container(_)
            | Self::Namespace(_) => Err(ModeError::NotAlone {
                mode: value.split(':').next().unwrap_or_default().to_owned(),
            }),
        }
    }
}

/// The words between commas that are not empty.
fn words(options: &str) -> impl Iterator<Item = &str> + Clone {
    options.split(',').filter(|word| !word.is_empty())
}

fn networks(
    value: &str,
    name: &str,
    options: Option<&str>,
) -> Result<Vec<NetworkRequest>, ModeError> {
    if name.split(',').any(str::is_empty) {
        return Err(ModeError::NoName {
            value: value.to_owned(),
        });
    }
    match options {
        Some(options) => Ok(vec![with_options(name, options)?]),
        None => Ok(name.split(',').map(plain).collect()),
    }
}

fn plain(network: &str) -> NetworkRequest {
    NetworkRequest {
        network: network.to_owned(),
        ..NetworkRequest::default()
    }
}

fn with_options(network: &str, options: &str) -> Result<NetworkRequest, ModeError> {
    let mut request = plain(network);
    for option in words(options) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            _ if value.is_empty() => return Err(unknown_option(network, option)),
            "ip" | "ip6" => request.addresses.push(address(network, value)?),
            "mac" => request.mac = Some(value.parse()?),
            "alias" => request.aliases.push(value.to_owned()),
            "interface_name" => request.interface = Some(value.to_owned()),
            _ => return Err(unknown_option(network, option)),
        }
    }
    Ok(request)
}

fn unknown_option(network: &str, option: &str) -> ModeError {
    ModeError::UnknownOption {
        network: network.to_owned(),
        option: option.to_owned(),
    }
}

fn address(network: &str, value: &str) -> Result<IpAddr, ModeError> {
    value.parse().or(Err(ModeError::Address {
        network: network.to_owned(),
        value: value.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> Result<NetworkMode, String> {
        let values = values
            .iter()
            .map(|value| (*value).to_owned())
            .collect::<Vec<_>>();
        NetworkMode::parse(&values).map_err(|error| error.to_string())
    }

    #[test]
    fn modes() {
        let named =
            |names: &[&str]| NetworkMode::Named(names.iter().map(|name| plain(name)).collect());
        let pasta = |words: &[&str]| {
            NetworkMode::Pasta(words.iter().map(|word| (*word).to_owned()).collect())
        };
        let cases: Vec<(&[&str], NetworkMode)> = vec![
            (&[], NetworkMode::Private),
            (&[""], NetworkMode::Private),
            (&["private"], NetworkMode::Private),
            (&["default"], NetworkMode::Private),
            (&["none"], NetworkMode::None),
            (&["host"], NetworkMode::Host),
            (&["slirp4netns"], NetworkMode::Slirp4netns(Vec::new())),
            (&["pasta"], pasta(&[])),
            (
                &["pasta:-t,8080:80,--map-gw"],
                pasta(&["-t", "8080:80", "--map-gw"]),
            ),
            (&["container:web"], NetworkMode::Container("web".to_owned())),
            (
                &["ns:/run/netns/x"],
                NetworkMode::Namespace("/run/netns/x".into()),
            ),
            (&["bridge"], named(&["bridge"])),
            (&["a,b"], named(&["a", "b"])),
            (&["a", "bridge", "b"], named(&["a", "bridge", "b"])),
        ];
        for (values, expected) in cases {
            assert_eq!(parse(values), Ok(expected), "{values:?}");
        }
    }

    #[test]
    fn options_of_a_network() {
        let expected = NetworkRequest {
            network: "web".to_owned(),
            addresses: vec!["10.1.0.5".parse().unwrap(), "fd00::5".parse().unwrap()],
            mac: "44:33:22:11:00:99".parse().ok(),
            aliases: vec!["a".to_owned(), "b".to_owned()],
            interface: Some("net0".to_owned()),
        };
        let value = "web:ip=10.1.0.5,ip=fd00::5,mac=44:33:22:11:00:99,alias=a,alias=b,\
                     interface_name=net0";
        assert_eq!(parse(&[value]), Ok(NetworkMode::Named(vec![expected])));
    }

    #[test]
    fn refused() {
        let cases: &[(&[&str], &str)] = &[
            (
                &["host", "a"],
                "cannot set multiple networks without bridge network mode, \
                              selected mode host: invalid argument",
            ),
            (
                &["a", "slirp4netns:mtu=1500"],
                "cannot set multiple networks without bridge \
                              network mode, selected mode slirp4netns: invalid argument",
            ),
            (
                &["none:x"],
                "network mode none takes no options, but got \"x\"",
            ),
            (
                &["ns:"],
                "must provide a path to a namespace when specifying \"ns:\"",
            ),
            (
                &["container:"],
                "must provide name or ID or a container when specifying \"container:\"",
            ),
            (
                &["a,,b"],
                "network name cannot be empty in --network \"a,,b\": invalid argument",
            ),
            (
                &[":ip=1.2.3.4"],
                "network name cannot be empty in --network \":ip=1.2.3.4\": invalid argument",
            ),
            (
                &["web:ip=300.1.1.1"],
                "invalid IP address \"300.1.1.1\" for network web",
            ),
            (
                &["web:colour=blue"],
                "unknown option \"colour=blue\" for network web",
            ),
            (&["web:alias"], "unknown option \"alias\" for network web"),
            (&["slirp4netns:mtu=1"], "invalid mtu \"1\""),
        ];
        for (values, expected) in cases {
            assert_eq!(parse(values), Err((*expected).to_owned()), "{values:?}");
        }
    }
}
