// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `volume rm`.

use crate::cli::args::Force;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::volume::{RemovedVolume, Uses, VolumeFailure};

/// Flags of `volume rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Remove all volumes
    #[arg(long, short)]
    all: bool,
    /// Remove a volume by force, even if it is being used by a container
    #[arg(long, short)]
    force: bool,
    /// Seconds to wait for running containers to stop before killing the container
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names of volumes
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["volume rm", "volume remove"];
    const ABOUT: &'static str = "Remove one or more volumes";

    fn run(self, context: &Context) -> CommandResult {
        if self.all != self.volumes.is_empty() {
            return Err(Failure::tool("choose either one or more volumes or all"));
        }
        let (force, time) = (self.force, self.time);
        let users = Force { force, time }.running()?;
        let engine = &context.engine;
        let mut words = self.volumes;
        if self.all {
            let listed = engine.list_volumes(&[], Uses::Left, context);
            let listed = listed.map_err(|error| super::failure(context, &error))?;
            words.extend(listed.into_iter().map(|one| one.record.name));
        }
        let removed = engine.remove_volumes(&words, users, context);
        let removed = removed.map_err(|error| super::failure(context, &error))?;
        let is_told = |one: &RemovedVolume| {
            !(self.force && matches!(one.result, Err(VolumeFailure::NothingToRemove { .. })))
        };
        print(context, removed.into_iter().filter(is_told))
    }
}

/// Prints what is gone, and a line for each that is not; the last is the command's own error, and
/// the gravest code counts.
pub(super) fn print(
    context: &Context,
    removed: impl Iterator<Item = RemovedVolume>,
) -> CommandResult {
    let mut failures: Vec<Failure> = Vec::new();
    for one in removed {
        match one.result {
            Ok(()) => context.ui.line(one.typed)?,
            Err(error) => failures.push(super::failure(context, &error)),
        }
    }
    context.end_gravest(failures)
}
