// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network inspect`.

use super::document::inspected;
use crate::cli::{CommandResult, Context, Failure, Subcommand, nothing};
use crate::engine::Dialect;
use crate::output::listing::render_one;
use crate::output::value::{JsonStyle, Value, to_json};

/// Flags of `network inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Pretty-print the network to JSON or using a Go template
    #[arg(long, short)]
    format: Option<String>,
    /// Means nothing here
    #[arg(long, short, hide = true)]
    verbose: bool,
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
            match inspected(context, name)? {
                Some(document) => found.push(document),
                None => missing.push(name.clone()),
            }
        }
        let dialect = context.engine.dialect;
        match self.format.as_deref().filter(|format| *format != "json") {
            None => {
                let indent = match dialect {
                    Dialect::Podman => 5,
                    Dialect::Docker => 4,
                };
                let text = to_json(&Value::List(found), JsonStyle::Indented(indent));
                context.ui.line(text)?;
            }
            Some(format) => {
                for network in &found {
                    let text = render_one("inspect", format, network).map_err(Failure::tool)?;
                    context.ui.raw(text.as_bytes())?;
                }
            }
        }
        let code = match dialect {
            Dialect::Podman => 125,
            Dialect::Docker => 1,
        };
        nothing::fail_each(context, &missing, code, |name| match dialect {
            Dialect::Podman => format!(
                "network {name}: unable to find network with name or ID {name}: network not found"
            ),
            Dialect::Docker => format!("network {name} not found"),
        })
    }
}
