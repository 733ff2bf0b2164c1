// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `runtime spec`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use super::flags::{RuntimeCall, RuntimeCommand};
use crate::cli::{CommandResult, Failure};
use crate::engine::bundle::{TemplateFor, spec_template};

/// Flags of `spec`.
#[derive(Debug, clap::Args)]
pub(crate) struct Spec {
    /// Directory of the bundle
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    bundle: PathBuf,
    /// For a user other than root
    #[arg(long)]
    rootless: bool,
}

impl RuntimeCommand for Spec {
    const PATHS: &'static [&'static str] = &["runtime spec"];
    const ABOUT: &'static str = "Write a config.json to begin with";

    fn run(self, _call: &RuntimeCall) -> CommandResult {
        let whom = if self.rootless {
            TemplateFor::Caller
        } else {
            TemplateFor::Root
        };
        let text = serde_json::to_string_pretty(&spec_template(whom)).map_err(Failure::tool)?;
        let path = self.bundle.join("config.json");
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = made.and_then(|mut file| writeln!(file, "{text}"));
        written.map_err(|error| Failure::tool(format_args!("{}: {error}", path.display())))?;
        Ok(0)
    }
}
