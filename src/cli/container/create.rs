// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `create`.

use crate::cli::args::{Caller, CreateArgs, NOT_YET};
use crate::cli::command::NotYet;
use crate::cli::failure::TOOL_ERROR;
use crate::cli::image::ensure::ensure_image;
use crate::cli::image::infra::infra_image;
use crate::cli::{CommandResult, Context, Failure, Subcommand};

/// Flags of `create`.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    #[command(flatten)]
    create: CreateArgs,
}

impl Subcommand for Create {
    const PATHS: &'static [&'static str] = &["create", "container create"];
    const ABOUT: &'static str = "Create but do not start a container";
    const USAGE: Option<&'static str> = Some("IMAGE [COMMAND [ARG...]]");
    const EXAMPLES: &'static [&'static str] = &[
        "create alpine ls",
        "create --annotation HELLO=WORLD alpine ls",
        "create -t -i --name myctr alpine ls",
    ];
    const NOT_YET: &'static [NotYet] = NOT_YET;

    fn run(self, context: &Context) -> CommandResult {
        let pull = self.create.pull(context)?;
        let (mut request, notices) = self.create.into_request(&Caller::of(context)?)?;
        if request.remove_image {
            return Err(Failure::usage("unknown flag: --rmi"));
        }
        for notice in notices {
            notice.tell(context);
        }
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
        let record = context
            .engine
            .create(request, context)
            .map_err(|error| Failure::from_error(TOOL_ERROR, &error))?;
        if !record.resolved.log_driver.starts_with("passthrough") {
            context.ui.line(&record.id)?;
        }
        Ok(0)
    }
}
