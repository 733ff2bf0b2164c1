// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `network inspect` and `network ls` show of a network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::failure::in_dialect;
use crate::cli::args::list::ListFlags;
use crate::cli::{Context, Failure};
use crate::engine::Dialect;
use crate::engine::network::{ListedNetwork, NetworkFailure, NetworkMember};
use crate::output::listing::is_json;
use crate::output::value::{Struct, Value};
use crate::state::connection::{Attachment, Prefix};
use crate::state::networks::{IpamDriver, LeasedSubnet, NetworkError, NetworkRecord};

/// The document of the network that `name` means.
///
/// # Errors
///
/// A store that cannot be read.
pub(crate) fn inspected(context: &Context, name: &str) -> Result<Option<Value>, Failure> {
    let failed = |error: &NetworkFailure| in_dialect(context, error);
    let network = match context.engine.network(name) {
        Err(NetworkFailure::Network(NetworkError::Missing { .. })) => return Ok(None),
        found => found.map_err(|error| failed(&error))?,
    };
    let members = context.engine.network_members(&network);
    let members = members.map_err(|error| failed(&error))?;
    Ok(Some(match context.engine.dialect {
        Dialect::Podman => {
            let members = members.iter();
            let members = members.map(|one| (one.id.to_string(), member(one, &network.record)));
            let containers: BTreeMap<String, Value> = members.collect();
            let labels = map(&network.record.labels);
            document(&network, &network.record.id, "types.Network", labels)
                .with("Containers,containers", containers)
                .into()
        }
        Dialect::Docker => docker(&network, &members),
    }))
}

/// A network in a list.
pub(super) fn row(network: &ListedNetwork, dialect: Dialect, flags: &ListFlags) -> Value {
    let record = &network.record;
    let for_json = flags.format.as_deref().is_some_and(is_json);
    let full = flags.no_trunc || (for_json && dialect == Dialect::Podman);
    let id = if full { &record.id } else { &record.id[..12] };
    let pairs = record
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let labels = pairs.collect::<Vec<_>>().join(",");
    match dialect {
        Dialect::Podman => {
            let labels = if for_json {
                map(&record.labels)
            } else {
                labels.into()
            };
            document(network, id, "network.ListPrintReports", labels).into()
        }
        Dialect::Docker => Struct::new("networkContext")
            .with("CreatedAt", record.created.to_string())
            .with("Driver", network.driver)
            .with("ID", id.to_owned())
            .with("IPv4", "true")
            .with("IPv6", record.ipv6.to_string())
            .with("Internal", record.internal.to_string())
            .with("Labels", labels)
            .with("Name", record.name.as_str())
            .with("Scope", "local")
            .into(),
    }
}

/// Podman's document, without containers. Labels are a text in a table.
fn document(network: &ListedNetwork, id: &str, type_name: &'static str, labels: Value) -> Struct {
    let record = &network.record;
    let subnets = record.subnets.iter().map(subnet);
    let routes = record.routes.iter().map(|route| -> Value {
        let shown = Struct::new("types.Route")
            .with("Destination,destination", route.destination.to_string())
            .with("Gateway,gateway", route.gateway.to_string());
        match route.metric {
            Some(metric) => shown.with("Metric,metric,omitempty", metric).into(),
            None => shown.into(),
        }
    });
    let servers: Vec<String> = record.dns_servers.iter().map(IpAddr::to_string).collect();
    Struct::new(type_name)
        .with("Name,name", record.name.as_str())
        .with("ID,id", id.to_owned())
        .with("Driver,driver", network.driver)
        .with(
            "NetworkInterface,network_interface,omitempty",
            record.interface.as_str(),
        )
        .with("Created,created", record.created.to_string())
        .with("Subnets,subnets,omitempty", Value::List(subnets.collect()))
        .with("Routes,routes,omitempty", Value::List(routes.collect()))
        .with("IPv6Enabled,ipv6_enabled", record.ipv6)
        .with("Internal,internal", record.internal)
        .with("DNSEnabled,dns_enabled", record.dns_enabled)
        .with("NetworkDNSServers,network_dns_servers,omitempty", servers)
        .with("Labels,labels,omitempty", labels)
        .with("Options,options,omitempty", map(&record.options))
        .with("IPAMOptions,ipam_options,omitempty", ipam_options(record))
        // What docker's scripts look for.
        .with("Scope,-", "local")
        .with("IPAM,-", docker_ipam(record))
}

fn map(entries: &BTreeMap<String, String>) -> Value {
    entries.clone().into()
}

fn ipam_options(record: &NetworkRecord) -> Value {
    let driver = match record.ipam {
        IpamDriver::HostLocal => "host-local",
        IpamDriver::None => "none",
    };
    BTreeMap::from([("driver".to_owned(), driver)]).into()
}

fn subnet(subnet: &LeasedSubnet) -> Value {
    let mut shown = Struct::new("types.Subnet").with("Subnet,subnet", subnet.network.to_string());
    if let Some(gateway) = subnet.gateway {
        shown = shown.with("Gateway,gateway,omitempty", gateway.to_string());
    }
    if let Some((first, last)) = subnet.range {
        let range = Struct::new("types.LeaseRange")
            .with("StartIP,start_ip,omitempty", first.to_string())
            .with("EndIP,end_ip,omitempty", last.to_string());
        shown = shown.with("LeaseRange,lease_range,omitempty", range);
    }
    shown.into()
}

/// A running container of podman's document.
fn member(member: &NetworkMember, record: &NetworkRecord) -> Value {
    let attachment = &member.attachment;
    let subnets = attachment.addresses.iter().map(|address| -> Value {
        let shown = Struct::new("types.NetAddress").with("IPNet,ipnet", address.to_string());
        match gateway_of(record, *address) {
            Some(gateway) => shown
                .with("Gateway,gateway,omitempty", gateway.to_string())
                .into(),
            None => shown.into(),
        }
    });
    let interface = Struct::new("types.NetInterface")
        .with("Subnets,subnets,omitempty", Value::List(subnets.collect()))
        .with("MacAddress,mac_address", mac_of(attachment));
    let interfaces = BTreeMap::from([(attachment.interface.clone(), interface)]);
    Struct::new("types.NetworkContainerInfo")
        .with("Name,name", member.name.as_str())
        .with("Interfaces,interfaces,omitempty", interfaces)
        .into()
}

fn mac_of(attachment: &Attachment) -> String {
    attachment.mac.to_string()
}

fn gateway_of(record: &NetworkRecord, address: Prefix) -> Option<IpAddr> {
    let mut subnets = record.subnets.iter();
    subnets
        .find(|subnet| subnet.network.contains(address.address))
        .and_then(|subnet| subnet.gateway)
}

fn docker_ipam(record: &NetworkRecord) -> Value {
    let config = record.subnets.iter().map(|subnet| -> Value {
        let shown = Struct::new("network.IPAMConfig").with("Subnet", subnet.network.to_string());
        let shown = match subnet.range {
            Some((first, last)) => shown.with("IPRange,omitempty", format!("{first}-{last}")),
            None => shown,
        };
        match subnet.gateway {
            Some(gateway) => shown.with("Gateway,omitempty", gateway.to_string()).into(),
            None => shown.into(),
        }
    });
    Struct::new("network.IPAM")
        .with("Driver", "default")
        .with("Options", Value::Nil)
        .with("Config", Value::List(config.collect()))
        .into()
}

/// Docker's document.
fn docker(network: &ListedNetwork, members: &[NetworkMember]) -> Value {
    let record = &network.record;
    let family = |one: &NetworkMember, v4: bool| {
        let mut addresses = one.attachment.addresses.iter();
        let found = addresses.find(|address| address.address.is_ipv4() == v4);
        found.map(Prefix::to_string).unwrap_or_default()
    };
    let endpoints = members.iter().map(|one| {
        let endpoint = Struct::new("network.EndpointResource")
            .with("Name", one.name.as_str())
            .with("EndpointID", one.id.to_string())
            .with("MacAddress", mac_of(&one.attachment))
            .with("IPv4Address", family(one, true))
            .with("IPv6Address", family(one, false));
        (one.id.to_string(), endpoint)
    });
    let containers: BTreeMap<String, Struct> = endpoints.collect();
    Struct::new("network.Inspect")
        .with("Name", record.name.as_str())
        .with("Id", record.id.as_str())
        // docker's own template name for it.
        .with("ID,-", record.id.as_str())
        .with("Created", record.created.to_string())
        .with("Scope", "local")
        .with("Driver", network.driver)
        .with("EnableIPv4", true)
        .with("EnableIPv6", record.ipv6)
        .with("IPAM", docker_ipam(record))
        .with("Internal", record.internal)
        .with("Attachable", false)
        .with("Ingress", false)
        .with(
            "ConfigFrom",
            Struct::new("network.ConfigReference").with("Network", ""),
        )
        .with("ConfigOnly", false)
        .with("Containers", containers)
        .with("Options", map(&record.options))
        .with("Labels", map(&record.labels))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::value::{JsonStyle, to_json};

    fn listed() -> ListedNetwork {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        ListedNetwork {
            record: NetworkRecord {
                name: "web".to_owned(),
                id: "a1".repeat(32),
                interface: "podman1".to_owned(),
                created: "2024-05-06T07:08:09.5Z".parse().unwrap(),
                subnets: vec![LeasedSubnet {
                    network: "10.89.0.0/24".parse().unwrap(),
                    gateway: Some(parse("10.89.0.1")),
                    range: Some((parse("10.89.0.8"), parse("10.89.0.9"))),
                }],
                routes: Vec::new(),
                ipv6: false,
                internal: false,
                dns_enabled: true,
                dns_servers: Vec::new(),
                labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
                options: BTreeMap::new(),
                ipam: IpamDriver::HostLocal,
            },
            driver: "bridge",
            built_in: false,
            users: Vec::new(),
        }
    }

    #[test]
    fn podmans_document() {
        let network = listed();
        let text = to_json(
            &document(&network, "a1", "types.Network", map(&network.record.labels)).into(),
            JsonStyle::Compact,
        );
        assert_eq!(
            text,
            "{\"name\":\"web\",\"id\":\"a1\",\"driver\":\"bridge\",\"network_interface\":\"podman1\",\
             \"created\":\"2024-05-06T07:08:09.5Z\",\"subnets\":[{\"subnet\":\"10.89.0.0/24\",\
             \"gateway\":\"10.89.0.1\",\"lease_range\":{\"start_ip\":\"10.89.0.8\",\"end_ip\":\
             \"10.89.0.9\"}}],\"ipv6_enabled\":false,\"internal\":false,\"dns_enabled\":true,\
             \"labels\":{\"a\":\"b\"},\"ipam_options\":{\"driver\":\"host-local\"}}"
        );
    }

    #[test]
    fn a_member_has_its_gateway() {
        let member = NetworkMember {
            id: crate::state::id::ContainerId::from_random(&[1; 32]),
            name: "c1".to_owned(),
            attachment: Attachment {
                network: "a1".repeat(32),
                interface: "eth0".to_owned(),
                addresses: vec!["10.89.0.2/24".parse().unwrap()],
                mac: "02:42:0a:59:00:02".parse().unwrap(),
                aliases: Vec::new(),
            },
        };
        let text = to_json(
            &super::member(&member, &listed().record),
            JsonStyle::Compact,
        );
        assert_eq!(
            text,
            "{\"name\":\"c1\",\"interfaces\":{\"eth0\":{\"subnets\":[{\"ipnet\":\"10.89.0.2/24\",\
             \"gateway\":\"10.89.0.1\"}],\"mac_address\":\"02:42:0a:59:00:02\"}}}"
        );
    }
}
