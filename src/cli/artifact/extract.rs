// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `artifact extract`.

use std::path::PathBuf;

use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::artifact::WhichBlobs;

/// Flags of `artifact extract`.
#[derive(Debug, clap::Args)]
pub(crate) struct Extract {
    /// Only extract the blob with this digest
    #[arg(long, default_value = "", hide_default_value = true)]
    digest: String,
    /// Only extract the blob with this title
    #[arg(long, default_value = "", hide_default_value = true)]
    title: String,
    /// Name or digest of the artifact
    #[arg(value_name = "ARTIFACT", required = true)]
    name: String,
    /// The file, or the directory for all its files
    #[arg(value_name = "PATH", required = true)]
    target: PathBuf,
}

impl Subcommand for Extract {
    const PATHS: &'static [&'static str] = &["artifact extract"];
    const ABOUT: &'static str = "Extract an OCI artifact to a local path";
    const USAGE: Option<&'static str> = Some("ARTIFACT PATH");
    const EXAMPLES: &'static [&'static str] = &[
        "artifact extract quay.io/ana/model:latest /tmp/model.gguf",
        "artifact extract --title README.md quay.io/ana/model:latest /tmp/models",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let which = WhichBlobs::of(&self.digest, &self.title)?;
        let engine = &context.engine;
        engine.extract_artifact(&self.name, &self.target, &which)?;
        Ok(0)
    }
}
