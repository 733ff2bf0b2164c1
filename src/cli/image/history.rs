// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `history`: how an image was made.

use jiff::Timestamp;

use super::image_row::strings;
use crate::cli::args::boolean;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::image::HistoryStep;
use crate::output::listing::{Headings, RowTemplate, Style, is_json, json_lines};
use crate::output::table::push_visible;
use crate::output::units::duration::rough_span;
use crate::output::units::size::{human_size, spaced_size};
use crate::output::value::{JsonStyle, Struct, Time, Value, to_json};

/// What stands where the id of a step is not known.
const MISSING: &str = "<missing>";

/// Characters of a command before it is cut.
const COMMAND_WIDTH: usize = 45;

/// Flags of `history`.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// Change the output to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Display sizes and dates in human readable format
    #[arg(long, short = 'H', num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    human: Option<bool>,
    /// Do not truncate the output
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    /// Display the numeric IDs only
    #[arg(long, short)]
    quiet: bool,
    /// Name or id of an image
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
}

const HEADINGS: &[(&str, &str)] = &[
    ("CreatedBy", "CREATED BY"),
    ("CreatedAt", "CREATED"),
    ("CreatedSince", "CREATED"),
];

const DOCKER_HEADINGS: &[(&str, &str)] = &[
    ("ID", "IMAGE"),
    ("CreatedBy", "CREATED BY"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
];

impl Subcommand for History {
    const PATHS: &'static [&'static str] = &["history", "image history"];
    const ABOUT: &'static str = "Show history of a specified image";
    const EXAMPLES: &'static [&'static str] =
        &["history web", "history --no-trunc --format json web"];

    fn run(self, context: &Context) -> CommandResult {
        let steps = context.engine.image_history(&self.image)?;
        let dialect = context.engine.dialect;
        let text = self.render(&steps, dialect)?;
        context.ui.raw(text.as_bytes())?;
        Ok(0)
    }
}

impl History {
    fn render(&self, steps: &[HistoryStep], dialect: Dialect) -> Result<String, Failure> {
        let format = self.format.as_deref();
        if self.quiet {
            let ids = steps.iter().map(|step| self.id(step, dialect) + "\n");
            return Ok(ids.collect());
        }
        if format.is_some_and(is_json) {
            return Ok(self.json(steps, dialect));
        }
        let created = if self.is_human() {
            "CreatedSince"
        } else {
            "CreatedAt"
        };
        let table = format!(
            "table {{{{.ID}}}}\t{{{{.{created}}}}}\t{{{{.CreatedBy}}}}\t{{{{.Size}}}}\t{{{{.Comment}}}}"
        );
        let format = match format {
            None | Some("table") => &table,
            Some(format) => format,
        };
        let style = match dialect {
            Dialect::Podman => Style::Podman,
            Dialect::Docker => Style::Docker,
        };
        let template =
            RowTemplate::parse("history", format, style, Headings::Shown).map_err(Failure::tool)?;
        let now = Timestamp::now();
        let rows = steps.iter().map(|step| self.row(step, now, dialect));
        let headings = match dialect {
            Dialect::Podman => HEADINGS,
            Dialect::Docker => DOCKER_HEADINGS,
        };
        template
            .render(headings, rows.collect())
            .map_err(Failure::tool)
    }

    fn is_human(&self) -> bool {
        self.human.unwrap_or(true)
    }

    fn row(&self, step: &HistoryStep, now: Timestamp, dialect: Dialect) -> Value {
        let created = step.created.unwrap_or(Timestamp::UNIX_EPOCH);
        let since = format!("{} ago", rough_span(created, now));
        let at = match (self.is_human(), dialect) {
            (true, Dialect::Podman) => Time::utc(whole_seconds(created)).go_string(),
            (false, _) | (true, Dialect::Docker) => Time::utc(whole_seconds(created)).rfc3339(),
        };
        Struct::new("images.historyReporter")
            .with("ID", self.id(step, dialect))
            .with(
                "Created",
                if self.is_human() {
                    since.clone()
                } else {
                    at.clone()
                },
            )
            .with("CreatedSince", since)
            .with("CreatedAt", at)
            .with("CreatedBy", self.command(step))
            .with("Size", self.size(step, dialect))
            .with("Comment", visible(&step.comment))
            .with("Tags", strings(&step.tags))
            .into()
    }

    fn id(&self, step: &HistoryStep, dialect: Dialect) -> String {
        match (&step.id, self.no_trunc, dialect) {
            (None, _, _) => MISSING.to_owned(),
            (Some(id), false, _) => id[..12].to_owned(),
            (Some(id), true, Dialect::Podman) => id.clone(),
            (Some(id), true, Dialect::Docker) => format!("sha256:{id}"),
        }
    }

    fn command(&self, step: &HistoryStep) -> String {
        let command = visible(&step.created_by);
        let too_long = command.chars().count() > COMMAND_WIDTH;
        if self.no_trunc || !too_long {
            return command;
        }
        let kept: String = command.chars().take(COMMAND_WIDTH - 3).collect();
        format!("{kept}...")
    }

    fn size(&self, step: &HistoryStep, dialect: Dialect) -> String {
        match (self.is_human(), dialect) {
            (false, Dialect::Docker) => step.size_bytes.to_string(),
            (true, Dialect::Docker) => human_size(step.size_bytes, 3),
            (_, Dialect::Podman) => spaced_size(step.size_bytes, 3),
        }
    }

    fn json(&self, steps: &[HistoryStep], dialect: Dialect) -> String {
        if dialect == Dialect::Docker {
            let now = Timestamp::now();
            let rows: Vec<Value> = steps
                .iter()
                .map(|step| self.row(step, now, dialect))
                .collect();
            return json_lines(&rows);
        }
        let document = |step: &HistoryStep| {
            let created = step.created.unwrap_or(Timestamp::UNIX_EPOCH);
            let size = i64::try_from(step.size_bytes).unwrap_or(i64::MAX);
            Struct::new("images.historyReporter")
                .with("ID,id", step.id.as_deref().unwrap_or(MISSING))
                .with("CreatedTime,created", Time::utc(created).rfc3339())
                .with("CreatedBy", step.created_by.as_str())
                .with("Size,size", Value::Int(size))
                .with("Comment,comment", step.comment.as_str())
                .with("Tags,tags,omitempty", strings(&step.tags))
                .with("Created", Time::utc(whole_seconds(created)).rfc3339())
                .into()
        };
        let documents = Value::List(steps.iter().map(document).collect());
        to_json(&documents, JsonStyle::Compact) + "\n"
    }
}

fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// What an image says of itself must not drive the terminal.
fn visible(text: &str) -> String {
    let mut shown = String::new();
    push_visible(text, &mut shown);
    shown
}
