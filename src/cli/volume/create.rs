// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `volume create`.

use crate::cli::args::pairs;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::volume::{Existing, VolumeRequest};

/// Flags of `volume create`.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Volume driver
    #[arg(long, short, default_value = "local", hide_default_value = true)]
    driver: String,
    /// Group of the volume's files
    #[arg(long)]
    gid: Option<u32>,
    /// Do not fail if the volume exists
    #[arg(long)]
    ignore: bool,
    /// Set metadata for a volume
    #[arg(long, short, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Name of the volume
    #[arg(long, hide = true)]
    name: Option<String>,
    /// Set driver specific options
    #[arg(long, short, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Owner of the volume's files
    #[arg(long)]
    uid: Option<u32>,
    /// Name of the volume
    #[arg(value_name = "NAME")]
    volume: Option<String>,
}

impl Subcommand for Create {
    const PATHS: &'static [&'static str] = &["volume create"];
    const ABOUT: &'static str = "Create a new volume";
    const EXAMPLES: &'static [&'static str] = &[
        "volume create data",
        "volume create --label project=web data",
        "volume create -o type=tmpfs -o device=tmpfs -o o=size=64m scratch",
    ];

    fn run(self, context: &Context) -> CommandResult {
        if self.name.is_some() && self.volume.is_some() {
            return Err(Failure::tool(
                "conflicting options: cannot specify a volume name through both --name and as a \
                 positional arg",
            ));
        }
        let existing = match context.engine.dialect {
            Dialect::Podman if !self.ignore => Existing::Refuse,
            Dialect::Podman | Dialect::Docker => Existing::Keep,
        };
        let name = self.volume.or(self.name);
        let request = VolumeRequest {
            anonymous: name.is_none(),
            name,
            driver: self.driver,
            labels: pairs(&self.label),
            options: pairs(&self.opt),
            uid: self.uid,
            gid: self.gid,
            existing,
        };
        let created = context.engine.create_volume(request);
        let name = created.map_err(|error| super::failure(context, &error))?;
        context.ui.line(name)?;
        Ok(0)
    }
}
