// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `commit`.

use std::path::{Path, PathBuf};

use super::which::without_slash;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::image::{CommitRequest, ImageFormat, Pausing, Squash, VolumePolicy};
use crate::engine::{Dialect, Report as _};
use crate::state::atomic::{self, Durability};

/// Flags of `commit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Commit {
    /// Set the author for the image committed
    #[arg(long, short)]
    author: Option<String>,
    /// Apply an instruction to the created image, one of CMD, ENTRYPOINT, ENV, EXPOSE,
    /// HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// File with a container configuration to merge into the image
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of the image manifest and metadata
    #[arg(long, short, value_name = "FORMAT", value_parser = ["oci", "docker"])]
    format: Option<String>,
    /// File to write the image ID to
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Include container volumes as image volumes
    #[arg(long)]
    include_volumes: bool,
    /// Set commit message for imported image
    #[arg(long, short)]
    message: Option<String>,
    /// Do not pause the container during commit, as docker's flag
    #[arg(long, hide = true)]
    no_pause: bool,
    /// Pause container during commit
    #[arg(long, short, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cli::args::boolean)]
    pause: Option<bool>,
    /// Suppress output
    #[arg(long, short)]
    quiet: bool,
    /// Squash newly built layers into a single new layer
    #[arg(long, short)]
    squash: bool,
    /// Name or id of a container
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
    /// Name of the new image
    #[arg(value_name = "IMAGE")]
    image: Option<String>,
}

impl Subcommand for Commit {
    const PATHS: &'static [&'static str] = &["commit", "container commit"];
    const ABOUT: &'static str = "Create new image based on the changed container";
    const USAGE: Option<&'static str> = Some("CONTAINER [IMAGE]");
    const EXAMPLES: &'static [&'static str] = &[
        "commit -q -f docker --message \"committing container to image\" web image-committed",
        "commit -q --change CMD=/bin/bash --change EXPOSE=80 web web:next",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let dialect = context.engine.dialect;
        let iidfile = self.iidfile.clone();
        let quiet = self.quiet || dialect == Dialect::Docker;
        let request = self.request(dialect)?;
        if !quiet {
            context.progress("Getting image layers");
        }
        let id = context.engine.commit(&request, context)?;
        if !quiet {
            context.progress("Writing manifest to image destination");
        }
        if let Some(path) = iidfile {
            write_id(&path, id.hex())?;
        }
        match dialect {
            Dialect::Podman => context.ui.line(id.hex())?,
            Dialect::Docker => context.ui.line(id)?,
        }
        Ok(0)
    }
}

impl Commit {
    fn request(self, dialect: Dialect) -> Result<CommitRequest, Failure> {
        let format = match (self.format.as_deref(), dialect) {
            (Some("docker"), _) | (None, Dialect::Docker) => ImageFormat::Docker,
            (Some(_), _) | (None, Dialect::Podman) => ImageFormat::Oci,
        };
        let message = self.message.filter(|message| !message.is_empty());
        if message.is_some() && format == ImageFormat::Oci {
            return Err(Failure::tool(
                "messages are only compatible with the docker image format (-f docker)",
            ));
        }
        let pausing = match (self.no_pause, self.pause, dialect) {
            (true, _, _) | (_, Some(false), _) | (_, None, Dialect::Podman) => Pausing::No,
            (_, Some(true), _) => Pausing::Yes,
            (_, None, Dialect::Docker) => Pausing::IfPossible,
        };
        let config = match self.config {
            None => None,
            Some(path) => Some(std::fs::read(&path).map_err(|error| {
                Failure::tool(format_args!("--config: open {}: {error}", path.display()))
            })?),
        };
        Ok(CommitRequest {
            container: without_slash(&self.container),
            name: self.image,
            changes: self.change,
            config,
            author: self.author,
            message,
            pausing,
            format,
            volumes: if self.include_volumes {
                VolumePolicy::Include
            } else {
                VolumePolicy::Leave
            },
            squash: if self.squash { Squash::Yes } else { Squash::No },
        })
    }
}

fn write_id(path: &Path, id: &str) -> Result<(), Failure> {
    atomic::replace_file(path, id.as_bytes(), Durability::Unsynced)
        .map_err(|error| Failure::tool(format_args!("write the image ID: {error}")))
}
