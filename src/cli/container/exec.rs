// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `exec`.

use std::path::PathBuf;

use super::which::Which;
use crate::cli::args::environment::variables_of;
use crate::cli::args::process::check_descriptors;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::exec::{ExecError, ExecRequest};
use crate::engine::terminal::DetachKeys;

/// Flags of `exec`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exec {
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Run the exec session in detached mode (backgrounded)
    #[arg(long, short)]
    detach: bool,
    /// Select the key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Set environment variables
    #[arg(long, short)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long)]
    env_file: Vec<PathBuf>,
    /// Make STDIN available to the contained process
    #[arg(long, short)]
    interactive: bool,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Do not record a session (only detached ones are recorded)
    #[arg(long)]
    no_session: bool,
    /// Pass a list of additional file descriptors to the container
    #[arg(long, value_delimiter = ',', value_name = "ints")]
    preserve_fd: Vec<i32>,
    /// Pass N additional file descriptors to the container
    #[arg(long, value_name = "N", default_value = "0")]
    preserve_fds: u32,
    /// Give the process extended Linux capabilities inside the container
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(long, short)]
    tty: bool,
    /// Sets the username or UID used and optionally the groupname or GID
    #[arg(long, short)]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(long, short)]
    workdir: Option<String>,
    /// Name or id of a container, then the command and its arguments
    #[arg(
        value_name = "CONTAINER",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<String>,
}

impl Subcommand for Exec {
    const PATHS: &'static [&'static str] = &["exec", "container exec"];
    const ABOUT: &'static str = "Run a process in a running container";
    const USAGE: Option<&'static str> = Some("CONTAINER COMMAND [ARG...]");
    const EXAMPLES: &'static [&'static str] = &["exec -it web sh", "exec web ls -l /"];

    fn run(self, context: &Context) -> CommandResult {
        let detach = self.detach;
        if self.no_session && (detach || self.detach_keys.is_some()) {
            return Err(Failure::tool(
                "--no-session cannot be used with --detach or --detach-keys",
            ));
        }
        check_descriptors(self.preserve_fds, &self.preserve_fd).map_err(Failure::tool)?;
        let keys = match &self.detach_keys {
            // Without a terminal no keys are typed, and no configuration is read for them.
            None if !self.tty => DetachKeys::default(),
            asked => context.engine.detach_keys(asked.as_deref())?,
        };
        let (which, request) = self.split(context)?;
        let mut chosen = context.engine.select(&which.selection()?)?;
        let one = chosen
            .pop()
            .ok_or_else(|| Failure::usage("exec requires the name or id of one container"))?;
        let id = one.id?;
        if detach {
            let session = context
                .engine
                .exec_detached(&id, &request)
                .map_err(|error| failure(&error))?;
            if context.engine.dialect == Dialect::Podman {
                context.ui.line(&session)?;
            }
            return Ok(0);
        }
        let outcome = context
            .engine
            .exec(&id, &request, keys)
            .map_err(|error| failure(&error))?;
        Ok(outcome.exit_code())
    }
}

impl Exec {
    /// Which container, and what in it: the first word is the container unless a flag names one.
    fn split(self, context: &Context) -> Result<(Which, ExecRequest), Failure> {
        let named_by_flag = self.latest || self.cidfile.is_some();
        let first_of_command = usize::from(!named_by_flag);
        if self.words.len() < first_of_command {
            return Err(Failure::usage(
                "exec requires the name or ID of a container or the --latest or --cidfile flag",
            ));
        }
        let mut words = self.words;
        let command = words.split_off(first_of_command);
        if command.is_empty() {
            let wanted = match context.engine.dialect {
                Dialect::Docker => "\"docker exec\" requires at least 2 arguments.",
                Dialect::Podman => "must provide a non-empty command to start an exec session",
            };
            return Err(Failure::usage(wanted));
        }
        let caller: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let env = variables_of(&self.env_file, &self.env, &caller).map_err(Failure::tool)?;
        let which = Which {
            words,
            latest: self.latest,
            cidfiles: self.cidfile.into_iter().collect(),
            ..Which::default()
        };
        let request = ExecRequest {
            command,
            env,
            user: self.user,
            workdir: self.workdir,
            tty: self.tty,
            interactive: self.interactive,
            privileged: self.privileged,
            preserved_fds: match self.preserve_fds {
                0 => self.preserve_fd,
                count => (3..).take(count as usize).collect(),
            },
        };
        Ok((which, request))
    }
}

fn failure(error: &ExecError) -> Failure {
    let docker_message = match error {
        ExecError::NotRunning { id } => Some(format!("container {id} is not running")),
        ExecError::Paused { id } => Some(format!(
            "container {id} is paused, unpause the container before exec"
        )),
        _ => None,
    };
    Failure {
        docker_message,
        ..Failure::from_error(error.exit_code(), error)
    }
}
