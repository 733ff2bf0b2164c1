// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `artifact push`.

use std::path::PathBuf;

use crate::cli::args::registry::{RegistryArgs, for_push};
use crate::cli::command::NotYet;
use crate::cli::image::push::write_digest;
use crate::cli::image::transfers::{Purpose, QuietArgs, Transfers};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::artifact::ArtifactPush;

/// Flags of `artifact push`.
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// Write the digest of the pushed artifact to the file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    #[command(flatten)]
    quiet: QuietArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Name of the artifact
    #[arg(value_name = "ARTIFACT", required = true)]
    name: String,
}

impl Subcommand for Push {
    const PATHS: &'static [&'static str] = &["artifact push"];
    const ABOUT: &'static str = "Push an OCI artifact";
    const USAGE: Option<&'static str> = Some("ARTIFACT");
    const EXAMPLES: &'static [&'static str] = &["artifact push quay.io/ana/model:latest"];
    const NOT_YET: &'static [NotYet] = &[
        NotYet::long("sign-by"),
        NotYet::long("sign-by-sigstore"),
        NotYet::long("sign-by-sigstore-private-key"),
        NotYet::long("sign-by-sq-fingerprint"),
        NotYet::long("sign-passphrase-file"),
    ];

    fn adapt(definition: clap::Command, _dialect: Dialect) -> clap::Command {
        for_push(definition)
    }

    fn run(self, context: &Context) -> CommandResult {
        let volume = self.quiet.volume();
        let request = ArtifactPush {
            access: self.registry.access(context)?,
            patience: self.registry.patience().map_err(Failure::tool)?,
            name: self.name,
        };
        let digest = {
            let transfers = Transfers::new(context, Purpose::Push, volume);
            context.engine.push_artifact(&request, &transfers)?
        };
        if let Some(path) = &self.digestfile {
            write_digest(path, &digest)?;
        }
        Ok(0)
    }
}
