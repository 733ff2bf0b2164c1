// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `runtime delete`.

use super::flags::{RuntimeCall, RuntimeCommand};
use crate::cli::CommandResult;
use crate::engine::Report as _;
use crate::engine::bundle::Force;

/// Flags of `delete`.
#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// Kill the container if it runs; none is fine, too
    #[arg(long, short)]
    force: bool,
    /// The container's name
    #[arg(required = true)]
    id: String,
}

impl RuntimeCommand for Delete {
    const PATHS: &'static [&'static str] = &["runtime delete"];
    const ABOUT: &'static str = "Remove what is left of a container";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        let force = if self.force { Force::Yes } else { Force::No };
        let warnings = call.runtime.delete(&self.id, force)?;
        for text in &warnings {
            call.warning(text);
        }
        Ok(0)
    }
}
