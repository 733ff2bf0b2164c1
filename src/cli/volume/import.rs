// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `volume import`.

use std::fs::File;
use std::path::PathBuf;

use crate::cli::output_file::check_file_name;
use crate::cli::{CommandResult, Context, Failure, Subcommand};

/// Words of `volume import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Name of the volume
    #[arg(value_name = "VOLUME", required = true)]
    volume: String,
    /// The archive, compressed or not; - for standard input
    #[arg(value_name = "SOURCE", required = true)]
    source: PathBuf,
}

impl Subcommand for Import {
    const PATHS: &'static [&'static str] = &["volume import"];
    const ABOUT: &'static str = "Put the content of a tar archive into a volume";
    const EXAMPLES: &'static [&'static str] = &[
        "volume import data data.tar",
        "volume import data - < data.tar",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let imported = if self.source.as_os_str() == "-" {
            context.engine.import_volume(&self.volume, std::io::stdin())
        } else {
            check_file_name(&self.source)?;
            let file = File::open(&self.source).map_err(|error| {
                let path = self.source.display();
                Failure::tool(format_args!("unable open input file: open {path}: {error}"))
            })?;
            context.engine.import_volume(&self.volume, file)
        };
        imported.map_err(|error| super::failure(context, &error))?;
        Ok(0)
    }
}
