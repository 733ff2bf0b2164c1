// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `export`.

use std::path::PathBuf;

use super::which::without_slash;
use crate::cli::output_file::open_output;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;

/// Flags of `export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Write to a specified file (default: stdout, which must be redirected)
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name or id of a container
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
}

impl Subcommand for Export {
    const PATHS: &'static [&'static str] = &["export", "container export"];
    const ABOUT: &'static str = "Export container's filesystem contents as a tar archive";
    const EXAMPLES: &'static [&'static str] = &[
        "export ctrID > myCtr.tar",
        "export --output=\"myCtr.tar\" ctrID",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let words = match context.engine.dialect {
            Dialect::Podman => "refusing to export to terminal. Use -o flag or redirect",
            Dialect::Docker => {
                "cowardly refusing to save to a terminal. Use the -o flag or redirect"
            }
        };
        let output = open_output(self.output.as_deref(), words)?;
        let name = without_slash(&self.container);
        let exported = context.engine.export(&name, &output);
        match exported.map_err(Failure::from) {
            Ok(()) => Ok(0),
            Err(failure) if self.output.is_none() => Err(failure.of_stream()),
            Err(failure) => Err(failure),
        }
    }
}
