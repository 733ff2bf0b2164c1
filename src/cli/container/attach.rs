// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `attach`.

use super::which::Which;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::attach::{AttachRequest, AttachedStreams, SignalProxy};

/// Flags of `attach`.
#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// Select the key sequence for detaching a container: single characters or `ctrl-` with one of
    /// `a-z @ [ \ ] ^ _`, separated by commas
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Proxy received signals to the process
    #[arg(
        long,
        default_value = "true",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = clap::ArgAction::Set
    )]
    sig_proxy: bool,
    /// Name or id of a container
    #[arg(value_name = "CONTAINER")]
    container: Vec<String>,
}

impl Subcommand for Attach {
    const PATHS: &'static [&'static str] = &["attach", "container attach"];
    const ABOUT: &'static str = "Attach to a running container";
    const EXAMPLES: &'static [&'static str] = &["attach web", "attach --no-stdin web"];

    fn run(self, context: &Context) -> CommandResult {
        let call = &context.call;
        if self.container.len() > 1 {
            return Err(Failure::usage(format_args!(
                "`{} {}` accepts at most one argument",
                call.program, call.path
            )));
        }
        if self.container.is_empty() && !self.latest {
            return Err(Failure::usage(format_args!(
                "`{} {}` requires a name, id, or the \"--latest\" flag",
                call.program, call.path
            )));
        }
        let request = AttachRequest {
            streams: if self.no_stdin {
                AttachedStreams::OUTPUT
            } else {
                AttachedStreams::ALL
            },
            detach_keys: context.engine.detach_keys(self.detach_keys.as_deref())?,
            signal_proxy: if self.sig_proxy {
                SignalProxy::Forward
            } else {
                SignalProxy::Keep
            },
        };
        let which = Which {
            words: self.container,
            latest: self.latest,
            ..Which::default()
        };
        let mut chosen = context.engine.select(&which.selection()?)?;
        let one = chosen
            .pop()
            .expect("one word, or the latest, is one container");
        Ok(context.engine.attach(&one.id?, request)?.exit_code())
    }
}
