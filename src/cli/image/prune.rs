// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `image prune`.

use std::io;

use crate::cli::confirm::{Answer, confirm};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::Dialect;
use crate::engine::image::{PruneScope, PrunedImage};
use crate::oci::Reference;
use crate::output::units::size::human_size;

/// Flags of `image prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove all images not in use by containers, not just dangling ones
    #[arg(long, short)]
    all: bool,
    /// Accepted: there is no build cache
    #[arg(long)]
    build_cache: bool,
    /// Remove images that only working containers of buildah use as well
    #[arg(long)]
    external: bool,
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(long, short)]
    force: bool,
}

impl Subcommand for Prune {
    const PATHS: &'static [&'static str] = &["image prune"];
    const ABOUT: &'static str = "Remove unused images";
    const EXAMPLES: &'static [&'static str] = &["image prune --force", "image prune --all"];

    fn run(self, context: &Context) -> CommandResult {
        let dialect = context.engine.dialect;
        if !self.force && confirm(context, warning(self.all, dialect))? == Answer::No {
            return Ok(0);
        }
        let scope = if self.all {
            PruneScope::Unused
        } else {
            PruneScope::Dangling
        };
        let pruned = context.engine.prune_images(scope, &self.filter, context)?;
        let freed_bytes = print_pruned_images(context, &pruned)?;
        if self.external {
            for id in context.engine.prune_external_images()? {
                context.ui.line(id)?;
            }
        }
        if dialect == Dialect::Docker {
            let freed = human_size(freed_bytes, 4);
            context
                .ui
                .line(format_args!("Total reclaimed space: {freed}"))?;
        }
        Ok(0)
    }
}

fn warning(all: bool, dialect: Dialect) -> &'static str {
    match (all, dialect) {
        (false, Dialect::Podman) => "WARNING! This command removes all dangling images.\n",
        (true, Dialect::Podman) => {
            "WARNING! This command removes all images without at least one container associated \
             with them.\n"
        }
        (false, Dialect::Docker) => "WARNING! This will remove all dangling images.\n",
        (true, Dialect::Docker) => {
            "WARNING! This will remove all images without at least one container associated to \
             them.\n"
        }
    }
}

/// Prints what is gone and returns how many bytes that were.
pub(crate) fn print_pruned_images(context: &Context, pruned: &[PrunedImage]) -> io::Result<u64> {
    let dialect = context.engine.dialect;
    if dialect == Dialect::Docker && !pruned.is_empty() {
        context.ui.line("Deleted Images:")?;
    }
    for image in pruned {
        match dialect {
            Dialect::Podman => context.ui.line(image.id.hex())?,
            Dialect::Docker => {
                for name in &image.names {
                    let name = Reference::parse(name).map_or(name.clone(), |name| name.familiar());
                    context.ui.line(format_args!("untagged: {name}"))?;
                }
                context.ui.line(format_args!("deleted: {}", image.id))?;
            }
        }
    }
    if dialect == Dialect::Docker && !pruned.is_empty() {
        context.ui.line("")?;
    }
    Ok(pruned.iter().map(|image| image.size_bytes).sum())
}
