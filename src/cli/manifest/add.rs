// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest add`.

use std::path::PathBuf;

use super::{InstanceFlags, ReachFlags};
use crate::cli::args::environment::reason;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::manifest::{ListedFiles, Subject, Titles, WhichInstances};

/// Flags of `manifest add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    instance: InstanceFlags,
    #[command(flatten)]
    artifact: ArtifactFlags,
    /// Add all images of those that are for several platforms
    #[arg(long)]
    all: bool,
    /// Name or id of the list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// Images to add; with --artifact files
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// Flags about files that become an artifact of the list.
#[derive(Debug, Default, clap::Args)]
struct ArtifactFlags {
    /// Add all arguments as files of an artifact rather than as images
    #[arg(long)]
    artifact: bool,
    /// Configuration file of the artifact
    #[arg(long, value_name = "FILE")]
    artifact_config: Option<String>,
    /// Media type of the artifact's configuration
    #[arg(long, value_name = "TYPE")]
    artifact_config_type: Option<String>,
    /// Do not say what the files are called
    #[arg(long)]
    artifact_exclude_titles: bool,
    /// Media type of the files (default: what they look like)
    #[arg(long, value_name = "TYPE")]
    artifact_layer_type: Option<String>,
    /// Say which image or artifact the artifact is about
    #[arg(long, value_name = "IMAGE")]
    artifact_subject: Option<String>,
    /// Media type of the artifact
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
}

impl ArtifactFlags {
    /// The others say nothing without the first.
    fn check(&self) -> Result<(), Failure> {
        let given = [
            (self.artifact_type.is_some(), "--artifact-type"),
            (self.artifact_config.is_some(), "--artifact-config"),
            (
                self.artifact_config_type.is_some(),
                "--artifact-config-type",
            ),
            (self.artifact_layer_type.is_some(), "--artifact-layer-type"),
            (self.artifact_subject.is_some(), "--artifact-subject"),
            (self.artifact_exclude_titles, "--artifact-exclude-titles"),
        ];
        let given = given.iter().filter(|(is_given, _)| *is_given);
        let given: Vec<&str> = given.map(|(_, flag)| *flag).collect();
        match given[..] {
            _ if self.artifact => Ok(()),
            [] => Ok(()),
            [one] => Err(Failure::tool(format_args!("{one} requires --artifact"))),
            _ => Err(Failure::tool(format_args!(
                "{} require --artifact",
                given.join("/")
            ))),
        }
    }

    fn files(self, files: Vec<String>) -> Result<ListedFiles, Failure> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let path = given(self.artifact_config);
        let config = path.map_or_else(
            || Ok(Vec::new()),
            |path| {
                std::fs::read(&path)
                    .map_err(|error| Failure::tool(format_args!("open {path}: {}", reason(&error))))
            },
        );
        Ok(ListedFiles {
            files: files.into_iter().map(PathBuf::from).collect(),
            artifact_type: self.artifact_type,
            config: config?,
            config_type: given(self.artifact_config_type),
            layer_type: given(self.artifact_layer_type),
            titles: if self.artifact_exclude_titles {
                Titles::Left
            } else {
                Titles::Kept
            },
        })
    }
}

impl Subcommand for Add {
    const PATHS: &'static [&'static str] = &["manifest add"];
    const ABOUT: &'static str = "Add images or artifacts to a manifest list or image index";
    const USAGE: Option<&'static str> = Some("LIST IMAGE [IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &[
        "manifest add web:1.0 containers-storage:localhost/web-amd64",
        "manifest add --arch arm64 --variant v8 web:1.0 docker://quay.io/ana/web:arm",
        "manifest add --artifact --artifact-type text/spdx web:1.0 web.spdx",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let access = self.reach.open(context)?;
        let changes = self.instance.changes()?;
        let which = if self.all {
            WhichInstances::All
        } else {
            WhichInstances::Fitting
        };
        self.artifact.check()?;
        if self.artifact.artifact {
            let subject = self.artifact.artifact_subject.clone();
            let subject = subject.filter(|name| !name.is_empty());
            let subject = subject.as_deref().map(|name| Subject {
                name,
                access: &access,
                report: context,
            });
            let files = self.artifact.files(self.images)?;
            let engine = &context.engine;
            let id = engine.add_files_to_manifest(&self.list, &files, subject, &changes)?;
            context.ui.line(id.hex())?;
            return Ok(0);
        }
        let mut id = None;
        for image in &self.images {
            let list = &self.list;
            let engine = &context.engine;
            id = Some(engine.add_to_manifest(list, image, which, &changes, &access, context)?);
        }
        if let Some(id) = id {
            context.ui.line(id.hex())?;
        }
        Ok(0)
    }
}
