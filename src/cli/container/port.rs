// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `port`: which ports of the host lead into a container. Nothing publishes any yet, so what is
//! checked is the question.

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::selection::{Scope, Selection};

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
            let Some(port) = &port else { continue };
            let name = self.container().unwrap_or_else(|| id.short().to_owned());
            return Err(not_published(port, &name, context.engine.dialect));
        }
        Ok(0)
    }
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
