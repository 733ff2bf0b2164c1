// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pod logs`: what all containers of a pod wrote.

use super::which::Which;
use crate::cli::container::LogFlags;
use crate::cli::{CommandResult, Context, Failure, Subcommand};

/// Flags of `pod logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    flags: LogFlags,
    /// Filter logs by container name or id which belongs to pod
    #[arg(long, short, value_name = "CONTAINER")]
    container: Option<String>,
    /// Act on the latest pod
    #[arg(long, short)]
    latest: bool,
    /// Name or id of a pod
    #[arg(value_name = "POD")]
    pod: Option<String>,
}

impl Subcommand for Logs {
    const PATHS: &'static [&'static str] = &["pod logs"];
    const ABOUT: &'static str = "Fetch logs for pod with one or more containers";
    const EXAMPLES: &'static [&'static str] =
        &["pod logs web", "pod logs --follow --container db web"];

    fn run(self, context: &Context) -> CommandResult {
        let named = self.pod.clone().unwrap_or_default();
        let which = Which {
            words: self.pod.into_iter().collect(),
            latest: self.latest,
            ..Which::default()
        };
        let pod = context.engine.listed_pod(&which.selection()?)?;
        let mut members = pod.members;
        if let Some(wanted) = &self.container {
            members.retain(|member| member.name == *wanted || member.id.as_str() == wanted);
            if members.is_empty() {
                return Err(Failure::tool(format_args!(
                    "container {wanted} is not in pod {named}: no such container"
                )));
            }
        }
        let ids: Vec<_> = members.into_iter().map(|member| member.id).collect();
        self.flags.print(context, &ids)
    }
}
