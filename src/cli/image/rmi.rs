// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `rmi`.

use super::image_row::familiar_repository;
use crate::cli::failure::TOOL_ERROR;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::image::{Force, ImageError, ImageRemoval, WhichImages};
use crate::engine::selection::Missing;
use crate::oci::Reference;

/// Flags of `rmi`.
#[derive(Debug, clap::Args)]
pub(crate) struct Rmi {
    /// Remove all images
    #[arg(long, short)]
    all: bool,
    /// Force removal of the image, and of the containers that use it
    #[arg(long, short)]
    force: bool,
    /// Ignore errors if a specified image does not exist
    #[arg(long, short)]
    ignore: bool,
    /// Accepted: images that only lead to others are not kept
    #[arg(long)]
    no_prune: bool,
    /// Names or ids of images
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

impl Subcommand for Rmi {
    const PATHS: &'static [&'static str] = &["rmi", "image rm", "image remove"];
    const ABOUT: &'static str = "Remove one or more images from local storage";
    const USAGE: Option<&'static str> = Some("IMAGE [IMAGE...]");
    const EXAMPLES: &'static [&'static str] =
        &["rmi busybox", "rmi --force --all", "rmi c4dfb1609ee2 web:2"];

    fn run(self, context: &Context) -> CommandResult {
        remove(&self.removal()?, context)
    }
}

/// Removes the images `names`, if nothing uses them.
pub(crate) fn remove_named(
    names: Vec<String>,
    missing: Missing,
    context: &Context,
) -> CommandResult {
    let removal = ImageRemoval {
        which: WhichImages::Named(names),
        force: Force::No,
        missing,
    };
    remove(&removal, context)
}

fn remove(removal: &ImageRemoval, context: &Context) -> CommandResult {
    let done = context.engine.remove_images(removal, context)?;
    let dialect = context.engine.dialect;
    for name in &done.untagged {
        context
            .ui
            .line(format_args!("Untagged: {}", shown(name, dialect)))?;
    }
    for id in &done.deleted {
        match dialect {
            Dialect::Podman => context.ui.line(format_args!("Deleted: {}", id.hex()))?,
            Dialect::Docker => context.ui.line(format_args!("Deleted: {id}"))?,
        }
    }
    end(done.errors)
}

impl Rmi {
    fn removal(self) -> Result<ImageRemoval, Failure> {
        let which = match (self.all, self.images.is_empty()) {
            (true, true) => WhichImages::All,
            (true, false) => {
                let message =
                    "when using the --all switch, you may not pass any images names or IDs";
                return Err(Failure::tool(message));
            }
            (false, true) => return Err(Failure::no_names("image name or ID must be specified")),
            (false, false) => WhichImages::Named(self.images),
        };
        Ok(ImageRemoval {
            which,
            force: if self.force { Force::Yes } else { Force::No },
            missing: if self.ignore || self.force {
                Missing::Ignore
            } else {
                Missing::Report
            },
        })
    }
}

fn shown(name: &str, dialect: Dialect) -> String {
    match (dialect, Reference::parse(name)) {
        (Dialect::Docker, Ok(reference)) => {
            let tag = reference
                .tag()
                .map_or_else(String::new, |tag| format!(":{tag}"));
            format!("{}{tag}", familiar_repository(&reference))
        }
        (Dialect::Podman, _) | (Dialect::Docker, Err(_)) => name.to_owned(),
    }
}

/// One error stands alone; several are listed below their number.
fn end(mut errors: Vec<ImageError>) -> CommandResult {
    let code = exit_code(&errors);
    match errors.len() {
        0 => Ok(0),
        1 => Err(Failure {
            code,
            ..Failure::from(errors.remove(0))
        }),
        count => {
            let mut message = format!("{count} errors occurred:\n");
            for error in errors {
                message.extend(["\t* ", &Failure::from(error).message, "\n"]);
            }
            Err(Failure::engine(code, message))
        }
    }
}

/// 1 when all that failed did not exist, 2 when some are in use, else the tool's own.
fn exit_code(errors: &[ImageError]) -> u8 {
    if errors.iter().any(ImageError::is_in_use) {
        2
    } else if errors.iter().all(ImageError::is_missing) {
        1
    } else {
        TOOL_ERROR
    }
}
