// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `artifact ls`.

use jiff::Timestamp;

use super::document::{Digits, row};
use crate::cli::args::list::{ListFlags, Listing};
use crate::cli::{CommandResult, Context, Subcommand};

/// Flags of `artifact ls`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Format the output using a Go template, or as JSON
    #[arg(long)]
    format: Option<String>,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Do not print column headings
    #[arg(long, short = 'n')]
    noheading: bool,
}

impl Subcommand for List {
    const PATHS: &'static [&'static str] = &["artifact ls", "artifact list"];
    const ABOUT: &'static str = "List OCI artifacts";
    const EXAMPLES: &'static [&'static str] = &[
        "artifact ls",
        "artifact ls --format '{{.Digest}} {{.Size}}'",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let digits = if self.no_trunc {
            Digits::All
        } else {
            Digits::Twelve
        };
        let now = Timestamp::now();
        let listed = context.engine.list_artifacts()?;
        let rows = listed.iter().map(|one| row(one, digits, now)).collect();
        let flags = ListFlags {
            filter: Vec::new(),
            format: self.format,
            noheading: self.noheading,
            no_trunc: self.no_trunc,
            quiet: false,
        };
        let listing = Listing {
            name: "ls",
            table: "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.Created}}\t{{.Size}}",
            quiet: "{{.Digest}}",
            headings: &[],
        };
        listing.print(context, &flags, rows)
    }
}
