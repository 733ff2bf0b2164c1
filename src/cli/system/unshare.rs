// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `coracle unshare [COMMAND]`.

use std::ffi::OsString;

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::unshare::{Kind, UnshareError, UnshareNetwork};

/// Words of `unshare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Unshare {
    /// Join the rootless network namespace, in which containers have addresses of their own
    #[arg(long, alias = "rootless-cni")]
    rootless_netns: bool,
    /// Command to run in the user namespace
    #[arg(num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Subcommand for Unshare {
    const PATHS: &'static [&'static str] = &["unshare"];
    const ABOUT: &'static str = "Run a command in a modified user namespace";
    const USAGE: Option<&'static str> = Some("[COMMAND [ARG...]]");
    const EXAMPLES: &'static [&'static str] = &["unshare id", "unshare rm -rf directory"];

    fn run(self, context: &Context) -> CommandResult {
        let network = if self.rootless_netns {
            UnshareNetwork::Helper(way_out(context)?)
        } else {
            UnshareNetwork::Caller
        };
        let error = context.engine.unshare(&self.command, network);
        let code = match &error {
            UnshareError::NotFound { .. } => 127,
            UnshareError::NotExecutable { .. } => 126,
            UnshareError::Root
            | UnshareError::NoWayOut(_)
            | UnshareError::WayOut { .. }
            | UnshareError::Network(_)
            | UnshareError::Helper(_)
            | UnshareError::Userns(_)
            | UnshareError::State(_)
            | UnshareError::Mounts(_) => 125,
        };
        Err(Failure::from_error(code, &error))
    }
}

/// The program that connects containers for which nothing is said, if it is one.
fn way_out(context: &Context) -> Result<Option<Kind>, Failure> {
    let driver = context.network_driver()?;
    let driver = driver.or_else(|| context.usual_network_driver());
    let mut kinds = Kind::ALL.into_iter();
    Ok(kinds.find(|kind| driver == Some(kind.name())))
}
