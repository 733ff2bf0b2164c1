// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `healthcheck run`.

use super::which::without_slash;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::error::EngineError;
use crate::engine::health::Finding;

/// Flags of `healthcheck run`.
#[derive(Debug, clap::Args)]
pub(crate) struct HealthcheckRun {
    /// End with 0 also when the check fails
    #[arg(long)]
    ignore_result: bool,
    /// Name or id of a container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// The exit code of a check that has failed.
const FAILED: u8 = 1;

impl Subcommand for HealthcheckRun {
    const PATHS: &'static [&'static str] = &["healthcheck run"];
    const ABOUT: &'static str = "Run the health check of a container";
    const EXAMPLES: &'static [&'static str] = &["healthcheck run web"];

    fn run(self, context: &Context) -> CommandResult {
        let name = without_slash(&self.container);
        let store = context.engine.store().map_err(EngineError::from)?;
        let id = store.resolve(&name).map_err(EngineError::from)?;
        let checked = context.engine.check_health(&id);
        match checked.map_err(|error| Failure::from_error(125, &error))? {
            Finding::Healthy => Ok(0),
            finding @ (Finding::Unhealthy | Finding::Starting | Finding::Stopped) => {
                context.ui.line(finding.word())?;
                Ok(if self.ignore_result { 0 } else { FAILED })
            }
        }
    }
}
