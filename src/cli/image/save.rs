// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `save`.

use std::path::{Path, PathBuf};

use crate::cli::output_file::{check_file_name, open_output};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::image::{ArchiveEvent, ArchiveForm, LayerForm, Output, SaveRequest};
use crate::oci::Platform;
use crate::state::events::Action;

/// Flags of `save`.
#[derive(Debug, clap::Args)]
pub(crate) struct Save {
    /// Compress image layers when saving to a directory with docker-dir
    #[arg(long)]
    compress: bool,
    /// Save image to docker-archive, oci-archive, docker-dir (directory with v2s2 manifest type),
    /// oci-dir (directory with oci manifest type)
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive", value_parser = ["oci-archive", "oci-dir", "docker-archive", "docker-dir"])]
    format: String,
    /// Interpret additional arguments as images not tags and create a multi-image-archive
    #[arg(long, short)]
    multi_image_archive: bool,
    /// Write to a specified file (default: stdout, which must be redirected)
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Of a manifest list, save the image for this platform (default: the machine's)
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Suppress the output
    #[arg(long, short)]
    quiet: bool,
    /// Accepted: saving asks no policy
    #[arg(long, hide = true, value_name = "FILE")]
    signature_policy: Option<PathBuf>,
    /// Leave layers uncompressed in OCI images
    #[arg(long)]
    uncompressed: bool,
    /// An image and more names for it; or, with --multi-image-archive and in docker's words, images
    #[arg(value_name = "IMAGE", required = true)]
    words: Vec<String>,
}

impl Subcommand for Save {
    const PATHS: &'static [&'static str] = &["save", "image save"];
    const ABOUT: &'static str = "Save image(s) to an archive";
    const USAGE: Option<&'static str> = Some("IMAGE [IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &[
        "save --quiet -o myimage.tar imageID",
        "save --format oci-dir -o ubuntu-dir ubuntu",
        "save > alpine-all.tar alpine:latest",
    ];

    fn run(mut self, context: &Context) -> CommandResult {
        let (form, is_directory) = match self.format.as_str() {
            "oci-archive" => (ArchiveForm::Oci, false),
            "oci-dir" => (ArchiveForm::Oci, true),
            "docker-dir" => (ArchiveForm::Directory, true),
            _ => (ArchiveForm::Docker, false),
        };
        if self.compress && form != ArchiveForm::Directory {
            return Err(Failure::tool(
                "--compress can only be set when --format is 'docker-dir'",
            ));
        }
        let layers = match form {
            ArchiveForm::Oci if !self.uncompressed => LayerForm::Gzip,
            ArchiveForm::Directory if self.compress => LayerForm::Gzip,
            ArchiveForm::Oci
            | ArchiveForm::Directory
            | ArchiveForm::DirectoryAsIs
            | ArchiveForm::Docker => LayerForm::Plain,
        };
        let several = self.multi_image_archive || context.engine.dialect == Dialect::Docker;
        let names = if several {
            Vec::new()
        } else {
            self.words.split_off(1)
        };
        if form == ArchiveForm::Directory && self.words.len() > 1 {
            return Err(Failure::tool(
                "docker-dir holds one image: use docker-archive, oci-archive or oci-dir for several",
            ));
        }
        let platform = self.platform.as_deref().map(platform).transpose()?;
        // An image that is not there leaves no empty file behind.
        for word in &self.words {
            context.engine.find_image(word)?;
        }
        let streams = self.output.is_none();
        let existed = self.output.as_deref().is_some_and(Path::exists);
        let output = self.output(is_directory, context.engine.dialect)?;
        let path = self.output.as_deref().unwrap_or(Path::new("/dev/stdout"));
        let told = ArchiveEvent {
            action: Action::Save,
            name: path.display().to_string(),
        };
        let saved = context.engine.save_images(&SaveRequest {
            platform,
            images: self.words,
            names,
            form,
            layers,
            output,
            told,
        });
        if let (Err(_), Some(path), false) = (&saved, &self.output, existed || is_directory) {
            // What was begun is of no use.
            drop(std::fs::remove_file(path));
        }
        match saved.map_err(Failure::from) {
            Ok(()) => Ok(0),
            Err(failure) if streams => Err(failure.of_stream()),
            Err(failure) => Err(failure),
        }
    }
}

fn platform(text: &str) -> Result<Platform, Failure> {
    let read = Platform::parse(text);
    read.ok_or_else(|| Failure::tool(format_args!("invalid platform \"{text}\"")))
}

impl Save {
    fn output(&self, is_directory: bool, dialect: Dialect) -> Result<Output, Failure> {
        if !is_directory {
            let words = match dialect {
                Dialect::Podman => "refusing to save to terminal. Use -o flag or redirect",
                Dialect::Docker => {
                    "cowardly refusing to save to a terminal. Use the -o flag or redirect"
                }
            };
            return Ok(Output::File(open_output(self.output.as_deref(), words)?));
        }
        let Some(path) = &self.output else {
            return Err(Failure::tool(format_args!(
                "--format {} writes a directory: name it with --output",
                self.format
            )));
        };
        check_file_name(path)?;
        if path.exists() && !path.is_dir() {
            return Err(Failure::tool(format_args!(
                "{} is not a directory",
                path.display()
            )));
        }
        Ok(Output::Directory(path.clone()))
    }
}
