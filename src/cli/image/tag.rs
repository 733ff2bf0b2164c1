// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `tag` and `untag`.

use crate::cli::{CommandResult, Context, Subcommand};

/// Words of `tag`.
#[derive(Debug, clap::Args)]
pub(crate) struct Tag {
    /// Name or id of an image
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
    /// Names that it gets
    #[arg(value_name = "TARGET_NAME", required = true)]
    targets: Vec<String>,
}

impl Subcommand for Tag {
    const PATHS: &'static [&'static str] = &["tag", "image tag"];
    const ABOUT: &'static str = "Add an additional name to a local image";
    const USAGE: Option<&'static str> = Some("IMAGE TARGET_NAME [TARGET_NAME...]");
    const EXAMPLES: &'static [&'static str] = &["tag 0e3bbc2 web:latest", "tag web registry/web:2"];

    fn run(self, context: &Context) -> CommandResult {
        context.engine.tag_image(&self.image, &self.targets)?;
        Ok(0)
    }
}

/// Words of `untag`.
#[derive(Debug, clap::Args)]
pub(crate) struct Untag {
    /// Name or id of an image
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
    /// Names that it loses; all without any
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Subcommand for Untag {
    const PATHS: &'static [&'static str] = &["untag", "image untag"];
    const ABOUT: &'static str = "Remove a name from a local image";
    const USAGE: Option<&'static str> = Some("IMAGE [NAME...]");
    const EXAMPLES: &'static [&'static str] = &["untag 0e3bbc2", "untag web registry/web:2"];

    fn run(self, context: &Context) -> CommandResult {
        context.engine.untag_image(&self.image, &self.names)?;
        Ok(0)
    }
}
