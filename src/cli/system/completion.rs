// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `coracle completion SHELL`: prints the shell's completion script, which asks the program
//! itself what a word may become.

use crate::cli::{CommandResult, Context, Subcommand};

/// Words of `completion`.
#[derive(Debug, clap::Args)]
pub(crate) struct Completion {
    /// Shell to print the script for
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// The shells whose scripts are kept in the tree.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Subcommand for Completion {
    const PATHS: &'static [&'static str] = &["completion"];
    const ABOUT: &'static str = "Print the completion script of a shell";
    const USAGE: Option<&'static str> = Some("SHELL");
    const EXAMPLES: &'static [&'static str] = &["completion bash", "completion zsh"];

    fn run(self, context: &Context) -> CommandResult {
        let script = match self.shell {
            Shell::Bash => include_str!("../../../completions/coracle.bash"),
            Shell::Zsh => include_str!("../../../completions/_coracle"),
            Shell::Fish => include_str!("../../../completions/coracle.fish"),
        };
        // `docker` and `podman` get scripts of their own.
        let script = script.replace("coracle", &context.call.program);
        context.ui.raw(script.as_bytes())?;
        Ok(0)
    }
}
