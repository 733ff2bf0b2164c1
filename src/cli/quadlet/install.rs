// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `quadlet install`.

use crate::cli::args::boolean;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::web;
use crate::quadlet::{Existing, Quadlets};

/// Flags of `quadlet install`.
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// Have systemd read its files anew
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    reload_systemd: Option<bool>,
    /// Replace files of the same name
    #[arg(long, short)]
    replace: bool,
    /// A quadlet file, its URL or a directory with such, and files that come along
    #[arg(value_name = "PATH|URL", required = true)]
    paths: Vec<String>,
}

impl Subcommand for Install {
    const PATHS: &'static [&'static str] = &["quadlet install"];
    const ABOUT: &'static str =
        "Install a quadlet file from a path or a URL, or a directory of files that belong together";
    const EXAMPLES: &'static [&'static str] = &[
        "quadlet install web.container",
        "quadlet install --replace web.container web.conf",
        "quadlet install https://example.com/web.container",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let existing = if self.replace {
            Existing::Replace
        } else {
            Existing::Keep
        };
        let quadlets = Quadlets::of_process();
        let mut failures = Vec::new();
        let mut installed = 0;
        for (typed, result) in quadlets.install(&self.paths, existing, &fetch) {
            match result {
                Ok(path) => {
                    installed += 1;
                    context.ui.line(path.display())?;
                }
                Err(error) => failures.push(Failure::tool(format_args!(
                    "quadlet {typed:?} failed to install: {error}"
                ))),
            }
        }
        if installed > 0 {
            super::reload(context, &quadlets, self.reload_systemd);
        }
        super::end(
            context,
            failures,
            "errors occurred installing some Quadlets",
        )
    }
}

fn fetch(url: &str) -> Result<(String, Vec<u8>), String> {
    let file = web::small_file(url).map_err(|error| error.to_string())?;
    Ok((file.name, file.bytes))
}
