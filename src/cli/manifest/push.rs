// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest push`.

use std::path::PathBuf;

use crate::cli::args::boolean;
use crate::cli::args::registry::{RegistryArgs, for_push};
use crate::cli::command::NotYet;
use crate::cli::image::push::{format, packing, reused, write_digest};
use crate::cli::image::remove_named;
use crate::cli::image::transfers::{Purpose, QuietArgs, Transfers};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::config::registries::TlsVerify;
use crate::engine::Dialect;
use crate::engine::manifest::{ManifestPushRequest, PushedInstances};
use crate::engine::selection::Missing;

/// Flags of `manifest push`.
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// Add the images to the pushed list in another compression, too ("gzip"|"zstd")
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    add_compression: Vec<String>,
    /// Also push the images in the list
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    all: Option<bool>,
    /// Compression of new layers ("gzip"|"zstd")
    #[arg(long, value_name = "FORMAT")]
    compression_format: Option<String>,
    /// Level of the compression of new layers (gzip: 1 to 9, zstd: 1 to 22)
    #[arg(long, value_name = "LEVEL", allow_hyphen_values = true)]
    compression_level: Option<i32>,
    /// Compress layers that the registry has in another compression anew (default: if
    /// --compression-format is given)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    force_compression: Option<bool>,
    /// Write the digest of the pushed list to the file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Manifest type ("oci"|"v2s2")
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<String>,
    /// Neither require HTTPS nor check certificates
    #[arg(long, hide = true)]
    insecure: bool,
    /// Remove the list from local storage after the push
    #[arg(long, short, hide = true)]
    purge: bool,
    #[command(flatten)]
    quiet: QuietArgs,
    /// Accepted: images are kept without signatures
    #[arg(long, hide = true)]
    remove_signatures: bool,
    /// Remove the list from local storage after the push
    #[arg(long)]
    rm: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// Where to; its own name if nothing is said
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
}

impl Subcommand for Push {
    const PATHS: &'static [&'static str] = &["manifest push"];
    const ABOUT: &'static str = "Push a manifest list or image index to a registry";
    const USAGE: Option<&'static str> = Some("LIST [DESTINATION]");
    const EXAMPLES: &'static [&'static str] =
        &["manifest push web:1.0 docker://quay.io/ana/web:1.0"];
    const NOT_YET: &'static [NotYet] = &[NotYet::long("sign-by")];

    fn adapt(definition: clap::Command, _dialect: Dialect) -> clap::Command {
        for_push(definition)
    }

    fn run(self, context: &Context) -> CommandResult {
        let volume = self.quiet.volume();
        let added = self.add_compression.iter();
        let added = added.map(|format| Ok(packing(Some(format), None)?.compression));
        let mut request = ManifestPushRequest {
            added: added.collect::<Result<_, Failure>>()?,
            list: self.list.clone(),
            destination: self.destination.as_deref().map(destination).transpose()?,
            instances: match self.all {
                Some(false) => PushedInstances::None,
                Some(true) | None => PushedInstances::All,
            },
            packing: packing(self.compression_format.as_deref(), self.compression_level)?,
            reused: reused(self.force_compression, self.compression_format.as_deref()),
            format: self.format.as_deref().map(format).transpose()?,
            access: self.registry.access(context)?,
            patience: self.registry.patience().map_err(Failure::tool)?,
        };
        if self.insecure {
            request.access.tls = TlsVerify::Never;
        }
        let (_, digest) = {
            let transfers = Transfers::new(context, Purpose::Push, volume);
            context.engine.push_manifest(&request, &transfers)?
        };
        if context.engine.dialect == Dialect::Docker {
            context.ui.line(&digest)?;
        }
        if let Some(path) = &self.digestfile {
            write_digest(path, &digest)?;
        }
        if self.rm || self.purge {
            return remove_named(vec![self.list], Missing::Ignore, context);
        }
        Ok(0)
    }
}

/// `docker://NAME`, or a name alone.
fn destination(text: &str) -> Result<String, Failure> {
    for transport in ["docker-archive:", "oci-archive:", "oci:", "dir:"] {
        if text.starts_with(transport) {
            return Err(Failure::tool(format_args!(
                "{text}: pushing a list to {transport} is not supported yet"
            )));
        }
    }
    Ok(text.strip_prefix("docker://").unwrap_or(text).to_owned())
}
