// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `volume inspect`.

use crate::cli::inspect::inspect_volumes;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::volume::Uses;

/// Flags of `volume inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Inspect all volumes
    #[arg(long, short)]
    all: bool,
    /// Format volume output using a Go template
    #[arg(long, short, default_value = "json", hide_default_value = true)]
    format: String,
    /// Names of volumes
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["volume inspect"];
    const ABOUT: &'static str = "Display detailed information on one or more volumes";
    const EXAMPLES: &'static [&'static str] = &[
        "volume inspect data",
        "volume inspect --format '{{.Mountpoint}}' data",
    ];

    fn run(self, context: &Context) -> CommandResult {
        if self.all != self.volumes.is_empty() {
            return Err(Failure::tool(
                "provide one or more volume names or use --all",
            ));
        }
        let mut names = self.volumes;
        if self.all {
            let listed = context.engine.list_volumes(&[], Uses::Left, context);
            let listed = listed.map_err(|error| super::failure(context, &error))?;
            names.extend(listed.into_iter().map(|one| one.record.name));
        }
        inspect_volumes(self.format, names, context)
    }
}
