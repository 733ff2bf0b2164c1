// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `logout`.

use std::path::PathBuf;

use super::login::{key_of, not_both_files};
use crate::cli::args::registry::with_globals;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::access::{AccessError, AccessRequest, LoggedOut};

/// Flags of `logout`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogOut {
    /// Remove the logins of all registries
    #[arg(long, short)]
    all: bool,
    /// Path of the authentication file
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Path of an authentication file in Docker's form
    #[arg(long, value_name = "FILE")]
    compat_auth_file: Option<PathBuf>,
    /// The registry, or a namespace or repository of one
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

impl Subcommand for LogOut {
    const PATHS: &'static [&'static str] = &["logout"];
    const ABOUT: &'static str = "Log out of a container registry";
    const USAGE: Option<&'static str> = Some("[REGISTRY]");
    const EXAMPLES: &'static [&'static str] = &["logout quay.io", "logout --all"];

    fn run(self, context: &Context) -> CommandResult {
        let request = AccessRequest {
            auth_file: self.authfile,
            docker_auth_file: self.compat_auth_file,
            ..AccessRequest::default()
        };
        not_both_files(&request)?;
        let access = context.engine.access(with_globals(request, context))?;
        if self.all {
            if self.registry.is_some() {
                return Err(Failure::tool("--all takes no arguments"));
            }
            access.log_out_everywhere(context)?;
            context
                .ui
                .line("Removed login credentials for all registries")?;
            return Ok(0);
        }
        let dialect = context.engine.dialect;
        let key = key_of(self.registry.as_deref(), &access, dialect)?;
        let name = key.as_str();
        let line = match (access.log_out(&key, context), dialect) {
            (Ok(LoggedOut::Removed), Dialect::Podman) => {
                format!("Removed login credentials for {name}")
            }
            (Ok(LoggedOut::Removed), Dialect::Docker) => {
                format!("Removing login credentials for {}", key.docker_name())
            }
            (Ok(LoggedOut::OtherTools), _) => format!(
                "Not logged into {name} with current tool. Existing credentials were established \
                 via docker login. Please use docker logout instead."
            ),
            (Err(AccessError::NotLoggedIn { .. }), Dialect::Docker) => {
                format!("Not logged in to {}", key.docker_name())
            }
            (Err(error), _) => return Err(error.into()),
        };
        context.ui.line(line)?;
        Ok(0)
    }
}
