// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `load`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use super::stdin;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::image::{ArchiveEvent, LoadRequest, LoadSource, LoadedImage, WhichArchived};
use crate::engine::{Dialect, Silent};
use crate::oci::Reference;
use crate::state::events::Action;

/// Flags of `load`.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// Read from an archive file instead of standard input
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Suppress the progress output
    #[arg(long, short)]
    quiet: bool,
    /// The policy to ask in place of policy.json
    #[arg(long, hide = true, value_name = "FILE")]
    signature_policy: Option<PathBuf>,
}

impl Subcommand for Load {
    const PATHS: &'static [&'static str] = &["load", "image load"];
    const ABOUT: &'static str = "Load images from a tar archive";
    const EXAMPLES: &'static [&'static str] = &["load --input images.tar", "load < images.tar.gz"];

    fn run(self, context: &Context) -> CommandResult {
        let path = self.input.as_deref().unwrap_or(Path::new("-"));
        let told = ArchiveEvent {
            action: Action::LoadFromArchive,
            name: path.display().to_string(),
        };
        let request = LoadRequest {
            source: source(self.input)?,
            which: WhichArchived::All,
            policy: self.signature_policy,
            told,
        };
        for image in context.engine.load_images(request, &Silent)? {
            for line in lines(&image, context.engine.dialect) {
                context.ui.line(line)?;
            }
        }
        Ok(0)
    }
}

fn source(input: Option<PathBuf>) -> Result<LoadSource, Failure> {
    if let Some(path) = input {
        return Ok(LoadSource::Path(path));
    }
    if std::io::stdin().is_terminal() {
        let message = "cannot read from terminal, use command-line redirection or the --input flag";
        return Err(Failure::tool(message));
    }
    Ok(LoadSource::Open(stdin()?))
}

fn lines(image: &LoadedImage, dialect: Dialect) -> Vec<String> {
    let shown = |name: &String| match (dialect, Reference::parse(name)) {
        (Dialect::Docker, Ok(reference)) => reference.familiar(),
        (Dialect::Docker, Err(_)) | (Dialect::Podman, _) => name.clone(),
    };
    if image.names.is_empty() {
        return vec![match dialect {
            Dialect::Docker => format!("Loaded image ID: {}", image.id),
            Dialect::Podman => format!("Loaded image: {}", image.id),
        }];
    }
    let names = image.names.iter();
    names
        .map(|name| format!("Loaded image: {}", shown(name)))
        .collect()
}
