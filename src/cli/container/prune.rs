// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `container prune`.

use crate::cli::confirm::{Answer, confirm};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::Dialect;
use crate::engine::error::EngineError;
use crate::engine::prune::Pruned;
use crate::output::units::size::human_size;

use super::which::{print_errors, tool_error};

/// Flags of `container prune`.
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
    const PATHS: &'static [&'static str] = &["container prune"];
    const ABOUT: &'static str = "Remove all non running containers";
    const EXAMPLES: &'static [&'static str] = &["container prune --filter until=24h"];

    fn run(self, context: &Context) -> CommandResult {
        let dialect = context.engine.dialect;
        let warning = match dialect {
            Dialect::Podman => "WARNING! This will remove all non running containers.\n",
            Dialect::Docker => "WARNING! This will remove all stopped containers.\n",
        };
        if !self.force && confirm(context, warning)? == Answer::No {
            return Ok(0);
        }
        let pruned = context.engine.prune_containers(&self.filter, context)?;
        let heading = match dialect {
            Dialect::Podman => None,
            Dialect::Docker => Some("Deleted Containers:"),
        };
        let (errors, freed_bytes) = print_pruned(context, heading, pruned)?;
        if dialect == Dialect::Docker {
            let freed = human_size(freed_bytes, 4);
            context
                .ui
                .line(format_args!("Total reclaimed space: {freed}"))?;
        }
        print_errors(context, errors, tool_error)
    }
}

/// Prints what is gone below `heading`; returns the errors and how much room was freed.
pub(crate) fn print_pruned(
    context: &Context,
    heading: Option<&str>,
    pruned: Vec<Pruned>,
) -> std::io::Result<(Vec<EngineError>, u64)> {
    let mut errors = Vec::new();
    let mut freed_bytes = 0;
    let mut heading = heading;
    let mut printed = false;
    for one in pruned {
        match one.result {
            Ok(()) => {
                if let Some(heading) = heading.take() {
                    context.ui.line(heading)?;
                }
                context.ui.line(one.id)?;
                freed_bytes += one.size_bytes;
                printed = true;
            }
            Err(error) => errors.push(error),
        }
    }
    if printed && context.engine.dialect == Dialect::Docker {
        context.ui.line("")?;
    }
    Ok((errors, freed_bytes))
}
