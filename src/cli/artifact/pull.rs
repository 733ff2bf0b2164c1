// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `artifact pull`.

use crate::cli::args::registry::{RegistryArgs, with_configured_defaults};
use crate::cli::command::NotYet;
use crate::cli::image::transfers::{Purpose, QuietArgs, Transfers};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::artifact::ArtifactPull;

/// Flags of `artifact pull`.
#[derive(Debug, clap::Args)]
pub(crate) struct Pull {
    #[command(flatten)]
    quiet: QuietArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Name of the artifact
    #[arg(value_name = "ARTIFACT", required = true)]
    name: String,
}

impl Subcommand for Pull {
    const PATHS: &'static [&'static str] = &["artifact pull"];
    const ABOUT: &'static str = "Pull an OCI artifact";
    const USAGE: Option<&'static str> = Some("ARTIFACT");
    const EXAMPLES: &'static [&'static str] = &["artifact pull quay.io/ana/model:latest"];
    const NOT_YET: &'static [NotYet] = &[NotYet::long("decryption-key")];

    fn adapt(definition: clap::Command, _dialect: Dialect) -> clap::Command {
        with_configured_defaults(definition)
    }

    fn run(self, context: &Context) -> CommandResult {
        let volume = self.quiet.volume();
        let request = ArtifactPull {
            access: self.registry.access(context)?,
            patience: self.registry.patience().map_err(Failure::tool)?,
            name: self.name,
        };
        let transfers = Transfers::new(context, Purpose::Pull, volume);
        context.engine.pull_artifact(&request, &transfers)?;
        Ok(0)
    }
}
