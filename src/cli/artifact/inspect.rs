// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `artifact inspect`.

use super::document::document;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::output::listing::{Headings, RowTemplate, Style, is_json};
use crate::output::value::{JsonStyle, to_json};

/// Flags of `artifact inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format the output using a Go template, or as JSON
    #[arg(long, short)]
    format: Option<String>,
    /// Name or digest of the artifact
    #[arg(value_name = "ARTIFACT", required = true)]
    name: String,
}

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["artifact inspect"];
    const ABOUT: &'static str = "Inspect an OCI artifact";
    const USAGE: Option<&'static str> = Some("ARTIFACT");
    const EXAMPLES: &'static [&'static str] =
        &["artifact inspect --format '{{.Digest}}' quay.io/ana/model:latest"];

    fn run(self, context: &Context) -> CommandResult {
        let document = document(&context.engine.artifact(&self.name)?);
        let format = self.format.as_deref();
        let text = match format.filter(|format| !format.is_empty() && !is_json(format)) {
            None => to_json(&document, JsonStyle::Indented(5)) + "\n",
            Some(format) => RowTemplate::parse("inspect", format, Style::Podman, Headings::Hidden)
                .and_then(|template| template.render(&[], vec![document]))
                .map_err(Failure::tool)?,
        };
        context.ui.raw(text.as_bytes())?;
        Ok(0)
    }
}
