// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network prune`.

use super::failure::in_dialect;
use crate::cli::confirm::{Answer, confirm};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;

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
        let warning = match context.engine.dialect {
            Dialect::Podman => {
                "WARNING! This will remove all networks not used by at least one container.\n"
            }
            Dialect::Docker => {
                "WARNING! This will remove all custom networks not used by at least one \
                 container.\n"
            }
        };
        if !self.force && confirm(context, warning)? == Answer::No {
            return Ok(0);
        }
        prune(context, &self.filter, "Deleted Networks:")
    }
}

/// What `system prune` does.
pub(crate) fn prune_unused(context: &Context, filters: &[String]) -> Result<(), Failure> {
    prune(
        context,
        filters,
        match context.engine.dialect {
            Dialect::Podman => "Deleted Networks",
            Dialect::Docker => "Deleted Networks:",
        },
    )
    .map(drop)
}

fn prune(context: &Context, filters: &[String], heading: &str) -> CommandResult {
    let removed = context.engine.prune_networks(filters, context);
    let removed = removed.map_err(|error| in_dialect(context, &error))?;
    let told = context.call.path.starts_with("system") || context.engine.dialect == Dialect::Docker;
    if told && !removed.is_empty() {
        context.ui.line(heading)?;
    }
    super::rm::print(context, removed.into_iter())
}
