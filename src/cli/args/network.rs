// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about the network, name resolution and ports.

use std::net::IpAddr;

use clap::Args;

use super::Namespace;
use crate::cli::failure::Failure;
use crate::config::containers_conf::ContainersSection;
use crate::engine::network::{JoiningError, network_requests, ports};
use crate::state::record::ContainerRequest;

/// Flags about the network.
#[derive(Debug, Default, Args)]
pub(crate) struct NetworkArgs {
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_delimiter = ',')]
    add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_delimiter = ',')]
    dns: Vec<String>,
    /// Set custom DNS options
    #[arg(long, alias = "dns-opt", value_delimiter = ',')]
    dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_delimiter = ',')]
    dns_search: Vec<String>,
    /// Expose a port or a range of ports
    #[arg(long, value_delimiter = ',')]
    expose: Vec<String>,
    /// `host_containers_internal_ip` of containers.conf.
    #[arg(skip)]
    host_address: Option<IpAddr>,
    /// Base file to create the /etc/hosts file inside the container, or "none"
    #[arg(long, value_name = "FILE")]
    hosts_file: Option<String>,
    /// Specify a static IPv4 address for the container
    #[arg(long, value_name = "IP")]
    ip: Option<String>,
    /// Specify a static IPv6 address for the container
    #[arg(long, value_name = "IP")]
    ip6: Option<String>,
    /// Container MAC address (e.g. 92:d0:c6:0a:29:33)
    #[arg(long, value_name = "MAC")]
    mac_address: Option<String>,
    /// Connect a container to a network
    #[arg(long, alias = "net")]
    network: Vec<String>,
    /// Add network-scoped alias for the container
    #[arg(long, value_delimiter = ',', alias = "net-alias")]
    network_alias: Vec<String>,
    /// Do not create /etc/hostname within the container
    #[arg(long)]
    no_hostname: bool,
    /// Do not create /etc/hosts within the container
    #[arg(long)]
    no_hosts: bool,
    /// Publish a container's port, or a range of ports, to the host
    #[arg(long, short, value_delimiter = ',')]
    publish: Vec<String>,
    /// Publish all exposed ports to random ports on the host interface
    #[arg(long, short = 'P')]
    publish_all: bool,
}

/// What is wrong with a flag about the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NetworkError {
    #[error("bad format for add-host: \"{text}\"")]
    AddHost { text: String },
    #[error("hostname in add-host \"{text}\" is empty")]
    AddHostName { text: String },
    #[error("invalid IP address in add-host: \"{address}\"")]
    AddHostAddress { address: String },
    #[error("{text} is not an ip address")]
    Address { text: String },
    #[error("none is not allowed to be specified with other DNS ip addresses")]
    NoneAmongServers,
    #[error("{text} is not a valid domain")]
    Domain { text: String },
    #[error("cannot pass additional search domains when also specifying '.'")]
    DotAmongDomains,
    #[error("conflicting options: dns and the network mode: {mode}")]
    DnsWithoutNetwork { mode: String },
    #[error("--no-hosts and --{other} cannot be set together")]
    NoHosts { other: &'static str },
    #[error(
        "cannot set multiple networks without bridge network mode, selected mode {mode}: invalid argument"
    )]
    ManyNetworks { mode: String },
    #[error("network name cannot be empty")]
    EmptyNetwork,
    #[error(
        "cannot set extra host entries when the container is joined to another containers network namespace: invalid configuration"
    )]
    HostsOfAnother,
    #[error("--hosts-file image: not supported yet")]
    HostsOfImage,
    #[error(transparent)]
    Port(#[from] ports::PortError),
    #[error(transparent)]
    Joining(#[from] JoiningError),
}

impl NetworkArgs {
    /// Takes from containers.conf what the flags leave open, as far as it goes with them.
    pub(super) fn default_from(&mut self, conf: &ContainersSection) {
        if self.network.is_empty() {
            self.network.extend(conf.netns.clone());
        }
        // `none` is no address: then it is found out as well.
        let address = conf.host_containers_internal_ip.as_deref();
        self.host_address = address.and_then(|text| text.parse().ok());
        if self.add_host.is_empty() && self.hosts_file.is_none() {
            self.no_hosts |= conf.no_hosts == Some(true);
        }
        if !self.no_hosts && self.hosts_file.is_none() {
            self.hosts_file = conf.base_hosts_file.clone().filter(|file| !file.is_empty());
        }
        let mode = self.network.first().map_or("", String::as_str);
        if mode == "none" || mode == "pod" || mode.starts_with("container:") {
            return;
        }
        let fill = |flag: &mut Vec<String>, values: &Option<Vec<String>>| {
            if flag.is_empty() {
                flag.extend(values.iter().flatten().cloned());
            }
        };
        fill(&mut self.dns, &conf.dns_servers);
        fill(&mut self.dns_option, &conf.dns_options);
        fill(&mut self.dns_search, &conf.dns_searches);
    }

    /// Lets `--network-driver` decide where no network is named.
    pub(super) fn choose(&mut self, driver: Option<&str>) {
        let named = self.network.first().map_or("", String::as_str);
        if !matches!(named, "" | "default" | "private") {
            return;
        }
        let mode = match driver {
            Some("native") => "bridge",
            Some(program @ ("pasta" | "slirp4netns" | "none")) => program,
            _ => return,
        };
        self.network = vec![mode.to_owned()];
    }

    /// Lets the usual driver decide where neither flags nor configuration ask for anything that
    /// bridges alone have.
    pub(super) fn choose_usual(&mut self, driver: Option<&str>) {
        let for_bridges = self.ip.is_some()
            || self.ip6.is_some()
            || self.mac_address.is_some()
            || !self.network_alias.is_empty();
        if !for_bridges {
            self.choose(driver);
        }
    }

    /// One of the flags that were given.
    pub(super) fn asked_for(&self) -> Option<&'static str> {
        let flags = [
            ("add-host", !self.add_host.is_empty()),
            ("dns", !self.dns.is_empty()),
            ("dns-option", !self.dns_option.is_empty()),
            ("dns-search", !self.dns_search.is_empty()),
            ("hosts-file", self.hosts_file.is_some()),
            ("ip", self.ip.is_some()),
            ("ip6", self.ip6.is_some()),
            ("mac-address", self.mac_address.is_some()),
            ("network", !self.network.is_empty()),
            ("network-alias", !self.network_alias.is_empty()),
            ("no-hosts", self.no_hosts),
            ("publish", !self.publish.is_empty()),
        ];
        let given = flags.into_iter().find(|(_, given)| *given);
        given.map(|(flag, _)| flag)
    }

    /// Whose the network namespace is.
    pub(super) fn namespace(&self) -> Namespace {
        let mode = self.network.first().map_or("", String::as_str);
        if mode == "host" || mode.starts_with("container:") || mode.starts_with("ns:") {
            Namespace::Shared
        } else {
            Namespace::Own
        }
    }

    /// Writes what these flags ask for into `request`; the value is what the user should be told.
    pub(crate) fn fill(
        mut self,
        request: &mut ContainerRequest,
    ) -> Result<Option<String>, NetworkError> {
        // As for podman, which reads a line of values from each.
        self.publish.retain(|text| !text.is_empty());
        self.check()?;
        let mode = self.network.first().map_or("", String::as_str);
        let publishes = !self.publish.is_empty() || self.publish_all;
        let discarded = discarded_ports(mode).filter(|_| publishes);
        request.networks = match mode {
            "" | "default" | "private" => Vec::new(),
            _ => self.network,
        };
        request.add_host = self.add_host;
        request.dns = self.dns;
        request.dns_option = self.dns_option;
        request.dns_search = self.dns_search;
        request.expose = self.expose;
        request.hosts_file = self.hosts_file;
        request.no_hostname = self.no_hostname;
        request.no_hosts = self.no_hosts;
        request.host_address = self.host_address;
        request.ip = self.ip;
        request.ip6 = self.ip6;
        request.mac_address = self.mac_address;
        request.network_alias = self.network_alias;
        if discarded.is_none() {
            request.publish = self.publish;
            request.publish_all = self.publish_all;
        }
        network_requests(request)?;
        Ok(discarded)
    }

    fn check(&self) -> Result<(), NetworkError> {
        self.add_host
            .iter()
            .try_for_each(|text| check_add_host(text))?;
        check_servers(&self.dns)?;
        check_domains(&self.dns_search)?;
        if self.no_hosts && !self.add_host.is_empty() {
            return Err(NetworkError::NoHosts { other: "add-host" });
        }
        if self.hosts_file.as_deref() == Some("image") {
            return Err(NetworkError::HostsOfImage);
        }
        if self.no_hosts && self.hosts_file.is_some() {
            return Err(NetworkError::NoHosts {
                other: "hosts-file",
            });
        }
        check_networks(&self.network)?;
        let mode = self.network.first().map_or("", String::as_str);
        let joined = mode.starts_with("container:");
        let any_dns = [&self.dns, &self.dns_option, &self.dns_search];
        if (mode == "none" || joined) && any_dns.iter().any(|list| !list.is_empty()) {
            let mode = mode.split(':').next().unwrap_or_default().to_owned();
            return Err(NetworkError::DnsWithoutNetwork { mode });
        }
        if joined && !self.add_host.is_empty() {
            return Err(NetworkError::HostsOfAnother);
        }
        self.expose
            .iter()
            .try_for_each(|text| ports::parse_exposed(text).map(drop))?;
        ports::published_ports(&self.publish, false, &[])?;
        Ok(())
    }
}

/// A flag that is refused, with podman's code.
pub(super) fn failure(error: NetworkError) -> Failure {
    let code = match error {
        // For podman this is a matter of the program that would forward it.
        NetworkError::Port(ports::PortError::Sctp { .. }) => 126,
        _ => 125,
    };
    Failure::with_code(code, error)
}

/// `name[;name…]:address`, where the address may be `host-gateway`.
fn check_add_host(text: &str) -> Result<(), NetworkError> {
    let Some((names, address)) = text.split_once(':').filter(|(names, _)| !names.is_empty()) else {
        return Err(NetworkError::AddHost {
            text: text.to_owned(),
        });
    };
    if names.split(';').any(str::is_empty) {
        return Err(NetworkError::AddHostName {
            text: text.to_owned(),
        });
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(address);
    if address != "host-gateway" && address.trim().parse::<IpAddr>().is_err() {
        return Err(NetworkError::AddHostAddress {
            address: address.to_owned(),
        });
    }
    Ok(())
}

fn check_servers(servers: &[String]) -> Result<(), NetworkError> {
    for server in servers {
        if server == "none" {
            if servers.len() > 1 {
                return Err(NetworkError::NoneAmongServers);
            }
        } else if server.parse::<IpAddr>().is_err() {
            return Err(NetworkError::Address {
                text: server.clone(),
            });
        }
    }
    Ok(())
}

fn check_domains(domains: &[String]) -> Result<(), NetworkError> {
    for domain in domains {
        if domain == "." {
            if domains.len() > 1 {
                return Err(NetworkError::DotAmongDomains);
            }
        } else if !is_domain(domain) {
            return Err(NetworkError::Domain {
                text: domain.clone(),
            });
        }
    }
    Ok(())
}

fn is_domain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() < 255
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
        && name.split('.').all(label)
}

/// Whether the modes stand where they can; whether there is a network or a pod is seen later.
fn check_networks(networks: &[String]) -> Result<(), NetworkError> {
    let Some(first) = networks.first() else {
        return Ok(());
    };
    if first.is_empty() && networks.len() > 1 {
        return Err(NetworkError::EmptyNetwork);
    }
    if first == "pod" && networks.len() > 1 {
        return Err(NetworkError::ManyNetworks {
            mode: first.clone(),
        });
    }
    Ok(())
}

/// Ports of a container without a network of its own are discarded and told, as in podman.
fn discarded_ports(mode: &str) -> Option<String> {
    let kind = mode.split(':').next().unwrap_or(mode);
    matches!(kind, "none" | "host" | "container" | "ns").then(|| {
        format!(
            "Port mappings have been discarded because \"{kind}\" network namespace mode does not \
             support them"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn networks(words: &[&str]) -> Result<Vec<String>, String> {
        let mut request = ContainerRequest::default();
        let args = NetworkArgs {
            network: strings(words),
            ..NetworkArgs::default()
        };
        args.fill(&mut request)
            .map(|_| request.networks)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn networks_are_kept_as_typed_or_refused() {
        for kept in [
            "none",
            "host",
            "pasta:-t,8080",
            "slirp4netns:mtu=1500",
            "container:web",
            "ns:/run/netns/x",
            "bridge",
            "web:alias=a",
        ] {
            assert_eq!(networks(&[kept]), Ok(strings(&[kept])), "{kept}");
        }
        assert_eq!(networks(&["private"]), Ok(Vec::new()));
        let cases = [
            (
                &["web:colour=blue"][..],
                "unknown option \"colour=blue\" for network web",
            ),
            (
                &["none", "host"],
                "cannot set multiple networks without bridge network mode, selected mode none: invalid argument",
            ),
        ];
        for (words, message) in cases {
            assert_eq!(networks(words), Err(message.to_owned()));
        }
    }

    #[test]
    fn hosts_and_servers_are_checked() {
        for good in ["db:10.0.0.1", "a;b:::1", "gw:host-gateway", "six:[fe80::1]"] {
            assert_eq!(check_add_host(good), Ok(()), "{good}");
        }
        let cases = [
            ("db", "bad format for add-host: \"db\""),
            (":1.1.1.1", "bad format for add-host: \":1.1.1.1\""),
            ("a;:1.1.1.1", "hostname in add-host \"a;:1.1.1.1\" is empty"),
            ("db:x", "invalid IP address in add-host: \"x\""),
        ];
        for (text, message) in cases {
            assert_eq!(check_add_host(text).unwrap_err().to_string(), message);
        }
        assert!(check_servers(&strings(&["8.8.8.8", "::1"])).is_ok());
        assert!(check_servers(&strings(&["8.8.8.8", "none"])).is_err());
        assert!(check_servers(&strings(&["dns.example"])).is_err());
        assert!(check_domains(&strings(&["example.com", "a-b."])).is_ok());
        assert!(check_domains(&strings(&["exa mple"])).is_err());
    }

    #[test]
    fn ports_need_a_network() {
        let discarded = discarded_ports("container:web").unwrap();
        assert!(discarded.contains("because \"container\" network"));
        for mode in ["", "pasta:-t,80", "slirp4netns", "web"] {
            assert_eq!(discarded_ports(mode), None);
        }
    }

    #[test]
    fn conflicts_are_named() {
        let cases = [
            (
                NetworkArgs {
                    no_hosts: true,
                    add_host: strings(&["a:1.1.1.1"]),
                    ..NetworkArgs::default()
                },
                "--no-hosts and --add-host cannot be set together",
            ),
            (
                NetworkArgs {
                    network: strings(&["none"]),
                    dns: strings(&["1.1.1.1"]),
                    ..NetworkArgs::default()
                },
                "conflicting options: dns and the network mode: none",
            ),
        ];
        for (args, message) in cases {
            let error = args.fill(&mut ContainerRequest::default()).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
