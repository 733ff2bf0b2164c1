// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `quadlet rm`.

use crate::cli::args::boolean;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::quadlet::{InstalledError, Quadlets, RunningService};

/// Flags of `quadlet rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Remove all quadlet files
    #[arg(long, short)]
    all: bool,
    /// Stop services that run
    #[arg(long, short)]
    force: bool,
    /// Do not complain about what is not there
    #[arg(long, short)]
    ignore: bool,
    /// Have systemd read its files anew
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    reload_systemd: Option<bool>,
    /// Names of quadlet files, or of applications (.NAME.app)
    #[arg(value_name = "QUADLET")]
    quadlets: Vec<String>,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["quadlet rm"];
    const ABOUT: &'static str = "Remove quadlet files";
    const EXAMPLES: &'static [&'static str] =
        &["quadlet rm web.container", "quadlet rm --force --all"];

    fn run(self, context: &Context) -> CommandResult {
        if self.quadlets.is_empty() && !self.all {
            return Err(Failure::tool("at least one quadlet file must be selected"));
        }
        let running = if self.force {
            RunningService::Stop
        } else {
            RunningService::Refuse
        };
        let quadlets = Quadlets::of_process();
        let mut names = self.quadlets;
        if self.all {
            names.extend(quadlets.list().into_iter().map(|one| one.name));
        }
        let mut failures = Vec::new();
        let mut is_any_gone = false;
        for (name, result) in quadlets.remove(&names, running) {
            match result {
                Ok(()) => {
                    is_any_gone = true;
                    context.ui.line(name)?;
                }
                Err(InstalledError::Missing { .. }) if self.ignore => context.ui.line(name)?,
                Err(error) => failures.push(Failure::tool(format_args!(
                    "unable to remove Quadlet {name}: {error}"
                ))),
            }
        }
        if is_any_gone {
            super::reload(context, &quadlets, self.reload_systemd);
        }
        super::end(context, failures, "some quadlets could not be removed")
    }
}
