// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `runtime start`.

use super::flags::{RuntimeCall, RuntimeCommand};
use crate::cli::CommandResult;

/// Flags of `start`.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// The container's name
    #[arg(required = true)]
    id: String,
}

impl RuntimeCommand for Start {
    const PATHS: &'static [&'static str] = &["runtime start"];
    const ABOUT: &'static str = "Start the program of a container that was made";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        call.runtime.start(&self.id)?;
        Ok(0)
    }
}
