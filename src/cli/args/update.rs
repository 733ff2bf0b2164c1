// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags of `update`: those of `run` that a container can be given later.

use clap::Args;

use super::create::Caller;
use super::environment::EnvironmentArgs;
use super::health::{Checks, HealthArgs};
use super::lifecycle::check_restart_policy;
use super::process::ulimits;
use super::resources::ResourceArgs;
use crate::cli::Failure;
use crate::engine::update::Changes;
use crate::state::record::ContainerRequest;

/// Flags of `update`.
#[derive(Debug, Default, Args)]
pub(crate) struct UpdateArgs {
    /// Set environment variables of the container's next start
    #[arg(long, short)]
    env: Vec<String>,
    #[command(flatten)]
    health: HealthArgs,
    /// Disable healthchecks on the container
    #[arg(long)]
    no_healthcheck: bool,
    #[command(flatten)]
    resources: ResourceArgs,
    /// Restart policy to apply when the container exits
    #[arg(long)]
    restart: Option<String>,
    /// Limits of the processes of its next start, as name=soft[:hard] or host
    #[arg(long, value_delimiter = ',')]
    ulimit: Vec<String>,
    /// Unset environment variables of the container's next start
    #[arg(long)]
    unsetenv: Vec<String>,
}

impl UpdateArgs {
    /// What becomes different, and what the user should be told.
    pub(crate) fn changes(self, caller: &Caller) -> Result<(Changes, Vec<String>), Failure> {
        let (limits, warnings) = self.resources.limits().map_err(Failure::tool)?;
        let mut request = ContainerRequest::default();
        EnvironmentArgs::of_variables(self.env)
            .fill(&mut request, &caller.env)
            .map_err(Failure::tool)?;
        check_restart_policy(self.restart.as_deref()).map_err(Failure::tool)?;
        let checks = if self.no_healthcheck {
            Checks::Disabled
        } else {
            Checks::Allowed
        };
        let changes = Changes {
            limits,
            health: self.health.change(checks).map_err(Failure::tool)?,
            restart: self.restart,
            env: request.env,
            unset_env: self.unsetenv,
            ulimits: ulimits(&self.ulimit).map_err(Failure::tool)?,
        };
        Ok((changes, warnings))
    }
}
