// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `events`.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use jiff::Timestamp;

use super::event_document::{docker_document, docker_line, podman_document, podman_line};
use crate::cli::args::boolean;
use crate::cli::container::{end, moment};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::events::{EventSink, EventsRequest, Stream};
use crate::output::listing::{is_json, render_one};
use crate::output::ui::Ui;
use crate::output::value::{JsonStyle, Value, to_json};
use crate::state::events::{Action, Event, Kind};

/// Flags of `events`.
#[derive(Debug, clap::Args)]
pub(crate) struct Events {
    /// Filter output: container, event, image, label, network, pod, secret, type, volume
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// Format the output using a Go template, or as JSON
    #[arg(long)]
    format: Option<String>,
    /// Do not truncate the output (default true)
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    no_trunc: Option<bool>,
    /// Show all events created since TIMESTAMP
    #[arg(long, value_name = "TIMESTAMP", allow_hyphen_values = true)]
    since: Option<String>,
    /// Stream events and do not exit when returning the last known event (default true)
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    stream: Option<bool>,
    /// Show all events until TIMESTAMP
    #[arg(long, value_name = "TIMESTAMP", allow_hyphen_values = true)]
    until: Option<String>,
}

impl Subcommand for Events {
    const PATHS: &'static [&'static str] = &["events", "system events"];
    const ABOUT: &'static str = "Show what happens to containers, images, volumes and the rest";
    const EXAMPLES: &'static [&'static str] = &[
        "events",
        "events --filter event=died --filter type=container",
        "events --since 1h --stream=false --format '{{.Name}} {{.Status}}'",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let dialect = context.engine.dialect;
        let request = self.request(Timestamp::now(), dialect)?;
        let format = match self.format {
            None => Form::Line,
            Some(format) if is_json(&format) => Form::Json,
            Some(format) => Form::Template(format),
        };
        let mut printer = Printer {
            ui: context.ui,
            dialect,
            form: format,
            truncated: self.no_trunc == Some(false),
            stdout: io::stdout(),
        };
        printer.check()?;
        context.engine.events(&request, &mut printer)?;
        Ok(0)
    }
}

impl Events {
    fn request(&self, now: Timestamp, dialect: Dialect) -> Result<EventsRequest, Failure> {
        let unclear = |flag: &str, failure: Failure| {
            Failure::tool(format_args!(
                "failed to parse event filters: unable to convert {flag} time: {}",
                failure.message
            ))
        };
        let since = self.since.as_deref().map(|text| moment("since", text, now));
        let until = self.until.as_deref().map(|text| end(text, now, dialect));
        Ok(EventsRequest {
            filters: self.filter.clone(),
            since: since
                .transpose()
                .map_err(|failure| unclear("since", failure))?,
            until: until
                .transpose()
                .map_err(|failure| unclear("until", failure))?,
            stream: match self.stream {
                Some(false) => Stream::No,
                Some(true) | None => Stream::Yes,
            },
        })
    }
}

/// How an event is shown.
#[derive(Debug)]
enum Form {
    Line,
    Json,
    Template(String),
}

/// Events on their way to standard output.
struct Printer {
    ui: Ui,
    dialect: Dialect,
    form: Form,
    truncated: bool,
    /// Its reader may go away while there is nothing to write.
    stdout: io::Stdout,
}

impl Printer {
    /// A template that fits no event is told before there is one.
    fn check(&self) -> Result<(), Failure> {
        if let Form::Template(format) = &self.form {
            let event = Event::new(Kind::System, Action::Refresh);
            render_one("events", format, &self.document(&event)).map_err(Failure::tool)?;
        }
        Ok(())
    }

    fn document(&self, event: &Event) -> Value {
        match self.dialect {
            Dialect::Podman => podman_document(event),
            Dialect::Docker => docker_document(event),
        }
    }

    fn text(&self, event: &Event) -> Result<String, io::Error> {
        match &self.form {
            Form::Line => Ok(match self.dialect {
                Dialect::Podman => podman_line(event, self.truncated),
                Dialect::Docker => docker_line(event),
            }),
            Form::Json => Ok(to_json(&self.document(event), JsonStyle::Compact) + "\n"),
            Form::Template(format) => {
                render_one("events", format, &self.document(event)).map_err(io::Error::other)
            }
        }
    }
}

impl EventSink for Printer {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.dialect == Dialect::Docker && super::event_document::docker_action(event).is_none()
        {
            return Ok(());
        }
        let text = self.text(event)?;
        self.ui.raw(text.as_bytes())
    }

    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn output(&self) -> Option<BorrowedFd<'_>> {
        Some(self.stdout.as_fd())
    }
}
