// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `quadlet list`.

use crate::cli::args::list::{ListFlags, Listing, split_filters};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::pattern::matches_path;
use crate::output::value::{Struct, Value};
use crate::quadlet::{Installed, Quadlets};

/// Flags of `quadlet list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    flags: ListFlags,
}

impl Subcommand for List {
    const PATHS: &'static [&'static str] = &["quadlet list", "quadlet ls"];
    const ABOUT: &'static str = "List quadlet files";
    const EXAMPLES: &'static [&'static str] = &[
        "quadlet list",
        "quadlet list --filter 'name=web*' --format '{{.UnitName}}'",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let refuse = |key: &str| format!("{key} is not a valid filter");
        let patterns = split_filters(&self.flags.filter, &["name"], refuse)?;
        let is_shown = |one: &Installed| {
            patterns.is_empty()
                || patterns
                    .iter()
                    .any(|(_, pattern)| matches_path(pattern, &one.name))
        };
        let all = Quadlets::of_process().list().into_iter();
        let rows = all.filter(is_shown).map(row).collect();
        let listing = Listing {
            name: "list",
            table: "{{.Name}}\t{{.UnitName}}\t{{.Path}}\t{{.Status}}\t{{.App}}",
            quiet: "{{.Name}}",
            headings: &[
                ("UnitName", "UNIT NAME"),
                ("Path", "PATH ON DISK"),
                ("App", "APPLICATION"),
            ],
        };
        listing.print(context, &self.flags, rows)
    }
}

fn row(one: Installed) -> Value {
    Struct::new("entities.ListQuadlet")
        .with("Name", one.name)
        .with("UnitName", one.service)
        .with("Path", one.path.display().to_string())
        .with("Status", one.status)
        .with("App", one.app)
        .into()
}
