// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `network` about the networks that are always there.

use crate::engine::Dialect;
use crate::engine::networks::{DefaultNetwork, default_networks};
use crate::output::listing::{is_json, render_one};
use crate::output::value::{JsonStyle, Struct, Value, to_json};

use super::args::list::{ListFlags, Listing, split_filters};
use super::confirm::{Answer, confirm};
use super::nothing::{self, DOES_NOT_EXIST, Missing};
use super::{CommandResult, Context, Entry, Failure, Subcommand};

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<Exists>(),
    Entry::of::<Inspect>(),
    Entry::of::<List>(),
    Entry::of::<Prune>(),
    Entry::of::<Remove>(),
];

const FILTERS: &[&str] = &[
    "dangling", "driver", "id", "label", "label!", "name", "scope", "type", "until",
];

/// Flags of `network ls`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    flags: ListFlags,
}

impl Subcommand for List {
    const PATHS: &'static [&'static str] = &["network ls", "network list"];
    const ABOUT: &'static str = "List networks";

    fn run(self, context: &Context) -> CommandResult {
        let refuse = |key: &str| format!("invalid filter \"{key}\"");
        let filters = split_filters(&self.flags.filter, FILTERS, refuse)?;
        let dialect = context.engine.dialect;
        let listing = Listing {
            name: "ls",
            table: match dialect {
                Dialect::Podman => "{{.ID}}\t{{.Name}}\t{{.Driver}}",
                Dialect::Docker => "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
            },
            quiet: match dialect {
                Dialect::Podman => "{{.Name}}",
                Dialect::Docker => "{{.ID}}",
            },
            headings: &[("ID", "NETWORK ID")],
        };
        let rows = default_networks(dialect)
            .iter()
            .filter(|network| passes(network, &filters))
            .map(|network| row(network, dialect, &self.flags))
            .collect();
        listing.print(context, &self.flags, rows)
    }
}

/// Values of one key are alternatives; every key must let the network through.
fn passes(network: &DefaultNetwork, filters: &[(&str, &str)]) -> bool {
    let matches = |key: &str, value: &str| match key {
        "name" => network.name.contains(value),
        "driver" => network.driver == value,
        "id" => network.id.starts_with(value),
        "scope" => value == "local",
        "type" => value == "builtin",
        "dangling" => value == "false",
        "label!" => true,
        // Labels and ages of networks that nobody created.
        _ => false,
    };
    filters.iter().all(|(key, _)| {
        let mut same_key = filters.iter().filter(|(other, _)| other == key);
        same_key.any(|(key, value)| matches(key, value))
    })
}

fn row(network: &DefaultNetwork, dialect: Dialect, flags: &ListFlags) -> Value {
    let for_json = flags.format.as_deref().is_some_and(is_json);
    let full = flags.no_trunc || (for_json && dialect == Dialect::Podman);
    let id = if full { &network.id } else { &network.id[..12] };
    match dialect {
        Dialect::Podman => document(network, id, "network.ListPrintReports").into(),
        Dialect::Docker => Struct::new("networkContext")
            .with("CreatedAt", network.created.clone())
            .with("Driver", network.driver)
            .with("ID", id.to_owned())
            .with("IPv6", "false")
            .with("Internal", "false")
            .with("Labels", "")
            .with("Name", network.name)
            .with("Scope", "local")
            .into(),
    }
}

/// The document that `inspect` and `ls --format json` show.
fn document(network: &DefaultNetwork, id: &str, type_name: &'static str) -> Struct {
    let subnet = |text: &str| {
        Struct::new("types.Subnet")
            .with("Subnet,subnet", text)
            .with("Gateway,gateway", "10.88.0.1")
    };
    let subnets = network.subnet.map(|text| subnet(text).into());
    Struct::new(type_name)
        .with("Name,name", network.name)
        .with("ID,id", id.to_owned())
        .with("Driver,driver", network.driver)
        .with(
            "NetworkInterface,network_interface,omitempty",
            network.interface,
        )
        .with("Created,created", network.created.clone())
        .with(
            "Subnets,subnets,omitempty",
            Value::List(subnets.into_iter().collect()),
        )
        .with("IPv6Enabled,ipv6_enabled", false)
        .with("Internal,internal", false)
        .with("DNSEnabled,dns_enabled", false)
        .with(
            "Labels,labels,omitempty",
            Value::Map(crate::output::value::Map::default()),
        )
        .with("Scope,-", "local")
}

/// Words of `network exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Name or id of the network
    #[arg(value_name = "NETWORK", required = true)]
    network: String,
}

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["network exists"];
    const ABOUT: &'static str = "Check if a network exists";

    fn run(self, context: &Context) -> CommandResult {
        match find(context, &self.network) {
            Some(_) => Ok(0),
            None => Ok(DOES_NOT_EXIST),
        }
    }
}

fn find(context: &Context, text: &str) -> Option<DefaultNetwork> {
    let networks = default_networks(context.engine.dialect);
    networks
        .into_iter()
        .find(|network| network.name == text || (text.len() >= 2 && network.id.starts_with(text)))
}

/// The document of the network that `name` means.
pub(in crate::cli) fn inspected(context: &Context, name: &str) -> Option<Value> {
    let network = find(context, name)?;
    let document = document(&network, &network.id, "types.Network");
    let none = Value::Map(crate::output::value::Map::default());
    Some(document.with("Containers,containers", none).into())
}

/// Flags of `network inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Pretty-print the network to JSON or using a Go template
    #[arg(long, short)]
    format: Option<String>,
    /// Names or ids of networks
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["network inspect"];
    const ABOUT: &'static str = "Inspect network";

    fn run(self, context: &Context) -> CommandResult {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for name in &self.networks {
            match inspected(context, name) {
                Some(document) => found.push(document),
                None => missing.push(name.clone()),
            }
        }
        match self.format.as_deref().filter(|format| *format != "json") {
            None => {
                let text = to_json(&Value::List(found), JsonStyle::Indented(5));
                context.ui.line(text)?;
            }
            Some(format) => {
                for network in &found {
                    let text = render_one("inspect", format, network).map_err(Failure::tool)?;
                    context.ui.raw(text.as_bytes())?;
                }
            }
        }
        nothing::fail_each(context, &missing, 125, |name| {
            format!(
                "network {name}: unable to find network with name or ID {name}: network not found"
            )
        })
    }
}

/// Flags of `network rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Remove any containers using network
    #[arg(long, short)]
    force: bool,
    /// Seconds to wait for running containers to stop before killing the container
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names or ids of networks
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["network rm", "network remove"];
    const ABOUT: &'static str = "Remove one or more networks";

    fn run(self, context: &Context) -> CommandResult {
        if self.time.is_some() && !self.force {
            let message = "--force option must be specified to use the --time option";
            return Err(Failure::tool(message));
        }
        if let Some(network) = self.networks.iter().find_map(|name| find(context, name)) {
            let name = network.name;
            return Err(Failure::engine(
                125,
                match context.engine.dialect {
                    Dialect::Podman => format!("default network {name} cannot be removed"),
                    Dialect::Docker => {
                        format!("{name} is a pre-defined network and cannot be removed")
                    }
                },
            ));
        }
        let missing = if self.force {
            Missing::Ignore
        } else {
            Missing::Report
        };
        nothing::remove(context, &self.networks, missing, |name| {
            match context.engine.dialect {
                Dialect::Podman => {
                    format!("unable to find network with name or ID {name}: network not found")
                }
                Dialect::Docker => format!("network {name} not found"),
            }
        })
    }
}

/// Flags of `network prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(long, short)]
    force: bool,
}

impl Subcommand for Prune {
    const PATHS: &'static [&'static str] = &["network prune"];
    const ABOUT: &'static str = "Prune unused networks";

    fn run(self, context: &Context) -> CommandResult {
        let known = ["label", "label!", "until"];
        split_filters(&self.filter, &known, |key| {
            format!("invalid filter \"{key}\"")
        })?;
        if !self.force {
            let warning =
                "WARNING! This will remove all networks not used by at least one container.\n";
            let _nothing_to_remove: Answer = confirm(context, warning)?;
        }
        Ok(0)
    }
}
