// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `rm`.

use std::path::PathBuf;

use super::which::{Which, print_items};
use crate::cli::args::Force;
use crate::cli::failure::TOOL_ERROR;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::error::EngineError;
use crate::engine::remove::{Dependents, OwnVolumes, RemoveOptions};

/// Flags of `rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    /// Remove all containers
    #[arg(long, short)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Remove container and all containers that depend on the selected container
    #[arg(long)]
    depend: bool,
    /// Filter output based on conditions given
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Force removal of a running or unusable container
    #[arg(long, short)]
    force: bool,
    /// Ignore errors when a specified container is missing
    #[arg(long, short)]
    ignore: bool,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Seconds to wait for stop before killing the container
    #[arg(
        long,
        short,
        alias = "timeout",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    time: Option<i64>,
    /// Remove anonymous volumes associated with the container
    #[arg(long, short)]
    volumes: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Subcommand for Rm {
    const PATHS: &'static [&'static str] = &["rm", "container rm", "container remove"];
    const ABOUT: &'static str = "Remove one or more containers";
    const EXAMPLES: &'static [&'static str] = &["rm web", "rm --force --all"];

    fn run(self, context: &Context) -> CommandResult {
        let options = self.options()?;
        let which = Which {
            words: self.containers,
            all: self.all,
            latest: self.latest,
            filters: self.filter,
            cidfiles: self.cidfile,
            ignore: self.ignore || self.force,
            running: false,
        };
        let selection = which.selection()?;
        let removed = context.engine.remove(&selection, options, context);
        print_items(context, removed, exit_code)
    }
}

impl Rm {
    fn options(&self) -> Result<RemoveOptions, Failure> {
        let (force, time) = (self.force, self.time);
        let running = Force { force, time }.running()?;
        let dependents = if self.all || self.depend {
            Dependents::Remove
        } else {
            Dependents::Refuse
        };
        Ok(RemoveOptions {
            running,
            dependents,
            volumes: if self.volumes {
                OwnVolumes::Remove
            } else {
                OwnVolumes::Keep
            },
        })
    }
}

/// 1 when all that failed did not exist, 2 when some are running, else the tool's own.
fn exit_code(errors: &[EngineError]) -> u8 {
    let is_running = |error: &EngineError| {
        matches!(
            error,
            EngineError::NotRemovable { .. } | EngineError::ExternalMounted { .. }
        )
    };
    let known = |error: &EngineError| error.is_missing() || is_running(error);
    if !errors.iter().all(known) {
        TOOL_ERROR
    } else if errors.iter().any(is_running) {
        2
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::id::ContainerId;

    #[test]
    fn exit_codes_tell_missing_from_running() {
        let id = || ContainerId::from_random(&[1; 32]);
        let missing = || EngineError::NothingToRemove { name: "x".into() };
        let running = || EngineError::NotRemovable {
            id: id(),
            status: "running",
        };
        let other = || EngineError::KeepsStarting { id: id() };
        assert_eq!(exit_code(&[missing(), missing()]), 1);
        assert_eq!(exit_code(&[missing(), running()]), 2);
        assert_eq!(exit_code(&[running(), other()]), 125);
    }
}
