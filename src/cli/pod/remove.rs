// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pod rm` and `pod prune`.

use std::path::PathBuf;

use super::which::{Which, prefixed, with_missing_code};
use crate::cli::args::Force;
use crate::cli::confirm::{Answer, confirm};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::pod::{PodRemoval, RemovePodError, RemovedPod};
use crate::engine::selection::Missing;

/// Flags of `pod rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Remove all running pods
    #[arg(long, short)]
    all: bool,
    /// Force removal of a running pod by first stopping all containers, then removing all
    /// containers in the pod
    #[arg(long, short)]
    force: bool,
    /// Ignore errors when a specified pod is missing
    #[arg(long, short)]
    ignore: bool,
    /// Act on the latest pod
    #[arg(long, short)]
    latest: bool,
    /// Read the pod ID from the file, and remove the file with the pod
    #[arg(long, value_name = "FILE")]
    pod_id_file: Vec<PathBuf>,
    /// Seconds to wait for pod stop before killing the container
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names or ids of pods
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["pod rm", "pod remove"];
    const ABOUT: &'static str = "Remove one or more pods";
    const EXAMPLES: &'static [&'static str] = &["pod rm web", "pod rm --force --all"];

    fn run(self, context: &Context) -> CommandResult {
        let (force, time) = (self.force, self.time);
        let running = Force { force, time }.running()?;
        let which = Which {
            words: self.pods,
            all: self.all,
            latest: self.latest,
            id_files: self.pod_id_file.clone(),
            missing: if self.ignore || self.force {
                Missing::Ignore
            } else {
                Missing::Report
            },
        };
        let removal = PodRemoval { running };
        let removed = context
            .engine
            .remove_pods(&which.selection()?, removal, context)
            .map_err(with_missing_code)?;
        if removed.iter().all(|pod| pod.result.is_ok()) {
            for path in &self.pod_id_file {
                // The file speaks of a pod that is no more.
                drop(std::fs::remove_file(path));
            }
        }
        print_removed(context, removed)
    }
}

/// Flags of `pod prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Do not prompt for confirmation
    #[arg(long, short)]
    force: bool,
}

impl Subcommand for Prune {
    const PATHS: &'static [&'static str] = &["pod prune"];
    const ABOUT: &'static str = "Remove all stopped pods and their containers";

    fn run(self, context: &Context) -> CommandResult {
        let warning = "WARNING! This will remove all stopped/exited pods..\n";
        if !self.force && confirm(context, warning)? == Answer::No {
            return Ok(0);
        }
        print_removed(context, context.engine.prune_pods(context)?)
    }
}

fn print_removed(context: &Context, removed: Vec<RemovedPod>) -> CommandResult {
    let mut failures = Vec::new();
    for RemovedPod { id, result } in removed {
        match result {
            Ok(()) => context.ui.line(&id)?,
            Err(error) => failures.extend(failures_of(error)),
        }
    }
    context.end(failures)
}

fn failures_of(error: RemovePodError) -> Vec<Failure> {
    let message = error.to_string();
    match error {
        RemovePodError::State(error) => vec![with_missing_code(error)],
        RemovePodError::Engine(error) => vec![error.into()],
        RemovePodError::Containers { pod, errors } => {
            let mut failures = vec![Failure::tool(message)];
            failures.extend(errors.into_iter().map(|(id, error)| {
                let what = format_args!("error removing container {id} from pod {pod}");
                prefixed(what, error.into())
            }));
            failures
        }
    }
}
