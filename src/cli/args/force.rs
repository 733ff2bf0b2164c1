// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--force` and `--time` of commands that remove.

use crate::cli::Failure;
use crate::engine::remove::Running;
use crate::engine::stop::Grace;

/// What the two flags say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Force {
    /// `--force`.
    pub(crate) force: bool,
    /// `--time`, in seconds.
    pub(crate) time: Option<i64>,
}

impl Force {
    /// What becomes of containers that run.
    pub(crate) fn running(self) -> Result<Running, Failure> {
        Ok(match (self.force, self.time) {
            (false, Some(_)) => {
                let message = "--force option must be specified to use the --time option";
                return Err(Failure::tool(message));
            }
            (false, None) => Running::Refuse,
            (true, None) => Running::Kill,
            (true, Some(seconds)) => Running::Stop(Grace::from_seconds(seconds)),
        })
    }
}
