// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network disconnect`.

use super::failure::in_dialect;
use crate::cli::container::which::without_slash;
use crate::cli::{CommandResult, Context, Failure, Subcommand};

/// Flags of `network disconnect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Disconnect {
    /// Force removal of container from network
    #[arg(long, short)]
    force: bool,
    /// A network, and a container that is to leave it
    #[arg(value_name = "NETWORK CONTAINER", required = true, num_args = 2)]
    words: Vec<String>,
}

impl Subcommand for Disconnect {
    const PATHS: &'static [&'static str] = &["network disconnect"];
    const ABOUT: &'static str = "Disconnect a container from a network";
    const USAGE: Option<&'static str> = Some("NETWORK CONTAINER");
    const EXAMPLES: &'static [&'static str] = &["network disconnect web ctr1"];

    fn run(self, context: &Context) -> CommandResult {
        let [network, container] = self.words.as_slice() else {
            return Err(Failure::usage("a network and a container are needed"));
        };
        let container = without_slash(container);
        let left = context.engine.disconnect_from_network(&container, network);
        left.map_err(|error| in_dialect(context, &error))?;
        Ok(0)
    }
}
