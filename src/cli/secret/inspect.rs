// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `secret inspect`.

use super::document::{Data, document};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::output::listing::{Headings, RowTemplate, Style, is_json};
use crate::output::value::{JsonStyle, Value, to_json};
use crate::state::secrets::SecretError;

/// Flags of `secret inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format inspect output using a Go template
    #[arg(long, short)]
    format: Option<String>,
    /// Print inspect output in human-readable format
    #[arg(long)]
    pretty: bool,
    /// Display the secret
    #[arg(long)]
    showsecret: bool,
    /// Names or ids of secrets
    #[arg(value_name = "SECRET", required = true)]
    secrets: Vec<String>,
}

const PRETTY: &str = "ID:              {{.ID}}\nName:              {{.Spec.Name}}\
    {{if .Spec.Labels}}\nLabels:{{range $k, $v := .Spec.Labels}}\n - {{$k}}{{if $v}}={{$v}}{{end}}\
    {{end}}{{end}}\nDriver:            {{.Spec.Driver.Name}}\nCreated at:        {{.CreatedAt}}\n\
    Updated at:        {{.UpdatedAt}}";

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["secret inspect"];
    const ABOUT: &'static str = "Inspect a secret";
    const EXAMPLES: &'static [&'static str] = &["secret inspect --format '{{.Spec.Name}}' token"];

    fn run(self, context: &Context) -> CommandResult {
        let data = if self.showsecret {
            Data::Shown
        } else {
            Data::Hidden
        };
        let secrets = context.engine.secrets();
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for word in &self.secrets {
            match secrets.find(word) {
                Ok(record) => found.push(document(&record, data)),
                Err(error @ SecretError::Missing { .. }) => missing.push(error),
                Err(error) => return Err(super::failure(context, &error, 125)),
            }
        }
        let format = if self.pretty {
            Some(PRETTY)
        } else {
            self.format.as_deref().filter(|format| !is_json(format))
        };
        let text = match format {
            None => to_json(&Value::List(found), JsonStyle::Indented(4)) + "\n",
            Some(format) => RowTemplate::parse("inspect", format, Style::Podman, Headings::Hidden)
                .and_then(|template| template.render(&[], found))
                .map_err(Failure::tool)?,
        };
        context.ui.raw(text.as_bytes())?;
        let Some(first) = missing.first() else {
            return Ok(0);
        };
        for other in &missing[1..] {
            context.ui.note(format!("error inspecting secret: {other}"));
        }
        let mut failure = super::failure(context, first, 125);
        failure.message = format!("inspecting secret: {}", failure.message);
        Err(failure)
    }
}
