// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest remove`: an image of a list.

use crate::cli::{CommandResult, Context, Subcommand};

/// Words of `manifest remove`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Name or id of the list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// Digest of one of its images
    #[arg(value_name = "DIGEST", required = true)]
    digest: String,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["manifest remove"];
    const ABOUT: &'static str = "Remove an image from a manifest list or image index";
    const USAGE: Option<&'static str> = Some("LIST DIGEST");
    const EXAMPLES: &'static [&'static str] = &[
        "manifest remove web:1.0 sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let id = context
            .engine
            .remove_from_manifest(&self.list, &self.digest)?;
        context.ui.line(id.hex())?;
        Ok(0)
    }
}
