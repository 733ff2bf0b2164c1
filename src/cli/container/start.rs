// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `start`.

use super::foreground;
use super::which::{print_items, tool_error, without_slash};
use crate::cli::args::boolean;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::attach::AttachedStreams;
use crate::engine::error::EngineError;
use crate::engine::launch::{Foreground, StartOutcome};
use crate::engine::selection::{Scope, Selection};

/// Flags of `start`.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// Start all containers regardless of their state or configuration
    #[arg(long)]
    all: bool,
    /// Attach container's STDOUT and STDERR
    #[arg(long, short)]
    attach: bool,
    /// Key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Filter output based on conditions given
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Make STDIN available to the contained process
    #[arg(long, short)]
    interactive: bool,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Proxy received signals to the process (default true if attaching, false otherwise)
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    sig_proxy: Option<bool>,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Subcommand for Start {
    const PATHS: &'static [&'static str] = &["start", "container start"];
    const ABOUT: &'static str = "Start one or more containers";
    const EXAMPLES: &'static [&'static str] = &["start web db", "start --attach web"];

    fn run(self, context: &Context) -> CommandResult {
        if self.names_nothing() {
            return Err(Failure::no_names("start requires at least one argument"));
        }
        self.check().map_err(Failure::usage)?;
        let selection = self.selection();
        if !self.attaches() {
            let started = context.engine.start_all(&selection, context);
            return print_items(context, started, tool_error);
        }
        let foreground = self.foreground(context)?;
        let started = context
            .engine
            .start_attached(&selection, foreground, context);
        match started {
            Ok(StartOutcome::Attached(outcome)) => Ok(outcome.exit_code()),
            Ok(StartOutcome::Started | StartOutcome::AlreadyRunning) => Ok(0),
            Err(error) => Err(failure(error)),
        }
    }
}

impl Start {
    fn names_nothing(&self) -> bool {
        self.containers.is_empty() && !self.latest && !self.all && self.filter.is_empty()
    }

    fn check(&self) -> Result<(), &'static str> {
        let named = self.containers.len();
        let wrong = [
            (
                self.all && self.latest,
                "--all and --latest cannot be used together",
            ),
            (
                named > 0 && self.latest,
                "--latest and containers cannot be used together",
            ),
            (
                named > 1 && self.attaches(),
                "you cannot start and attach multiple containers at once",
            ),
            (
                self.all && named > 0,
                "either start all containers or the container(s) provided in the arguments",
            ),
            (
                self.all && self.attaches(),
                "you cannot start and attach all containers at once",
            ),
            (
                self.sig_proxy == Some(true) && !self.attaches(),
                "you cannot use sig-proxy without --attach: invalid argument",
            ),
        ];
        match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, message)) => Err(message),
            None => Ok(()),
        }
    }

    /// docker's `start -i` attaches too.
    fn attaches(&self) -> bool {
        self.attach || self.interactive
    }

    fn selection(&self) -> Selection {
        let scope = if self.all || !self.filter.is_empty() {
            Scope::All
        } else if self.latest {
            Scope::Latest
        } else {
            Scope::Named
        };
        Selection {
            scope,
            words: self.containers.iter().map(|w| without_slash(w)).collect(),
            filters: self.filter.clone(),
            ..Selection::default()
        }
    }

    fn foreground(&self, context: &Context) -> Result<Foreground, Failure> {
        let streams = AttachedStreams {
            stdin: self.interactive,
            ..AttachedStreams::OUTPUT
        };
        let keys = context.engine.detach_keys(self.detach_keys.as_deref())?;
        Ok(foreground::of(streams, keys, self.sig_proxy))
    }
}

/// An attached start ends as `run` does: 126 and 127 tell what is wrong with the command.
fn failure(error: EngineError) -> Failure {
    let code = match &error {
        EngineError::Start { exit_code, .. } => *exit_code,
        _ => crate::cli::failure::TOOL_ERROR,
    };
    Failure {
        code,
        ..error.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_exclude_each_other_are_told() {
        let start = |words: &[&str], all, attach, filters: &[&str]| Start {
            all,
            attach,
            detach_keys: None,
            filter: filters.iter().map(|&filter| filter.to_owned()).collect(),
            interactive: false,
            latest: false,
            sig_proxy: None,
            containers: words.iter().map(|&word| word.to_owned()).collect(),
        };
        let all_or_named =
            "either start all containers or the container(s) provided in the arguments";
        let many = "you cannot start and attach multiple containers at once";
        let cases = [
            (start(&["a", "b"], false, false, &[]), Ok(())),
            (start(&["a", "b"], false, true, &[]), Err(many)),
            (start(&["a"], true, false, &[]), Err(all_or_named)),
            (start(&["a"], false, false, &["name=a"]), Ok(())),
        ];
        for (start, expected) in cases {
            assert_eq!(start.check(), expected, "{start:?}");
            assert!(!start.names_nothing(), "{start:?}");
        }
        assert!(start(&[], false, false, &[]).names_nothing());
    }
}
