// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest add`.

use super::{InstanceFlags, ReachFlags};
use crate::cli::command::NotYet;
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::manifest::WhichInstances;

/// Flags of `manifest add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    instance: InstanceFlags,
    /// Add all images of those that are for several platforms
    #[arg(long)]
    all: bool,
    /// Name or id of the list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// Images to add
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Subcommand for Add {
    const PATHS: &'static [&'static str] = &["manifest add"];
    const ABOUT: &'static str = "Add images to a manifest list or image index";
    const USAGE: Option<&'static str> = Some("LIST IMAGE [IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &[
        "manifest add web:1.0 containers-storage:localhost/web-amd64",
        "manifest add --arch arm64 --variant v8 web:1.0 docker://quay.io/ana/web:arm",
    ];
    const NOT_YET: &'static [NotYet] = &[
        NotYet::long("artifact"),
        NotYet::long("artifact-config"),
        NotYet::long("artifact-config-type"),
        NotYet::long("artifact-exclude-titles"),
        NotYet::long("artifact-layer-type"),
        NotYet::long("artifact-subject"),
        NotYet::long("artifact-type"),
    ];

    fn run(self, context: &Context) -> CommandResult {
        let access = self.reach.open(context)?;
        let changes = self.instance.changes()?;
        let which = if self.all {
            WhichInstances::All
        } else {
            WhichInstances::Fitting
        };
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
