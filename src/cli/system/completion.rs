// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `coracle completion SHELL`: prints the shell's completion script.

use clap_complete::aot;

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
        let mut script = Vec::new();
        let shell = match self.shell {
            Shell::Bash => aot::Shell::Bash,
            Shell::Zsh => aot::Shell::Zsh,
            Shell::Fish => aot::Shell::Fish,
        };
        aot::generate(
            shell,
            &mut crate::cli::definition(),
            &context.call.program,
            &mut script,
        );
        context.ui.raw(&script)?;
        Ok(0)
    }
}
