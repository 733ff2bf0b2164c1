// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest create`.

use super::{ReachFlags, annotations};
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::manifest::{Amend, InstanceChanges, WhichInstances};

/// Flags of `manifest create`.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    #[command(flatten)]
    reach: ReachFlags,
    /// Add all images of those that are for several platforms
    #[arg(long)]
    all: bool,
    /// Change the list if one of that name exists
    #[arg(long, short)]
    amend: bool,
    /// Set an annotation of the list
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Name of the list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// Images to add
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

impl Subcommand for Create {
    const PATHS: &'static [&'static str] = &["manifest create"];
    const ABOUT: &'static str = "Create a manifest list or image index";
    const USAGE: Option<&'static str> = Some("LIST [IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &[
        "manifest create web:1.0",
        "manifest create web:1.0 localhost/web-amd64 docker://quay.io/ana/web-arm64",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let engine = &context.engine;
        let annotations = annotations(&self.annotation)?;
        let access = self.reach.open(context)?;
        let amend = if self.amend { Amend::Yes } else { Amend::No };
        let id = engine.create_manifest(&self.list, amend)?;
        if !annotations.is_empty() {
            engine.annotate_index(id.hex(), &annotations, None)?;
        }
        let which = if self.all {
            WhichInstances::All
        } else {
            WhichInstances::Fitting
        };
        let as_is = InstanceChanges::default();
        for image in &self.images {
            engine.add_to_manifest(id.hex(), image, which, &as_is, &access, context)?;
        }
        context.ui.line(id.hex())?;
        Ok(0)
    }
}
