// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `runtime create` and `runtime run`.

use std::path::PathBuf;

use clap::Args;

use super::exit_code;
use super::flags::{RuntimeCall, RuntimeCommand};
use crate::cli::CommandResult;
use crate::engine::Report as _;
use crate::engine::bundle::{CreateRequest, Ended, Force, Stay, Wiring};
use crate::runtime::launch::{Keyring, Pivot};

/// The ends that a caller holds of a program.
#[derive(Debug, Args)]
pub(super) struct WiringFlags {
    /// Socket that gets the master of the program's terminal
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// File that gets the program's process id
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// How many descriptors after standard error the program keeps
    #[arg(long, value_name = "N", default_value_t = 0)]
    preserve_fds: u32,
}

impl WiringFlags {
    pub(super) fn wiring(self) -> Wiring {
        Wiring {
            console_socket: self.console_socket,
            pid_file: self.pid_file,
            preserved_fds: self.preserve_fds,
        }
    }
}

/// Flags of `create` and `run`.
#[derive(Debug, Args)]
struct CreateFlags {
    /// Directory of the bundle
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    bundle: PathBuf,
    /// Spec, when it is not config.json of the bundle
    #[arg(long, short = 'f', value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep the caller's session keyring
    #[arg(long)]
    no_new_keyring: bool,
    /// Move the root over the old one in place of pivot_root(2), for a root in an initial ramdisk
    #[arg(long)]
    no_pivot: bool,
    /// Accepted: the caller's subreaper is nobody else's business
    #[arg(long, hide = true)]
    no_subreaper: bool,
    #[command(flatten)]
    wiring: WiringFlags,
    /// The container's name
    #[arg(required = true)]
    id: String,
}

impl CreateFlags {
    fn request(self) -> CreateRequest {
        CreateRequest {
            id: self.id,
            bundle: self.bundle,
            config: self.config,
            wiring: self.wiring.wiring(),
            pivot: if self.no_pivot {
                Pivot::Move
            } else {
                Pivot::Root
            },
            keyring: if self.no_new_keyring {
                Keyring::Callers
            } else {
                Keyring::New
            },
        }
    }
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    flags: CreateFlags,
}

impl RuntimeCommand for Create {
    const PATHS: &'static [&'static str] = &["runtime create"];
    const ABOUT: &'static str = "Make a container from a bundle, without starting its program";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        call.runtime.create(&self.flags.request(), call)?;
        Ok(0)
    }
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Return when the program runs
    #[arg(long, short)]
    detach: bool,
    /// Keep the container when its program has ended
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    flags: CreateFlags,
}

impl RuntimeCommand for Run {
    const PATHS: &'static [&'static str] = &["runtime run"];
    const ABOUT: &'static str = "Make a container from a bundle, start it, and wait for its end";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        let stay = if self.detach {
            Stay::Detached
        } else {
            Stay::Foreground
        };
        let request = self.flags.request();
        let ended = call.runtime.run(&request, stay, call)?;
        if let (Ended::WithCode(_), false) = (ended, self.keep) {
            let warnings = call.runtime.delete(&request.id, Force::Yes)?;
            for text in &warnings {
                call.warning(text);
            }
        }
        Ok(exit_code(ended))
    }
}
