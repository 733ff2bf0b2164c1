// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `runtime state`, `runtime pause` and `runtime resume`.

use super::flags::{RuntimeCall, RuntimeCommand};
use crate::cli::{CommandResult, Failure};

/// Flags of `state`.
#[derive(Debug, clap::Args)]
pub(crate) struct State {
    /// The container's name
    #[arg(required = true)]
    id: String,
}

impl RuntimeCommand for State {
    const PATHS: &'static [&'static str] = &["runtime state"];
    const ABOUT: &'static str = "Show what a container is doing, as JSON";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        let state = call.runtime.state(&self.id)?;
        let text = serde_json::to_string_pretty(&state).map_err(Failure::tool)?;
        call.ui.line(text)?;
        Ok(0)
    }
}

/// Flags of `pause`.
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    /// The container's name
    #[arg(required = true)]
    id: String,
}

impl RuntimeCommand for Pause {
    const PATHS: &'static [&'static str] = &["runtime pause"];
    const ABOUT: &'static str = "Stop all processes of a container for a while";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        call.runtime.pause(&self.id)?;
        Ok(0)
    }
}

/// Flags of `resume`.
#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// The container's name
    #[arg(required = true)]
    id: String,
}

impl RuntimeCommand for Resume {
    const PATHS: &'static [&'static str] = &["runtime resume"];
    const ABOUT: &'static str = "Let the processes of a paused container go on";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        call.runtime.resume(&self.id)?;
        Ok(0)
    }
}
