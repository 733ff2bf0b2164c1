// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `wait`.

use std::time::Duration;

use jiff::SignedDuration;

use super::which::{self, Which, print_errors};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::wait::{Condition, Until, WaitOptions};

/// Flags of `wait`.
#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    /// Condition to wait on
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    condition: Vec<String>,
    /// Wait for exit of first container which matches conditions, ignore other ones
    #[arg(long)]
    exit_first_match: bool,
    /// Ignore if a container does not exist
    #[arg(long)]
    ignore: bool,
    /// Time interval to wait before polling for completion
    #[arg(long, short, value_name = "DURATION", default_value = "250ms")]
    interval: String,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Subcommand for Wait {
    const PATHS: &'static [&'static str] = &["wait", "container wait"];
    const ABOUT: &'static str = "Block on one or more containers";
    const EXAMPLES: &'static [&'static str] = &["wait --interval 5s web", "wait web db"];

    fn run(self, context: &Context) -> CommandResult {
        let options = self.options()?;
        if self.containers.is_empty() && !self.latest {
            return Err(Failure::usage(format_args!(
                "\"{} {}\" requires a name, id, or the \"--latest\" flag",
                context.call.program, context.call.path
            )));
        }
        let which = Which {
            words: self.containers,
            latest: self.latest,
            ignore: self.ignore,
            ..Which::default()
        };
        let selection = which.selection()?;
        let waited = context.engine.wait(&selection, &options)?;
        let mut errors = Vec::new();
        for one in waited {
            match one.result {
                Ok(code) => context.ui.line(code)?,
                Err(error) => errors.push(error),
            }
        }
        print_errors(context, errors, which::tool_error)
    }
}

impl Wait {
    fn options(&self) -> Result<WaitOptions, Failure> {
        let mut conditions = Vec::new();
        for name in &self.condition {
            conditions.push(Condition::parse(name)?);
        }
        if conditions.is_empty() {
            conditions.push(Condition::Ended);
        }
        Ok(WaitOptions {
            conditions,
            interval: interval(&self.interval)?,
            until: if self.exit_first_match {
                Until::First
            } else {
                Until::All
            },
        })
    }
}

/// `5s`, `1m30s`; a bare number counts milliseconds.
fn interval(text: &str) -> Result<Duration, Failure> {
    if let Ok(millis) = text.parse() {
        return Ok(Duration::from_millis(millis));
    }
    let parsed: Option<SignedDuration> = text.parse().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| Failure::tool(format_args!("time: invalid duration {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_in_go() {
        let cases = [
            ("250ms", Some(250)),
            ("5s", Some(5000)),
            ("1m30s", Some(90_000)),
            ("40", Some(40)),
            ("soon", None),
            ("-1s", None),
        ];
        for (text, millis) in cases {
            let read = interval(text).ok();
            assert_eq!(read, millis.map(Duration::from_millis), "{text}");
        }
    }
}
