// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pod start`, `stop`, `restart`, `kill`, `pause` and `unpause`.

use std::path::PathBuf;

use super::which::{Which, print_outcomes};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::pod::{PodAction, PodOutcome};
use crate::engine::selection::Missing;
use crate::engine::signal;
use crate::engine::stop::Grace;

/// Flags that all of them have.
#[derive(Debug, clap::Args)]
struct PodFlags {
    /// Act on all pods
    #[arg(long, short)]
    all: bool,
    /// Act on the latest pod
    #[arg(long, short)]
    latest: bool,
    /// Names or ids of pods
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

impl PodFlags {
    fn which(self) -> Which {
        Which {
            words: self.pods,
            all: self.all,
            latest: self.latest,
            ..Which::default()
        }
    }
}

/// Flags of `pod start`.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    #[command(flatten)]
    flags: PodFlags,
    /// Read the pod ID from the file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Vec<PathBuf>,
}

impl Subcommand for Start {
    const PATHS: &'static [&'static str] = &["pod start"];
    const ABOUT: &'static str = "Start one or more pods";
    const EXAMPLES: &'static [&'static str] = &["pod start web", "pod start --all"];

    fn run(self, context: &Context) -> CommandResult {
        let which = Which {
            id_files: self.pod_id_file,
            ..self.flags.which()
        };
        act(context, which, PodAction::Start, "starting", name)
    }
}

/// Flags of `pod stop`.
#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    flags: PodFlags,
    /// Ignore errors when a specified pod is missing
    #[arg(long, short)]
    ignore: bool,
    /// Read the pod ID from the file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Vec<PathBuf>,
    /// Seconds to wait for pod stop before killing the container
    #[arg(
        long,
        short,
        alias = "timeout",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    time: Option<i64>,
}

impl Subcommand for Stop {
    const PATHS: &'static [&'static str] = &["pod stop"];
    const ABOUT: &'static str = "Stop one or more pods";
    const EXAMPLES: &'static [&'static str] = &["pod stop web", "pod stop --time 0 --all"];

    fn run(self, context: &Context) -> CommandResult {
        let which = Which {
            id_files: self.pod_id_file,
            missing: if self.ignore {
                Missing::Ignore
            } else {
                Missing::Report
            },
            ..self.flags.which()
        };
        let grace = self.time.map(Grace::from_seconds);
        act(context, which, PodAction::Stop(grace), "stopping", name)
    }
}

/// Flags of `pod restart`.
#[derive(Debug, clap::Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    flags: PodFlags,
}

impl Subcommand for Restart {
    const PATHS: &'static [&'static str] = &["pod restart"];
    const ABOUT: &'static str = "Restart one or more pods";

    fn run(self, context: &Context) -> CommandResult {
        let which = self.flags.which();
        act(context, which, PodAction::Restart, "restarting", id)
    }
}

/// Flags of `pod kill`.
#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    #[command(flatten)]
    flags: PodFlags,
    /// Signal to send to the containers in the pod
    #[arg(long, short, default_value = "KILL")]
    signal: String,
}

impl Subcommand for Kill {
    const PATHS: &'static [&'static str] = &["pod kill"];
    const ABOUT: &'static str = "Send the specified signal or SIGKILL to containers in pod";

    fn run(self, context: &Context) -> CommandResult {
        let signal = signal::parse(&self.signal).map_err(Failure::tool)?;
        let which = self.flags.which();
        act(context, which, PodAction::Kill(signal), "killing", id)
    }
}

/// Flags of `pod pause`.
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    flags: PodFlags,
}

impl Subcommand for Pause {
    const PATHS: &'static [&'static str] = &["pod pause"];
    const ABOUT: &'static str = "Pause one or more pods";

    fn run(self, context: &Context) -> CommandResult {
        let which = self.flags.which();
        act(context, which, PodAction::Pause, "pausing", id)
    }
}

/// Flags of `pod unpause`.
#[derive(Debug, clap::Args)]
pub(crate) struct Unpause {
    #[command(flatten)]
    flags: PodFlags,
}

impl Subcommand for Unpause {
    const PATHS: &'static [&'static str] = &["pod unpause"];
    const ABOUT: &'static str = "Unpause one or more pods";

    fn run(self, context: &Context) -> CommandResult {
        let which = self.flags.which();
        act(context, which, PodAction::Unpause, "unpausing", id)
    }
}

fn act(
    context: &Context,
    which: Which,
    action: PodAction,
    doing: &str,
    shown: impl Fn(&PodOutcome) -> String,
) -> CommandResult {
    let selection = which.selection()?;
    let outcomes = context.engine.act_on_pods(&selection, action, context);
    print_outcomes(context, outcomes, doing, shown)
}

fn name(outcome: &PodOutcome) -> String {
    outcome.name.clone()
}

fn id(outcome: &PodOutcome) -> String {
    outcome.id.to_string()
}
