// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest inspect`.

use serde_json::Value as Json;

use super::ReachFlags;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::output::value::{JsonStyle, Value, to_json};

/// Flags of `manifest inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    reach: ReachFlags,
    /// List what refers to the manifest at its registry, such as signatures and attestations
    #[arg(long)]
    referrers: bool,
    /// Accepted: there is nothing more to tell
    #[arg(long, short, hide = true)]
    verbose: bool,
    /// Name or id of a list, or a name at a registry
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
}

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["manifest inspect"];
    const ABOUT: &'static str = "Display a manifest list or image index";
    const EXAMPLES: &'static [&'static str] = &[
        "manifest inspect localhost/web:1.0",
        "manifest inspect docker.io/library/alpine",
        "manifest inspect --referrers quay.io/podman/stable",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let access = self.reach.open(context)?;
        let bytes = if self.referrers {
            context.engine.referrers(&self.image, &access, context)?
        } else {
            context
                .engine
                .inspect_manifest(&self.image, &access, context)?
        };
        let document: Json = serde_json::from_slice(&bytes).map_err(Failure::tool)?;
        context
            .ui
            .line(to_json(&Value::of(&document), JsonStyle::Indented(4)))?;
        Ok(0)
    }
}
