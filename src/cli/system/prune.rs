// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `system prune`.

use crate::cli::confirm::{Answer, confirm};
use crate::cli::container::{print_errors, print_pruned, tool_error};
use crate::cli::image::print_pruned_images;
use crate::cli::network::prune_unused as prune_unused_networks;
use crate::cli::volume::prune_unused;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::image::PruneScope;
use crate::output::units::size::human_size;

/// Flags of `system prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove all unused images, not just dangling ones
    #[arg(long, short)]
    all: bool,
    /// Remove build containers
    #[arg(long)]
    build: bool,
    /// Remove container data in storage that no container has a record of
    #[arg(long)]
    external: bool,
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(long, short)]
    force: bool,
    /// Prune volumes
    #[arg(long)]
    volumes: bool,
}

impl Subcommand for Prune {
    const PATHS: &'static [&'static str] = &["system prune"];
    const ABOUT: &'static str = "Remove unused data";
    const EXAMPLES: &'static [&'static str] = &["system prune --force", "system prune --all"];

    fn run(self, context: &Context) -> CommandResult {
        if self.external && (self.all || self.volumes || !self.filter.is_empty()) {
            return Err(Failure::tool(
                "--external cannot be combined with other options",
            ));
        }
        let warning = self.warning(context.engine.dialect);
        if !self.force && confirm(context, &warning)? == Answer::No {
            return Ok(0);
        }
        let mut errors = Vec::new();
        let mut freed_bytes = 0;
        if !self.external {
            let heading = match context.engine.dialect {
                Dialect::Podman => "Deleted Containers",
                Dialect::Docker => "Deleted Containers:",
            };
            if self.filter.is_empty() {
                prune_pods(context)?;
            }
            let pruned = context.engine.prune_containers(&self.filter, context)?;
            (errors, freed_bytes) = print_pruned(context, Some(heading), pruned)?;
            prune_unused_networks(context, &self.filter)?;
            let scope = if self.all {
                PruneScope::Unused
            } else {
                PruneScope::Dangling
            };
            let pruned = context.engine.prune_images(scope, &self.filter, context)?;
            if context.engine.dialect == Dialect::Podman && !pruned.is_empty() {
                context.ui.line("Deleted Images")?;
            }
            freed_bytes += print_pruned_images(context, &pruned)?;
            if self.volumes {
                freed_bytes += prune_unused(context, &self.filter)?;
            }
        }
        freed_bytes += context.engine.prune_leftovers()?;
        let freed = human_size(freed_bytes, 4);
        context
            .ui
            .line(format_args!("Total reclaimed space: {freed}"))?;
        print_errors(context, errors, tool_error)
    }
}

/// One that stays is met again by `pod prune`, which says why.
fn prune_pods(context: &Context) -> Result<(), Failure> {
    let mut heading = Some("Deleted Pods");
    for pod in context.engine.prune_pods(context)? {
        if pod.result.is_ok() {
            if let Some(heading) = heading.take() {
                context.ui.line(heading)?;
            }
            context.ui.line(&pod.id)?;
        }
    }
    Ok(())
}

impl Prune {
    fn warning(&self, dialect: Dialect) -> String {
        let (images, cache) = match (self.all, dialect) {
            (true, Dialect::Podman) => {
                let images = "all images without at least one container associated with them";
                (images, "all build cache")
            }
            (true, Dialect::Docker) => {
                let images = "all images without at least one container associated to them";
                (images, "all build cache")
            }
            (false, Dialect::Podman) => ("all dangling images", "all dangling build cache"),
            (false, Dialect::Docker) => ("all dangling images", "unused build cache"),
        };
        let mut lines = vec![
            "all stopped containers",
            "all networks not used by at least one container",
        ];
        if self.volumes {
            lines.push(match dialect {
                Dialect::Podman => "all volumes not used by at least one container",
                Dialect::Docker => "all anonymous volumes not used by at least one container",
            });
        }
        lines.extend([images, cache]);
        let (title, indent) = match dialect {
            Dialect::Podman => ("WARNING! This command removes:", "\t- "),
            Dialect::Docker => ("WARNING! This will remove:", "  - "),
        };
        let mut text = format!("{title}\n");
        for line in lines {
            text.extend([indent, line, "\n"]);
        }
        text.push('\n');
        text
    }
}
