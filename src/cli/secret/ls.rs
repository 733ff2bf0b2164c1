// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `secret ls`.

use jiff::Timestamp;

use super::document::row;
use crate::cli::args::list::{ListFlags, Listing};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Report as _;
use crate::engine::secret::filtered;
use crate::runtime::failure::chain;

/// Flags of `secret ls`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    flags: ListFlags,
}

impl Subcommand for List {
    const PATHS: &'static [&'static str] = &["secret ls", "secret list"];
    const ABOUT: &'static str = "List secrets";

    fn run(self, context: &Context) -> CommandResult {
        let list = context.engine.secrets().list();
        let list = list.map_err(|error| super::failure(context, &error, 125))?;
        for error in list.damaged {
            context.warning(&chain(&error));
        }
        let shown = filtered(list.secrets, &self.flags.filter).map_err(Failure::tool)?;
        let now = Timestamp::now();
        let rows = shown
            .iter()
            .map(|one| row(one, context.engine.dialect, now));
        let listing = Listing {
            name: "ls",
            table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
            quiet: "{{.ID}}",
            headings: &[("CreatedAt", "CREATED"), ("UpdatedAt", "UPDATED")],
        };
        listing.print(context, &self.flags, rows.collect())
    }
}
