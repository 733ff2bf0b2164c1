// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `volume prune`.

use crate::cli::confirm::{Answer, confirm};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::volume::{ListedVolume, PruneScope, RemovedVolume};
use crate::output::units::size::human_size;

/// Flags of `volume prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(long, short)]
    all: bool,
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(long, short)]
    force: bool,
}

impl Subcommand for Prune {
    const PATHS: &'static [&'static str] = &["volume prune"];
    const ABOUT: &'static str = "Remove all unused volumes";
    const EXAMPLES: &'static [&'static str] = &["volume prune --filter label=project=web"];

    fn run(self, context: &Context) -> CommandResult {
        let dialect = context.engine.dialect;
        let scope = scope(dialect, self.all, &self.filter);
        let unused = context.engine.unused_volumes(&self.filter, scope, context);
        let unused = unused.map_err(|error| super::failure(context, &error))?;
        let warning = warning(dialect, scope, &unused);
        if !self.force && dialect == Dialect::Podman && unused.is_empty() {
            context.ui.raw(warning.as_bytes())?;
            context.ui.line("No dangling volumes found")?;
            return Ok(0);
        }
        if !self.force && confirm(context, &warning)? == Answer::No {
            return Ok(0);
        }
        let removed = context.engine.prune_volumes(&unused, context);
        let removed = removed.map_err(|error| super::failure(context, &error))?;
        print(context, removed)
    }
}

/// What `system prune --volumes` does: the value is how much room was freed.
pub(crate) fn prune_unused(context: &Context, filters: &[String]) -> Result<u64, Failure> {
    let scope = scope(context.engine.dialect, false, filters);
    let unused = context.engine.unused_volumes(filters, scope, context);
    let unused = unused.map_err(|error| super::failure(context, &error))?;
    let removed = context.engine.prune_volumes(&unused, context);
    let removed = removed.map_err(|error| super::failure(context, &error))?;
    let freed = freed(&removed);
    if !removed.is_empty() {
        context.ui.line(match context.engine.dialect {
            Dialect::Podman => "Deleted Volumes",
            Dialect::Docker => "Deleted Volumes:",
        })?;
    }
    super::rm::print(context, removed.into_iter())?;
    Ok(freed)
}

/// Docker spares the volumes that have a name, unless it is told not to.
fn scope(dialect: Dialect, all: bool, filters: &[String]) -> PruneScope {
    let asked = filters
        .iter()
        .any(|filter| filter == "all=1" || filter == "all=true");
    match dialect {
        Dialect::Docker if !all && !asked => PruneScope::Anonymous,
        Dialect::Docker | Dialect::Podman => PruneScope::All,
    }
}

fn warning(dialect: Dialect, scope: PruneScope, unused: &[ListedVolume]) -> String {
    match (dialect, scope) {
        (Dialect::Docker, PruneScope::All) => {
            "WARNING! This will remove all local volumes not used by at least one container.\n"
                .to_owned()
        }
        (Dialect::Docker, PruneScope::Anonymous) => {
            "WARNING! This will remove anonymous local volumes not used by at least one \
             container.\n"
                .to_owned()
        }
        (Dialect::Podman, _) => {
            let mut text = "WARNING! This will remove all volumes not used by at least one \
                            container. The following volumes will be removed:\n"
                .to_owned();
            for volume in unused {
                text.extend([&volume.record.name, "\n"]);
            }
            text
        }
    }
}

fn freed(removed: &[RemovedVolume]) -> u64 {
    let gone = removed.iter().filter(|one| one.result.is_ok());
    gone.map(|one| one.size_bytes).sum()
}

fn print(context: &Context, removed: Vec<RemovedVolume>) -> CommandResult {
    let freed = human_size(freed(&removed), 4);
    let docker = context.engine.dialect == Dialect::Docker;
    let some = !removed.is_empty();
    if docker && some {
        context.ui.line("Deleted Volumes:")?;
    }
    let printed = super::rm::print(context, removed.into_iter());
    if docker {
        let gap = if some { "\n" } else { "" };
        context
            .ui
            .line(format_args!("{gap}Total reclaimed space: {freed}"))?;
    }
    printed
}
