// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network ls`.

use super::document::row;
use super::failure::in_dialect;
use crate::cli::args::list::{ListFlags, Listing};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::Dialect;

/// Flags of `network ls`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    flags: ListFlags,
}

impl Subcommand for List {
    const PATHS: &'static [&'static str] = &["network ls", "network list"];
    const ABOUT: &'static str = "List networks";

    fn run(self, context: &Context) -> CommandResult {
        let dialect = context.engine.dialect;
        let listing = Listing {
            name: "ls",
            table: match dialect {
                Dialect::Podman => "{{.ID}}\t{{.Name}}\t{{.Driver}}",
                Dialect::Docker => "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
            },
            quiet: match dialect {
                Dialect::Podman => "{{.Name}}",
                Dialect::Docker => "{{.ID}}",
            },
            headings: &[("ID", "NETWORK ID")],
        };
        let listed = context.engine.list_networks(&self.flags.filter, context);
        let listed = listed.map_err(|error| in_dialect(context, &error))?;
        let rows = listed.iter().map(|one| row(one, dialect, &self.flags));
        listing.print(context, &self.flags, rows.collect())
    }
}
