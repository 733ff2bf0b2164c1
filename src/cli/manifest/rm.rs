// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest rm`: lists, but no images.

use crate::cli::image::remove_named;
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::selection::Missing;

/// Flags of `manifest rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    /// Ignore lists that do not exist
    #[arg(long, short)]
    ignore: bool,
    /// Names or ids of lists
    #[arg(value_name = "LIST", required = true)]
    lists: Vec<String>,
}

impl Subcommand for Rm {
    const PATHS: &'static [&'static str] = &["manifest rm"];
    const ABOUT: &'static str = "Remove a manifest list or image index from local storage";
    const USAGE: Option<&'static str> = Some("LIST [LIST...]");
    const EXAMPLES: &'static [&'static str] = &["manifest rm web:1.0"];

    fn run(self, context: &Context) -> CommandResult {
        for list in &self.lists {
            match context.engine.check_manifest(list) {
                Err(error) if !error.is_missing() => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        let missing = if self.ignore {
            Missing::Ignore
        } else {
            Missing::Report
        };
        remove_named(self.lists, missing, context)
    }
}
