// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `update`.

use super::which::{Which, print_items, tool_error};
use crate::cli::args::{Caller, UpdateArgs};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::update::Changes;
use crate::engine::{Dialect, Report as _};

/// Flags of `update`.
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    #[command(flatten)]
    flags: UpdateArgs,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Subcommand for Update {
    const PATHS: &'static [&'static str] = &["update", "container update"];
    const ABOUT: &'static str = "Change the limits and settings of an existing container";
    const USAGE: Option<&'static str> = Some("CONTAINER [CONTAINER...]");
    const EXAMPLES: &'static [&'static str] = &[
        "update --cpus=5 web",
        "update --memory 512m --restart always web",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let names = self.containers.clone();
        let which = Which {
            words: self.containers,
            latest: self.latest,
            ..Which::default()
        };
        let selection = which.selection()?;
        let (changes, warnings) = self.flags.changes(&Caller::of(context)?)?;
        let docker = context.engine.dialect == Dialect::Docker;
        if docker && changes == Changes::default() && warnings.is_empty() {
            let message = "you must provide one or more flags when using this command";
            return Err(Failure::usage(message));
        }
        for warning in &warnings {
            context.warning(warning);
        }
        let mut items = context.engine.update(&selection, &changes)?;
        if docker {
            // Docker says the names again, podman the ids.
            for (item, name) in items.iter_mut().zip(names) {
                item.typed = name;
            }
        }
        print_items(context, Ok(items), tool_error)
    }
}
