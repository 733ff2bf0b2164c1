// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `runtime kill`.

use super::flags::{RuntimeCall, RuntimeCommand};
use crate::cli::CommandResult;
use crate::engine::bundle::AmongOthers;
use crate::engine::signal;

/// Flags of `kill`.
#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    /// Signal every process of the container
    #[arg(long, short)]
    all: bool,
    /// The container's name
    #[arg(required = true)]
    id: String,
    /// The signal, by name or number
    #[arg(default_value = "TERM")]
    signal: String,
}

impl RuntimeCommand for Kill {
    const PATHS: &'static [&'static str] = &["runtime kill"];
    const ABOUT: &'static str = "Send a signal to the first process of a container";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        // That of kill(2), which asks whether there is somebody.
        let signal = match self.signal.as_str() {
            "0" => 0,
            typed => signal::parse(typed)?,
        };
        let whom = if self.all {
            AmongOthers::All
        } else {
            AmongOthers::First
        };
        call.runtime.kill(&self.id, signal, whom)?;
        Ok(0)
    }
}
