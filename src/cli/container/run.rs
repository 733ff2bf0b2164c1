// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `run`.

use super::foreground;
use crate::cli::args::{Caller, CreateArgs, NOT_YET, Notice};
use crate::cli::command::NotYet;
use crate::cli::image::ensure::ensure_image;
use crate::cli::image::infra::infra_image;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::launch::{StartMode, StartOutcome};
use crate::engine::terminal::DetachKeys;
use crate::state::record::ContainerRequest;

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    create: CreateArgs,
    /// Run the container in the background and print its ID
    #[arg(long, short)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Proxy received signals to the process
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = crate::cli::args::boolean)]
    sig_proxy: Option<bool>,
}

impl Subcommand for Run {
    const PATHS: &'static [&'static str] = &["run", "container run"];
    const ABOUT: &'static str = "Run a command in a new container";
    const USAGE: Option<&'static str> = Some("IMAGE [COMMAND [ARG...]]");
    const EXAMPLES: &'static [&'static str] = &[
        "run --rm busybox ls -alF /etc",
        "run --rm --rootfs /:O apt-get --version",
        "run --network=host busybox wget example.com",
        "run --volume /var/hostdir:/var/ctrdir -i -t busybox sh",
    ];
    const NOT_YET: &'static [NotYet] = NOT_YET;

    fn begin(context: &Context) {
        context.begin_namespace();
    }

    fn run(self, context: &Context) -> CommandResult {
        let ahead = context.take_namespace();
        let pull = self.create.pull(context)?;
        let caller = Caller::of(context)?;
        let (mut request, mut notices) = self.create.into_request(&caller)?;
        notices.extend(missed_terminal(&request, self.detach, &caller)?);
        for notice in notices {
            notice.tell(context);
        }
        check_detached(self.detach, &request, context.engine.dialect)?;
        if request
            .pod
            .as_deref()
            .is_some_and(|pod| pod.starts_with("new:"))
        {
            infra_image(context, None)?;
        }
        if let Some((pull, volume)) = pull {
            request.image = ensure_image(context, pull, volume)?;
        }
        request.detach_keys.clone_from(&self.detach_keys);
        let mut shows_id = false;
        let mode = if self.detach {
            StartMode::Detached
        } else {
            let streams = foreground::streams(&request.attach, request.interactive);
            shows_id = !streams.stdout && !streams.stderr;
            let keys = match &self.detach_keys {
                // Without a terminal no keys are typed, and no configuration is read for them.
                None if !request.tty => DetachKeys::default(),
                asked => context.engine.detach_keys(asked.as_deref())?,
            };
            StartMode::Foreground(foreground::of(streams, keys, self.sig_proxy))
        };
        let outcome = context
            .engine
            .run(request, mode, ahead, context)
            .map_err(|error| Failure::from_error(error.exit_code(), &error))?;
        match outcome.start {
            StartOutcome::Started | StartOutcome::AlreadyRunning => {
                if !outcome
                    .record
                    .resolved
                    .log_driver
                    .starts_with("passthrough")
                {
                    context.ui.line(&outcome.record.id)?;
                }
                Ok(0)
            }
            StartOutcome::Attached(attached) => {
                // Nothing of the container is shown, so its id can be: scripts read it.
                if shows_id {
                    context.ui.line(&outcome.record.id)?;
                }
                Ok(attached.exit_code())
            }
        }
    }
}

/// `-it` without a terminal on stdin.
fn missed_terminal(
    request: &ContainerRequest,
    detach: bool,
    caller: &Caller,
) -> Result<Option<Notice>, Failure> {
    if !request.tty || !request.interactive || caller.terminals[0] {
        return Ok(None);
    }
    match caller.dialect {
        Dialect::Docker if detach => Ok(None),
        Dialect::Docker => Err(Failure::usage("the input device is not a TTY")),
        Dialect::Podman => Ok(Some(Notice::Warning(
            "The input device is not a TTY. The --tty and --interactive flags might not work \
             properly"
                .to_owned(),
        ))),
    }
}

/// Docker refuses what podman ignores.
fn check_detached(
    detach: bool,
    request: &ContainerRequest,
    dialect: Dialect,
) -> Result<(), Failure> {
    if detach && dialect == Dialect::Docker && !request.attach.is_empty() {
        return Err(Failure::tool(
            "conflicting options: cannot specify both --attach and --detach",
        ));
    }
    Ok(())
}
