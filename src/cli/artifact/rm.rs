// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `artifact rm`.

use crate::cli::{CommandResult, Context, Failure, Subcommand};

/// Flags of `artifact rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Remove all artifacts
    #[arg(long, short)]
    all: bool,
    /// Ignore the error of an artifact that does not exist
    #[arg(long, short)]
    ignore: bool,
    /// Names or digests of artifacts
    #[arg(value_name = "ARTIFACT")]
    names: Vec<String>,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["artifact rm", "artifact remove"];
    const ABOUT: &'static str = "Remove one or more OCI artifacts";
    const USAGE: Option<&'static str> = Some("[ARTIFACT...]");
    const EXAMPLES: &'static [&'static str] = &[
        "artifact rm quay.io/ana/model:latest",
        "artifact rm --all",
        "artifact rm c4dfb1609ee2 93fd78260bd1",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let engine = &context.engine;
        match (self.all, self.names.is_empty()) {
            (true, true) => {
                for digest in engine.remove_artifacts()? {
                    context.ui.line(digest.hex())?;
                }
                return Ok(0);
            }
            (true, false) => {
                let message =
                    "when using the --all switch, you may not pass any artifact names or digests";
                return Err(Failure::tool(message));
            }
            (false, true) => {
                let message = "at least one artifact name or digest must be specified";
                return Err(Failure::no_names(message));
            }
            (false, false) => {}
        }
        let mut failures = Vec::new();
        for name in &self.names {
            match engine.remove_artifact(name) {
                Ok(digest) => context.ui.line(digest.hex())?,
                Err(error) if error.is_missing() && self.ignore => {}
                Err(error) => failures.push(Failure::from(error)),
            }
        }
        context.end_gravest(failures)
    }
}
