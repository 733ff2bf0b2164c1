// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pod top`: the processes of all containers of a pod.

use super::which::Which;
use crate::cli::container::print_processes;
use crate::cli::{CommandResult, Context, Failure, Subcommand};

/// Flags of `pod top`.
#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    /// Act on the latest pod
    #[arg(long, short)]
    latest: bool,
    /// A pod, then descriptors such as pid, user and args, or flags of ps(1)
    #[arg(
        value_name = "POD [DESCRIPTOR...]",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<String>,
}

impl Subcommand for Top {
    const PATHS: &'static [&'static str] = &["pod top"];
    const ABOUT: &'static str = "Display the running processes of containers in a pod";
    const USAGE: Option<&'static str> = Some("POD [FORMAT-DESCRIPTORS|ARGS...]");
    const EXAMPLES: &'static [&'static str] = &["pod top web", "pod top web pid seccomp args %C"];

    fn run(self, context: &Context) -> CommandResult {
        let mut words = self.words.into_iter();
        let pod = if self.latest { None } else { words.next() };
        if pod.is_none() && !self.latest {
            let message = "you must provide the name or id of a running pod";
            return Err(Failure::usage(message));
        }
        let which = Which {
            words: pod.into_iter().collect(),
            latest: self.latest,
            ..Which::default()
        };
        let words: Vec<String> = words.collect();
        let processes = context.engine.top_of_pod(&which.selection()?, &words)?;
        print_processes(context, processes)
    }
}
