// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `image inspect`.

use crate::cli::inspect::inspect_images;
use crate::cli::{CommandResult, Context, Failure, Subcommand};

/// Flags of `image inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format the output to a Go template or json
    #[arg(long, short, default_value = "json", hide_default_value = true)]
    format: String,
    /// Names or ids of images
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["image inspect"];
    const ABOUT: &'static str = "Display the configuration of an image";
    const USAGE: Option<&'static str> = Some("IMAGE [IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &[
        "image inspect web",
        "image inspect --format '{{.Config.Labels}}' web",
    ];

    fn run(self, context: &Context) -> CommandResult {
        if self.images.is_empty() {
            return Err(Failure::no_names("no names or ids specified"));
        }
        inspect_images(self.format, self.images, context)
    }
}
