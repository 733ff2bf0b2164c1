// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `secret rm`.

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::state::secrets::SecretError;

/// Flags of `secret rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Remove all secrets
    #[arg(long, short)]
    all: bool,
    /// Do not complain about a secret that is not there
    #[arg(long, short)]
    ignore: bool,
    /// Names or ids of secrets
    #[arg(value_name = "SECRET")]
    secrets: Vec<String>,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["secret rm", "secret remove"];
    const ABOUT: &'static str = "Remove one or more secrets";

    fn run(self, context: &Context) -> CommandResult {
        if self.all != self.secrets.is_empty() {
            let message = "`secret rm` requires one argument, or the --all flag";
            return Err(Failure::tool(message));
        }
        let secrets = context.engine.secrets();
        let mut words = self.secrets;
        if self.all {
            let listed = secrets.list();
            let listed = listed.map_err(|error| super::failure(context, &error, 125))?;
            words.extend(listed.secrets.into_iter().map(|one| one.id));
        }
        let mut failures = Vec::new();
        for word in words {
            match secrets.remove(&word) {
                Ok(id) => context.ui.line(id)?,
                Err(SecretError::Missing { .. }) if self.ignore || self.all => {}
                Err(error) => failures.push(super::failure(context, &error, 1)),
            }
        }
        context.end_gravest(failures)
    }
}
