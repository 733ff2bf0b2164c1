// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `volume` that are true as long as there are no volumes.

use super::args::list::{ListFlags, Listing, split_filters};
use super::nothing::{self, DOES_NOT_EXIST, Missing};
use super::{CommandResult, Context, Entry, Failure, Subcommand};
use crate::engine::Dialect;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<Exists>(),
    Entry::of::<Inspect>(),
    Entry::of::<List>(),
    Entry::of::<Prune>(),
    Entry::of::<Remove>(),
];

const FILTERS: &[&str] = &[
    "after",
    "all",
    "anonymous",
    "dangling",
    "driver",
    "label",
    "label!",
    "name",
    "opt",
    "scope",
    "since",
    "until",
];

fn check_filters(filters: &[String]) -> Result<(), Failure> {
    let refuse = |key: &str| format!("\"{key}\" is an invalid volume filter");
    split_filters(filters, FILTERS, refuse).map(drop)
}

/// Flags of `volume ls`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    flags: ListFlags,
}

impl Subcommand for List {
    const PATHS: &'static [&'static str] = &["volume ls", "volume list"];
    const ABOUT: &'static str = "List volumes";

    fn run(self, context: &Context) -> CommandResult {
        check_filters(&self.flags.filter)?;
        let listing = Listing {
            name: "ls",
            table: "{{.Driver}}\t{{.Name}}",
            quiet: "{{.Name}}",
            headings: &[("Name", "VOLUME NAME")],
        };
        listing.print(context, &self.flags, Vec::new())
    }
}

/// Words of `volume exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Name of the volume
    #[arg(value_name = "VOLUME", required = true)]
    _volume: String,
}

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["volume exists"];
    const ABOUT: &'static str = "Check if a volume exists";

    fn run(self, _context: &Context) -> CommandResult {
        Ok(DOES_NOT_EXIST)
    }
}

/// Flags of `volume inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Inspect all volumes
    #[arg(long, short)]
    all: bool,
    /// Format volume output using a Go template
    #[arg(long, short)]
    format: Option<String>,
    /// Names of volumes
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["volume inspect"];
    const ABOUT: &'static str = "Display detailed information on one or more volumes";

    fn run(self, context: &Context) -> CommandResult {
        if self.all != self.volumes.is_empty() {
            return Err(Failure::tool(
                "provide one or more volume names or use --all",
            ));
        }
        if self.format.is_some() {
            return nothing::fail_each(context, &self.volumes, 125, no_such_volume);
        }
        nothing::inspect(context, &self.volumes, no_such_volume)
    }
}

fn no_such_volume(name: &str) -> String {
    format!("no such volume {name}")
}

/// Flags of `volume rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Remove all volumes
    #[arg(long, short)]
    all: bool,
    /// Remove a volume by force, even if it is being used by a container
    #[arg(long, short)]
    force: bool,
    /// Seconds to wait for running containers to stop before killing the container
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names of volumes
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["volume rm", "volume remove"];
    const ABOUT: &'static str = "Remove one or more volumes";

    fn run(self, context: &Context) -> CommandResult {
        if self.all != self.volumes.is_empty() {
            return Err(Failure::tool("choose either one or more volumes or all"));
        }
        if self.time.is_some() && !self.force {
            let message = "--force option must be specified to use the --time option";
            return Err(Failure::tool(message));
        }
        let missing = if self.force {
            Missing::Ignore
        } else {
            Missing::Report
        };
        nothing::remove(context, &self.volumes, missing, |name| {
            match context.engine.dialect {
                Dialect::Podman => {
                    format!("no volume with name \"{name}\" found: no such volume")
                }
                Dialect::Docker => format!("get {name}: no such volume"),
            }
        })
    }
}

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

    fn run(self, context: &Context) -> CommandResult {
        check_filters(&self.filter)?;
        match context.engine.dialect {
            Dialect::Docker => context.ui.line("Total reclaimed space: 0B")?,
            Dialect::Podman if self.force => {}
            Dialect::Podman => {
                context.ui.line(
                    "WARNING! This will remove all volumes not used by at least one container. \
                     The following volumes will be removed:",
                )?;
                context.ui.line("No dangling volumes found")?;
            }
        }
        Ok(0)
    }
}
