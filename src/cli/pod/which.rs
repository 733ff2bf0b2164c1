// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which pods a command is about, and what all commands on several pods print.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::cli::failure::TOOL_ERROR;
use crate::cli::{CommandResult, Context, Failure};
use crate::engine::error::EngineError;
use crate::engine::pod::{PodOutcome, PodScope, PodSelection};
use crate::engine::selection::Missing;
use crate::state::StateError;
use crate::state::id::ContainerId;

/// What stood on the command line about which pods are meant.
#[derive(Debug, Default)]
pub(super) struct Which {
    /// Names and ids.
    pub(super) words: Vec<String>,
    /// `--all`.
    pub(super) all: bool,
    /// `--latest`.
    pub(super) latest: bool,
    /// `--pod-id-file`.
    pub(super) id_files: Vec<PathBuf>,
    /// What becomes of words that mean no pod, and of files that are not there.
    pub(super) missing: Missing,
}

impl Which {
    /// The selection that the engine is given.
    ///
    /// # Errors
    ///
    /// Flags that exclude each other, nothing named, an id file that cannot be read.
    pub(super) fn selection(self) -> Result<PodSelection, Failure> {
        self.check()?;
        let mut words = self.words;
        for path in &self.id_files {
            words.extend(id_in(path, self.missing)?);
        }
        let scope = match (self.all, self.latest) {
            (true, _) => PodScope::All,
            (false, true) => PodScope::Latest,
            (false, false) => PodScope::Named,
        };
        Ok(PodSelection {
            scope,
            words,
            missing: self.missing,
        })
    }

    fn check(&self) -> Result<(), Failure> {
        let (named, files) = (!self.words.is_empty(), !self.id_files.is_empty());
        if self.all && self.latest {
            return Err(Failure::usage("--all and --latest cannot be used together"));
        }
        if files && (self.all || self.latest) {
            let message = "--all, --latest, and --pod-id-file cannot be used together";
            return Err(Failure::usage(message));
        }
        if named && self.all {
            return Err(Failure::usage("no arguments are needed with --all"));
        }
        if named && self.latest {
            return Err(Failure::usage("--latest and pods cannot be used together"));
        }
        if !(named || files || self.all || self.latest) {
            return Err(Failure::usage("you must provide at least one name or id"));
        }
        Ok(())
    }
}

fn id_in(path: &Path, missing: Missing) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().next().map(str::to_owned)),
        Err(_) if missing == Missing::Ignore => Ok(None),
        Err(error) => Err(Failure::tool(format_args!(
            "reading pod ID file {}: {error}",
            path.display()
        ))),
    }
}

/// Prints `shown` of each pod for which all went well, then one line for each container for which
/// it did not; `doing` is `stopping`.
pub(super) fn print_outcomes(
    context: &Context,
    outcomes: Result<Vec<PodOutcome>, EngineError>,
    doing: &str,
    shown: impl Fn(&PodOutcome) -> String,
) -> CommandResult {
    let mut failures = Vec::new();
    for outcome in outcomes? {
        if outcome.errors.is_empty() {
            context.ui.line(shown(&outcome))?;
        }
        failures.extend(of_containers(doing, outcome.errors));
    }
    context.end(failures)
}

fn of_containers(
    doing: &str,
    errors: Vec<(ContainerId, EngineError)>,
) -> impl Iterator<Item = Failure> {
    errors.into_iter().map(move |(id, error)| {
        let failure = Failure::from(error);
        prefixed(format_args!("{doing} container {id}"), failure)
    })
}

/// The failure with what it is about in front.
pub(super) fn prefixed(what: impl Display, failure: Failure) -> Failure {
    Failure {
        message: format!("{what}: {}", failure.message),
        ..failure
    }
}

/// 1 for a pod that is not there, else the tool's own.
pub(super) fn with_missing_code(error: StateError) -> Failure {
    let code = match error {
        StateError::NoSuchPod { .. } | StateError::NoPods => 1,
        _ => TOOL_ERROR,
    };
    Failure {
        code,
        ..Failure::from(error)
    }
}
