// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `volume ls`.

use crate::cli::args::list::{ListFlags, Listing};
use crate::cli::inspect::{docker_volume_row, volume_value};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::Dialect;
use crate::engine::volume::Uses;
use crate::output::value::Struct;

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
        let dialect = context.engine.dialect;
        let uses = match dialect {
            Dialect::Podman => Uses::Left,
            Dialect::Docker => Uses::Read,
        };
        let listed = context
            .engine
            .list_volumes(&self.flags.filter, uses, context);
        let listed = listed.map_err(|error| super::failure(context, &error))?;
        let rows = listed.iter().map(|one| match dialect {
            _ if self.shows_names_alone() => Struct::new("volume")
                .with("Driver", "local")
                .with("Name", one.record.name.as_str())
                .into(),
            Dialect::Podman => volume_value(one, dialect),
            Dialect::Docker => docker_volume_row(one),
        });
        let listing = Listing {
            name: "ls",
            table: "{{.Driver}}\t{{.Name}}",
            quiet: "{{.Name}}",
            headings: &[("Name", "VOLUME NAME")],
        };
        listing.print(context, &self.flags, rows.collect())
    }
}

impl List {
    /// Whether the rest of a row would be made for nothing.
    fn shows_names_alone(&self) -> bool {
        self.flags.quiet || matches!(self.flags.format.as_deref(), None | Some("table"))
    }
}
