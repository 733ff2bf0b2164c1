// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `volume export`.

use std::path::PathBuf;

use crate::cli::output_file::open_output;
use crate::cli::{CommandResult, Context, Subcommand};

/// Flags of `volume export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Write to a specified file (default: stdout, which must be redirected)
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name of the volume
    #[arg(value_name = "VOLUME", required = true)]
    volume: String,
}

impl Subcommand for Export {
    const PATHS: &'static [&'static str] = &["volume export"];
    const ABOUT: &'static str = "Export a volume's content as a tar archive";
    const EXAMPLES: &'static [&'static str] = &["volume export --output data.tar data"];

    fn run(self, context: &Context) -> CommandResult {
        let words = "cannot write to terminal, use command-line redirection or the --output flag";
        let output = open_output(self.output.as_deref(), words)?;
        let exported = context.engine.export_volume(&self.volume, &output);
        match exported.map_err(|error| super::failure(context, &error)) {
            Ok(()) => Ok(0),
            Err(failure) if self.output.is_none() => Err(failure.of_stream()),
            Err(failure) => Err(failure),
        }
    }
}
