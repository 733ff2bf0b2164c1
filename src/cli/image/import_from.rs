// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `image import-from`.

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::image::{ForeignImage, OtherTool};

/// Flags of `image import-from`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportFrom {
    /// Take over all images that have a name
    #[arg(long, short)]
    all: bool,
    /// Which tool has them: podman or docker
    #[arg(value_name = "TOOL", required = true)]
    tool: String,
    /// Names or ids of images; without any, and without --all, they are listed
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

impl Subcommand for ImportFrom {
    const PATHS: &'static [&'static str] = &["image import-from"];
    const ABOUT: &'static str = "List and take over images of podman or docker";
    const USAGE: Option<&'static str> = Some("TOOL [IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &[
        "image import-from podman",
        "image import-from docker postgres:17",
        "image import-from --all podman",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let tool = match self.tool.as_str() {
            "podman" => OtherTool::Podman,
            "docker" => OtherTool::Docker,
            other => {
                return Err(Failure::tool(format_args!(
                    "{other}: images are taken over from podman or docker"
                )));
            }
        };
        let engine = &context.engine;
        let images = match (self.all, self.images.is_empty()) {
            (true, false) => return Err(Failure::tool("--all takes no images")),
            (false, false) => self.images,
            (true, true) => {
                let all = engine.images_of(tool)?.into_iter();
                all.filter_map(|image| image.name).collect()
            }
            (false, true) => {
                for image in engine.images_of(tool)? {
                    context.ui.line(line(&image))?;
                }
                return Ok(0);
            }
        };
        for image in &images {
            for loaded in engine.import_from(tool, image)? {
                let name = loaded.names.first().cloned();
                let name = name.unwrap_or_else(|| loaded.id.to_string());
                context.ui.line(format_args!("Loaded image: {name}"))?;
            }
        }
        Ok(0)
    }
}

fn line(image: &ForeignImage) -> String {
    let name = image.name.as_deref().unwrap_or("<none>");
    format!("{}\t{name}\t{}", image.id, image.size)
}
