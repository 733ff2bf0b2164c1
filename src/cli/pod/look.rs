// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pod exists` and `pod inspect`.

use crate::cli::inspect::inspect_pods;
use crate::cli::{CommandResult, Context, Subcommand};
use crate::state::StateError;

/// Words of `pod exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Name or id of the pod
    #[arg(value_name = "POD", required = true)]
    pod: String,
}

/// The exit code that says no.
const MISSING: u8 = 1;

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["pod exists"];
    const ABOUT: &'static str = "Check if a pod exists in local storage";

    fn run(self, context: &Context) -> CommandResult {
        match context.engine.pod(&self.pod) {
            Ok(_) => Ok(0),
            Err(StateError::NoSuchPod { .. }) => Ok(MISSING),
            Err(error) => Err(error.into()),
        }
    }
}

/// Flags of `pod inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format the output to a Go template or json
    #[arg(long, short, default_value = "json", hide_default_value = true)]
    format: String,
    /// Act on the latest pod
    #[arg(long, short)]
    latest: bool,
    /// Names or ids of pods
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["pod inspect"];
    const ABOUT: &'static str = "Display a pod configuration";
    const EXAMPLES: &'static [&'static str] = &["pod inspect web", "pod inspect --latest"];

    fn run(self, context: &Context) -> CommandResult {
        inspect_pods(self.format, self.latest, self.pods, context)
    }
}
