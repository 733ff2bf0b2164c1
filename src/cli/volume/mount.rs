// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `volume mount` and `volume unmount`: a volume's files always have a place; what a user needs is
//! a namespace in which they are his, so that there is nothing to mount and nothing to take away.

use crate::cli::{CommandResult, Context, Subcommand};

/// Words of `volume mount`.
#[derive(Debug, clap::Args)]
pub(crate) struct Mount {
    /// Name of the volume
    #[arg(value_name = "VOLUME", required = true)]
    volume: String,
}

/// Words of `volume unmount`.
#[derive(Debug, clap::Args)]
pub(crate) struct Unmount {
    /// Name of the volume
    #[arg(value_name = "VOLUME", required = true)]
    volume: String,
}

impl Subcommand for Mount {
    const PATHS: &'static [&'static str] = &["volume mount"];
    const ABOUT: &'static str = "Tell where a volume's files are, inside unshare";
    const EXAMPLES: &'static [&'static str] =
        &["unshare sh -c 'ls -l $(coracle volume mount data)'"];

    fn run(self, context: &Context) -> CommandResult {
        let place = context.engine.mount_volume(&self.volume);
        let place = place.map_err(|error| super::failure(context, &error))?;
        context.ui.line(place.display())?;
        Ok(0)
    }
}

impl Subcommand for Unmount {
    const PATHS: &'static [&'static str] = &["volume unmount", "volume umount"];
    const ABOUT: &'static str = "Do nothing to a volume whose files were used";

    fn run(self, context: &Context) -> CommandResult {
        let volume = context.engine.volume(&self.volume);
        let volume = volume.map_err(|error| super::failure(context, &error))?;
        context.ui.line(volume.record.name)?;
        Ok(0)
    }
}
