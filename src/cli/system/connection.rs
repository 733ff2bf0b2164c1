// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `system connection list`: truthful as long as there are no services elsewhere to connect to.

use crate::cli::args::list::{ListFlags, Listing, split_filters};
use crate::cli::{CommandResult, Context, Subcommand};

/// Flags of `system connection list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Connections {
    #[command(flatten)]
    flags: ListFlags,
}

impl Subcommand for Connections {
    const PATHS: &'static [&'static str] = &["system connection list", "system connection ls"];
    const ABOUT: &'static str = "List destinations of remote services";

    fn run(self, context: &Context) -> CommandResult {
        split_filters(&self.flags.filter, &[], |key| {
            format!("\"{key}\" is an invalid connection filter")
        })?;
        let listing = Listing {
            name: "list",
            table: "{{.Name}}\t{{.URI}}\t{{.Identity}}\t{{.Default}}\t{{.ReadWrite}}",
            quiet: "{{.Name}}",
            headings: &[
                ("Name", "Name"),
                ("URI", "URI"),
                ("Identity", "Identity"),
                ("Default", "Default"),
                ("ReadWrite", "ReadWrite"),
            ],
        };
        listing.print(context, &self.flags, Vec::new())
    }
}
