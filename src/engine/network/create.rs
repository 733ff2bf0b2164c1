// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Making a network: what the user asked for becomes a record, with addresses that no other
//! network has and that hide nothing which the host reaches.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use super::create_error::CreateNetworkError;
use super::listed::DEFAULT_NETWORK;
use super::subnets::{Pool, first_host, free_v4, free_v6, is_free, pools_of, usable, with_gateway};
use super::{DOCKER_DEFAULT, NetworkFailure, default_network};
use crate::engine::volume::Existing;
use crate::engine::{Dialect, Engine};
use crate::network::routes;
use crate::state::connection::Prefix;
use crate::state::id::ContainerId;
use crate::state::names::is_valid;
use crate::state::networks::{IpamDriver, LeasedSubnet, NetworkError, NetworkRecord, Route};
use crate::sys::process::random_bytes;

/// What is asked of a new network, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewNetwork {
    /// Its name; without one that of its interface.
    pub name: Option<String>,
    /// `--driver`; empty is `bridge`.
    pub driver: String,
    /// `--subnet` with its `--gateway` and `--ip-range`.
    pub subnets: Vec<NewSubnet>,
    /// `--route`.
    pub routes: Vec<String>,
    /// `--ipv6`.
    pub ipv6: bool,
    /// `--internal`.
    pub internal: bool,
    /// `--disable-dns`.
    pub disable_dns: bool,
    /// `--dns`.
    pub dns_servers: Vec<String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--opt`.
    pub options: BTreeMap<String, String>,
    /// `--interface-name`.
    pub interface: Option<String>,
    /// `--ipam-driver`.
    pub ipam_driver: Option<String>,
    /// What becomes of one of the same name.
    pub existing: Existing,
}

/// One subnet of a new network, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewSubnet {
    /// `--subnet`.
    pub subnet: String,
    /// `--gateway`.
    pub gateway: Option<String>,
    /// `--ip-range`: `FIRST-LAST`, or a smaller subnet.
    pub range: Option<String>,
}

/// Words of `--network` that no network can be called.
const MODES: [&str; 9] = [
    "none",
    "host",
    "bridge",
    "private",
    "slirp4netns",
    "pasta",
    "container",
    "ns",
    "default",
];

impl Engine {
    /// Makes a network; the value is its name.
    ///
    /// # Errors
    ///
    /// See [`NetworkFailure`]; nothing is left behind then.
    pub fn create_network(&self, new: NewNetwork) -> Result<NetworkRecord, NetworkFailure> {
        // The tree of the store is there then.
        self.store()?;
        let networks = self.networks();
        let lock = networks.lock()?;
        let mut others = networks.list()?;
        if others.iter().all(|one| one.name != DEFAULT_NETWORK) {
            others.push(default_network());
        }
        if let Some(name) = &new.name {
            check_name(name, self.dialect)?;
            let own = |one: &NetworkRecord| one.name == *name;
            if let Some(at) = others.iter().position(own) {
                return match new.existing {
                    Existing::Keep => Ok(others.swap_remove(at)),
                    Existing::Refuse => Err(NetworkError::Exists { name: name.clone() }.into()),
                };
            }
        }
        let conf = self.containers_conf()?;
        let pools = pools_of(conf.network.default_subnet_pools.as_deref());
        let record = resolve(new, &others, &routes::of_host(), &pools)?;
        networks.create(&lock, &record)?;
        Ok(record)
    }
}

fn check_name(name: &str, dialect: Dialect) -> Result<(), NetworkFailure> {
    let name = name.to_owned();
    if dialect == Dialect::Docker && name == DOCKER_DEFAULT {
        return Err(NetworkError::Exists { name }.into());
    }
    if MODES.contains(&name.as_str()) {
        return Err(CreateNetworkError::ModeName { name }.into());
    }
    if !is_valid(&name) {
        return Err(NetworkError::InvalidName { name }.into());
    }
    Ok(())
}

/// The record of a new network beside `others`, on a host with these routes.
fn resolve(
    new: NewNetwork,
    others: &[NetworkRecord],
    host: &[routes::HostRoute],
    pools: &[Pool],
) -> Result<NetworkRecord, CreateNetworkError> {
    check_driver(&new.driver)?;
    let ipam = ipam_driver(new.ipam_driver.as_deref())?;
    let (options, asked_interface) = options(new.options)?;
    let interface = interface(new.interface.or(asked_interface), others)?;
    let dns_enabled = !new.disable_dns && ipam != IpamDriver::None;
    let dns_servers = addresses(&new.dns_servers, "dns")?;
    if !dns_servers.is_empty() && !dns_enabled {
        return Err(CreateNetworkError::ServersWithoutDns);
    }
    let mut taken: Vec<Prefix> = others
        .iter()
        .flat_map(|one| &one.subnets)
        .map(|one| one.network)
        .collect();
    let direct = host.iter().filter(|route| route.direct);
    taken.extend(direct.map(|route| route.destination));
    let mut subnets = Vec::new();
    for asked in &new.subnets {
        let subnet = subnet(asked)?;
        if !is_free(subnet.network, &taken) {
            let subnet = subnet.network;
            return Err(CreateNetworkError::SubnetUsed { subnet });
        }
        taken.push(subnet.network);
        subnets.push(subnet);
    }
    if ipam == IpamDriver::HostLocal {
        // Where nobody says which, what the host reaches by a router counts as well.
        taken.extend(host.iter().map(|route| route.destination));
        add_free(&mut subnets, new.ipv6, &taken, pools)?;
    }
    if new.internal && !dns_enabled {
        // Nobody is to be reached there.
        for (subnet, asked) in subnets.iter_mut().zip(&new.subnets) {
            subnet.gateway = subnet.gateway.filter(|_| asked.gateway.is_some());
        }
    }
    let ipv6 = new.ipv6 || subnets.iter().any(|one| one.network.address.is_ipv6());
    Ok(NetworkRecord {
        name: new.name.unwrap_or_else(|| interface.clone()),
        id: ContainerId::from_random(&random_bytes()).to_string(),
        interface,
        created: Timestamp::now(),
        subnets,
        routes: new
            .routes
            .iter()
            .map(|text| route(text))
            .collect::<Result<_, _>>()?,
        ipv6,
        internal: new.internal,
        dns_enabled,
        dns_servers,
        labels: new.labels,
        options,
        ipam,
    })
}

fn check_driver(driver: &str) -> Result<(), CreateNetworkError> {
    let driver = driver.to_owned();
    match driver.as_str() {
        "" | "bridge" => Ok(()),
        "macvlan" | "ipvlan" => Err(CreateNetworkError::DriverNeedsRoot { driver }),
        _ => Err(CreateNetworkError::Driver { driver }),
    }
}

/// docker's `default` is the usual one.
fn ipam_driver(driver: Option<&str>) -> Result<IpamDriver, CreateNetworkError> {
    match driver {
        None | Some("" | "host-local" | "default") => Ok(IpamDriver::HostLocal),
        Some("none") => Ok(IpamDriver::None),
        Some(other) => Err(CreateNetworkError::Ipam {
            driver: other.to_owned(),
        }),
    }
}

/// A subnet of each family that is wanted and not there.
fn add_free(
    subnets: &mut Vec<LeasedSubnet>,
    ipv6: bool,
    taken: &[Prefix],
    pools: &[Pool],
) -> Result<(), CreateNetworkError> {
    let has = |subnets: &[LeasedSubnet], v4: bool| {
        let mut families = subnets.iter().map(|one| one.network.address.is_ipv4());
        families.any(|family| family == v4)
    };
    if subnets.is_empty() || ipv6 && !has(subnets, true) {
        let free = free_v4(taken, pools).ok_or(CreateNetworkError::NoFreeSubnet)?;
        subnets.push(with_gateway(free));
    }
    if ipv6 && !has(subnets, false) {
        subnets.push(with_gateway(free_v6(taken, random_bytes)));
    }
    Ok(())
}

fn subnet(asked: &NewSubnet) -> Result<LeasedSubnet, CreateNetworkError> {
    let subnet = asked.subnet.parse::<Prefix>()?.network();
    let gateway = match &asked.gateway {
        None => first_host(subnet),
        Some(text) => {
            let gateway = address(text, "gateway")?;
            if !subnet.contains(gateway) {
                return Err(CreateNetworkError::Gateway { gateway, subnet });
            }
            Some(gateway)
        }
    };
    Ok(LeasedSubnet {
        network: subnet,
        gateway,
        range: match &asked.range {
            Some(text) => Some(range(text, subnet)?),
            None => None,
        },
    })
}

fn range(text: &str, subnet: Prefix) -> Result<(IpAddr, IpAddr), CreateNetworkError> {
    let (first, last) = if let Some((first, last)) = text.split_once('-') {
        (range_end("start", first)?, range_end("end", last)?)
    } else {
        let smaller = text.parse::<Prefix>()?;
        usable(smaller).unwrap_or((smaller.address, smaller.address))
    };
    for (end, address) in [("start", first), ("end", last)] {
        if !subnet.contains(address) {
            return Err(CreateNetworkError::RangeOutside {
                end,
                address,
                subnet,
            });
        }
    }
    Ok((first, last))
}

fn range_end(end: &'static str, text: &str) -> Result<IpAddr, CreateNetworkError> {
    text.parse().map_err(|_error| CreateNetworkError::RangeEnd {
        end,
        text: text.to_owned(),
    })
}

fn addresses(texts: &[String], flag: &'static str) -> Result<Vec<IpAddr>, CreateNetworkError> {
    texts.iter().map(|text| address(text, flag)).collect()
}

fn address(text: &str, flag: &'static str) -> Result<IpAddr, CreateNetworkError> {
    text.parse().map_err(|_error| CreateNetworkError::Address {
        flag,
        text: text.to_owned(),
    })
}

fn route(text: &str) -> Result<Route, CreateNetworkError> {
    let fields: Vec<&str> = text.split(',').collect();
    let part = |part: &'static str, text: &str| CreateNetworkError::RoutePart {
        part,
        text: text.to_owned(),
    };
    let (destination, gateway, metric) = match fields.as_slice() {
        [destination, gateway] => (destination, gateway, None),
        [destination, gateway, metric] => (destination, gateway, Some(metric)),
        _ => {
            let text = text.to_owned();
            return Err(CreateNetworkError::Route { text });
        }
    };
    let parsed = destination.parse::<Prefix>().ok();
    Ok(Route {
        destination: parsed
            .filter(|prefix| prefix.network() == *prefix)
            .ok_or_else(|| part("destination", destination))?,
        gateway: gateway.parse().map_err(|_error| part("gateway", gateway))?,
        metric: match metric {
            Some(metric) => Some(metric.parse().map_err(|_error| part("metric", metric))?),
            None => None,
        },
    })
}

type Options = (BTreeMap<String, String>, Option<String>);

/// The options under podman's names, and the interface that docker's way names.
fn options(asked: BTreeMap<String, String>) -> Result<Options, CreateNetworkError> {
    let mut options = BTreeMap::new();
    let mut interface = None;
    for (key, value) in asked {
        let refuse = |reason: &'static str| CreateNetworkError::OptionValue {
            key: key.clone(),
            value: value.clone(),
            reason,
        };
        match key.as_str() {
            "com.docker.network.bridge.name" => interface = Some(value),
            "mtu" | "com.docker.network.driver.mtu" => {
                let is_mtu = value.parse::<u32>().is_ok_and(|mtu| mtu == 0 || mtu >= 68);
                if !is_mtu {
                    return Err(refuse("an mtu is a number of bytes, from 68 up"));
                }
                options.insert("mtu".to_owned(), value);
            }
            "isolate" => {
                let value = match value.as_str() {
                    "strict" => "strict",
                    "true" | "1" => "true",
                    "false" | "0" => "false",
                    _ => return Err(refuse("it is true, false or strict")),
                };
                options.insert(key, value.to_owned());
            }
            "com.docker.network.bridge.enable_icc" if value == "false" => {
                return Err(refuse(
                    "containers of one network can always reach each other",
                ));
            }
            "mode" if value == "managed" => drop(options.insert(key, value)),
            "mode" | "vlan" | "vrf" => {
                return Err(refuse("it needs an interface of the host, and root"));
            }
            "metric" | "no_default_route" => return Err(refuse("not supported yet")),
            // docker's own mean nothing to a bridge of an ordinary user.
            docker if docker.starts_with("com.docker.network.") => {
                options.insert(key, value);
            }
            _ => return Err(CreateNetworkError::Option { key }),
        }
    }
    Ok((options, interface))
}

/// The longest name that the kernel takes.
const INTERFACE_BYTES: usize = 15;

fn interface(
    asked: Option<String>,
    others: &[NetworkRecord],
) -> Result<String, CreateNetworkError> {
    let is_used = |name: &str| {
        others
            .iter()
            .any(|one| one.interface == name || one.name == name)
    };
    let Some(name) = asked.filter(|name| !name.is_empty()) else {
        let mut names = (1_u32..).map(|number| format!("podman{number}"));
        let free = names.find(|name| !is_used(name));
        return Ok(free.expect("there are more numbers than networks"));
    };
    let reason = if name.len() > INTERFACE_BYTES {
        "interface name is too long: interface names must be 15 characters or less"
    } else if name == "." || name == ".." {
        "interface name is . or .."
    } else if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) {
        "interface name contains / or : or whitespace characters"
    } else if others.iter().any(|one| one.interface == name) {
        return Err(CreateNetworkError::InterfaceUsed { name });
    } else {
        return Ok(name);
    };
    Err(CreateNetworkError::Interface { name, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(new: NewNetwork) -> Result<NetworkRecord, String> {
        let vpn = routes::HostRoute {
            destination: "10.0.0.0/8".parse().unwrap(),
            direct: false,
        };
        let lan = routes::HostRoute {
            destination: "192.168.7.0/24".parse().unwrap(),
            direct: true,
        };
        resolve(new, &[default_network()], &[vpn, lan], &[]).map_err(|error| error.to_string())
    }

    fn with_subnet(subnet: &str, gateway: Option<&str>, range: Option<&str>) -> NewNetwork {
        NewNetwork {
            subnets: vec![NewSubnet {
                subnet: subnet.to_owned(),
                gateway: gateway.map(str::to_owned),
                range: range.map(str::to_owned),
            }],
            ..NewNetwork::default()
        }
    }

    fn with_option(key: &str, value: &str) -> NewNetwork {
        NewNetwork {
            options: BTreeMap::from([(key.to_owned(), value.to_owned())]),
            ..NewNetwork::default()
        }
    }

    #[test]
    fn a_network_of_which_nothing_is_said_hides_no_route() {
        let record = made(NewNetwork::default()).unwrap();
        assert_eq!(
            (record.name.as_str(), record.interface.as_str()),
            ("podman1", "podman1")
        );
        assert_eq!(record.subnets.len(), 1);
        assert_eq!(record.subnets[0].network.to_string(), "172.20.0.0/24");
        assert_eq!(record.subnets[0].gateway, "172.20.0.1".parse().ok());
        assert!(record.dns_enabled && !record.ipv6);
        let both = made(NewNetwork {
            ipv6: true,
            ..NewNetwork::default()
        });
        let both = both.unwrap().subnets;
        assert_eq!(both.len(), 2);
        assert!(both[1].network.to_string().starts_with("fd"), "{both:?}");
    }

    #[test]
    fn addresses_as_asked() {
        let range = Some("10.5.0.16/28");
        let record = made(with_subnet("10.5.0.9/24", Some("10.5.0.254"), range)).unwrap();
        let [subnet] = record.subnets.as_slice() else {
            panic!("one subnet: {record:?}");
        };
        assert_eq!(subnet.network.to_string(), "10.5.0.0/24");
        assert_eq!(subnet.gateway, "10.5.0.254".parse().ok());
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(subnet.range, Some((parse("10.5.0.17"), parse("10.5.0.30"))));
        let six = made(with_subnet(
            "fd00:4::/64",
            None,
            Some("fd00:4::10-fd00:4::20"),
        ))
        .unwrap();
        assert!(six.ipv6);
        assert_eq!(six.subnets[0].gateway, Some(parse("fd00:4::1")));
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let cases = [
            (
                with_subnet("10.5.0.0", None, None),
                "invalid CIDR address: 10.5.0.0",
            ),
            (
                with_subnet("10.88.4.0/24", None, None),
                "subnet 10.88.4.0/24 is already used on the host or by another config",
            ),
            (
                with_subnet("192.168.0.0/16", None, None),
                "subnet 192.168.0.0/16 is already used on the host or by another config",
            ),
            (
                with_subnet("10.5.0.0/24", Some("10.6.0.1"), None),
                "gateway 10.6.0.1 not in subnet 10.5.0.0/24",
            ),
            (
                with_subnet("10.5.0.0/24", None, Some("10.5.0.9-10.5.1.1")),
                "lease range end ip 10.5.1.1 not in subnet 10.5.0.0/24",
            ),
            (
                with_subnet("10.5.0.0/24", None, Some("x-10.5.1.1")),
                "range start ip \"x\" is not a ip address",
            ),
            (
                with_option("foo", "bar"),
                "unsupported bridge network option foo",
            ),
            (
                with_option("isolate", "maybe"),
                "network option isolate=maybe: it is true, false or strict",
            ),
            (
                NewNetwork {
                    interface: Some("a very long interface name".to_owned()),
                    ..NewNetwork::default()
                },
                "network interface name a very long interface name invalid: interface name is too \
                 long: interface names must be 15 characters or less: invalid argument",
            ),
            (
                NewNetwork {
                    disable_dns: true,
                    dns_servers: vec!["1.1.1.1".to_owned()],
                    ..NewNetwork::default()
                },
                "cannot set NetworkDNSServers if DNS is not enabled for the network: invalid \
                 argument",
            ),
            (
                NewNetwork {
                    routes: vec!["10.1.0.0/16".to_owned()],
                    ..NewNetwork::default()
                },
                "invalid route: 10.1.0.0/16\nFormat: --route <destination in \
                 CIDR>,<gateway>,<metric (optional)>",
            ),
        ];
        for (new, expected) in cases {
            assert_eq!(made(new.clone()).unwrap_err(), expected, "{new:?}");
        }
    }

    #[test]
    fn options_have_podmans_names() {
        let new = NewNetwork {
            options: [
                ("com.docker.network.driver.mtu", "1400"),
                ("com.docker.network.bridge.name", "br7"),
                ("isolate", "1"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
            ..NewNetwork::default()
        };
        let record = made(new).unwrap();
        assert_eq!(record.interface, "br7");
        let options: Vec<_> = record.options.iter().collect();
        assert_eq!(
            format!("{options:?}"),
            r#"[("isolate", "true"), ("mtu", "1400")]"#
        );
    }
}
