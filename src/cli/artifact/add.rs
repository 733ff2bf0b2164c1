// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `artifact add`.

use std::path::PathBuf;

use crate::cli::manifest::annotations;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::artifact::{ArtifactAdd, Known};

/// Flags of `artifact add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Set an annotation of the files, and of a new artifact
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Append files to an existing artifact
    #[arg(long, short)]
    append: bool,
    /// Media type of the files (default: what they look like)
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "",
        hide_default_value = true
    )]
    file_type: String,
    /// Replace an existing artifact
    #[arg(long)]
    replace: bool,
    /// Media type of the artifact
    #[arg(
        long = "type",
        value_name = "TYPE",
        default_value = "",
        hide_default_value = true
    )]
    artifact_type: String,
    /// Name of the artifact
    #[arg(value_name = "ARTIFACT", required = true)]
    name: String,
    /// Files that it is made of
    #[arg(value_name = "PATH", required = true)]
    files: Vec<PathBuf>,
}

impl Subcommand for Add {
    const PATHS: &'static [&'static str] = &["artifact add"];
    const ABOUT: &'static str = "Add an OCI artifact to the local store";
    const USAGE: Option<&'static str> = Some("ARTIFACT PATH [PATH...]");
    const EXAMPLES: &'static [&'static str] = &[
        "artifact add quay.io/ana/model:latest /tmp/model.gguf",
        "artifact add --file-type text/yaml quay.io/ana/model:latest /tmp/model.yaml",
        "artifact add --append quay.io/ana/model:latest /tmp/model.tar.gz",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let known = match (self.append, self.replace) {
            (true, true) => {
                let message = "--append and --replace options cannot be used together";
                return Err(Failure::tool(message));
            }
            (true, false) => Known::Extended,
            (false, true) => Known::Replaced,
            (false, false) => Known::Refused,
        };
        let digest = context.engine.add_artifact(&ArtifactAdd {
            name: self.name,
            files: self.files,
            annotations: annotations(&self.annotation)?,
            artifact_type: self.artifact_type,
            file_type: self.file_type,
            known,
        })?;
        context.ui.line(digest.hex())?;
        Ok(0)
    }
}
