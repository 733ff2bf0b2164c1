// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `port`: which ports of the host lead into a container.

use std::net::IpAddr;

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::selection::{Scope, Selection};
use crate::state::connection::PublishedPort;

/// Flags of `port`.
#[derive(Debug, clap::Args)]
pub(crate) struct Port {
    /// Display port information for all containers
    #[arg(long, short)]
    all: bool,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// A container, and a port with or without its protocol
    #[arg(value_name = "CONTAINER [PORT[/PROTOCOL]]")]
    words: Vec<String>,
}

impl Subcommand for Port {
    const PATHS: &'static [&'static str] = &["port", "container port"];
    const ABOUT: &'static str = "List port mappings or a specific mapping for the container";
    const USAGE: Option<&'static str> = Some("CONTAINER [PORT]");
    const EXAMPLES: &'static [&'static str] = &["port --all", "port web 80/tcp"];

    fn run(self, context: &Context) -> CommandResult {
        let port = self.port()?;
        let selection = Selection {
            scope: match (self.all, self.latest) {
                (true, _) => Scope::All,
                (false, true) => Scope::Latest,
                (false, false) => Scope::Named,
            },
            words: self.container().into_iter().collect(),
            ..Selection::default()
        };
        for chosen in context.engine.select(&selection)? {
            let id = chosen.id?;
            let mut published = context.engine.published_ports(&id)?;
            published
                .sort_by_key(|one| (one.container_port, one.protocol.to_string(), one.host_port));
            let before = if self.all {
                format!("{}\t", id.short())
            } else {
                String::new()
            };
            let name = self.container().unwrap_or_else(|| id.short().to_owned());
            let found = lines(&published, port.as_deref(), context.engine.dialect);
            match &port {
                Some(port) if found.is_empty() => {
                    return Err(not_published(port, &name, context.engine.dialect));
                }
                _ => {}
            }
            for line in found {
                context.ui.line(format_args!("{before}{line}"))?;
            }
        }
        Ok(0)
    }
}

/// One line for each address: with the port in the container, unless that was asked for.
fn lines(published: &[PublishedPort], port: Option<&str>, dialect: Dialect) -> Vec<String> {
    let wanted = port.map(|port| {
        let protocol = if port.contains('/') { "" } else { "/tcp" };
        format!("{port}{protocol}")
    });
    let mut lines = Vec::new();
    for one in published {
        let key = format!("{}/{}", one.container_port, one.protocol);
        if wanted.as_ref().is_some_and(|wanted| *wanted != key) {
            continue;
        }
        let addresses = match (one.host_ip, dialect) {
            (Some(IpAddr::V6(address)), _) => vec![format!("[{address}]")],
            (Some(address), _) => vec![address.to_string()],
            (None, Dialect::Podman) => vec!["0.0.0.0".to_owned()],
            (None, Dialect::Docker) => vec!["0.0.0.0".to_owned(), "[::]".to_owned()],
        };
        for address in addresses {
            let host = format!("{address}:{}", one.host_port);
            lines.push(match wanted {
                Some(_) => host,
                None => format!("{key} -> {host}"),
            });
        }
    }
    lines
}

impl Port {
    fn container(&self) -> Option<String> {
        let first = self.words.first().filter(|_| !self.latest && !self.all);
        first.map(|word| super::which::without_slash(word))
    }

    /// The port that was asked for, checked.
    fn port(&self) -> Result<Option<String>, Failure> {
        if self.words.is_empty() && !self.latest && !self.all {
            return Err(Failure::usage(
                "you must supply a running container name or id",
            ));
        }
        if self.words.len() > 2 {
            return Err(Failure::usage("`port` accepts at most 2 arguments"));
        }
        let at = usize::from(!self.latest && !self.all);
        let Some(typed) = self.words.get(at) else {
            return Ok(None);
        };
        let (number, protocol) = typed.split_once('/').unwrap_or((typed, "tcp"));
        if protocol.contains('/') {
            return Err(Failure::usage(format!(
                "port formats are port/protocol. '{typed}' is invalid"
            )));
        }
        match number.parse::<u16>() {
            Ok(_) => Ok(Some(typed.clone())),
            Err(_) => Err(Failure::usage(format!(
                "port {typed:?}: want a number up to 65535"
            ))),
        }
    }
}

fn not_published(port: &str, container: &str, dialect: Dialect) -> Failure {
    match dialect {
        Dialect::Podman => Failure::tool(format!("failed to find published port {port:?}")),
        Dialect::Docker => {
            let port = if port.contains('/') {
                port.to_owned()
            } else {
                format!("{port}/tcp")
            };
            let message = format!("No public port '{port}' published for {container}");
            Failure::bare(1, format!("Error: {message}"))
        }
    }
}
