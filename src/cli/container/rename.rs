// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `rename`.

use super::which::without_slash;
use crate::cli::{CommandResult, Context, Failure, Subcommand};

/// Words of `rename`.
#[derive(Debug, clap::Args)]
pub(crate) struct Rename {
    /// The container, and its new name
    #[arg(value_name = "CONTAINER NAME")]
    words: Vec<String>,
}

impl Subcommand for Rename {
    const PATHS: &'static [&'static str] = &["rename", "container rename"];
    const ABOUT: &'static str = "Rename an existing container";
    const USAGE: Option<&'static str> = Some("CONTAINER NAME");
    const EXAMPLES: &'static [&'static str] = &["rename containerA newName"];

    fn run(self, context: &Context) -> CommandResult {
        let [container, name] = self.words.as_slice() else {
            return Err(Failure::usage(format_args!(
                "accepts 2 arg(s), received {}",
                self.words.len()
            )));
        };
        let (container, name) = (without_slash(container), without_slash(name));
        context.engine.rename(&container, &name)?;
        Ok(0)
    }
}
