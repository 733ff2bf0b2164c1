// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest annotate`.

use super::InstanceFlags;
use crate::cli::args::registry::with_globals;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::access::AccessRequest;
use crate::engine::manifest::Subject;

/// Flags of `manifest annotate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Annotate {
    #[command(flatten)]
    instance: InstanceFlags,
    /// Annotate the list itself
    #[arg(long)]
    index: bool,
    /// Say which image or artifact the list is about
    #[arg(long, value_name = "IMAGE")]
    subject: Option<String>,
    /// Name or id of the list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// Digest or name of one of its images
    #[arg(value_name = "IMAGE")]
    image: Option<String>,
}

impl Subcommand for Annotate {
    const PATHS: &'static [&'static str] = &["manifest annotate"];
    const ABOUT: &'static str = "Change what a manifest list says of an image";
    const USAGE: Option<&'static str> = Some("LIST IMAGE");
    const EXAMPLES: &'static [&'static str] = &[
        "manifest annotate --arch arm64 --variant v8 web:1.0 localhost/web-arm",
        "manifest annotate --index --annotation team=blue web:1.0",
    ];
    fn run(self, context: &Context) -> CommandResult {
        let changes = self.instance.changes()?;
        let access = context
            .engine
            .access(with_globals(AccessRequest::default(), context))?;
        let subject = self.subject.as_deref().filter(|name| !name.is_empty());
        let subject = subject.map(|name| Subject {
            name,
            access: &access,
            report: context,
        });
        if self.image.is_some() && subject.is_some() {
            return Err(Failure::tool(
                "setting subject for a manifest list requires no instance digest",
            ));
        }
        let id = match (&self.image, self.index || subject.is_some()) {
            (None, false) => {
                let message = "expected an instance digest, image name, or artifact name";
                return Err(Failure::tool(message));
            }
            (Some(image), true) => {
                return Err(Failure::tool(format_args!(
                    "did not expect image or artifact name \"{image}\" when modifying the entire \
                     index"
                )));
            }
            (None, true) => {
                let annotations = &changes.annotations;
                context
                    .engine
                    .annotate_index(&self.list, annotations, subject)?
            }
            (Some(image), false) => context
                .engine
                .annotate_manifest(&self.list, image, &changes)?,
        };
        context.ui.line(id.hex())?;
        Ok(0)
    }
}
