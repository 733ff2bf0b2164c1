// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `import`.

use std::path::PathBuf;

use super::stdin;
use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::image::{ImportRequest, ImportSource};
use crate::oci::Platform;

/// Flags of `import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Set the architecture of the imported image
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Apply an instruction to the created image, one of CMD, ENTRYPOINT, ENV, EXPOSE, LABEL,
    /// ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Set the commit message of the imported image
    #[arg(long, short)]
    message: Option<String>,
    /// Set the OS of the imported image
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// Suppress output
    #[arg(long, short)]
    quiet: bool,
    /// Set the variant of the imported image
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
    /// A tar file, a URL, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    source: PathBuf,
    /// Name of the new image
    #[arg(value_name = "REFERENCE")]
    reference: Option<String>,
}

impl Subcommand for Import {
    const PATHS: &'static [&'static str] = &["import", "image import"];
    const ABOUT: &'static str = "Import a tarball to create a filesystem image";
    const USAGE: Option<&'static str> = Some("PATH [REFERENCE]");
    const EXAMPLES: &'static [&'static str] = &[
        "import rootfs.tar debian:12",
        "import --change CMD=/bin/sh - shell",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let platform = self.platform();
        let source = if self.source.as_os_str() == "-" {
            ImportSource::Open(stdin()?)
        } else {
            ImportSource::Path(self.source)
        };
        let request = ImportRequest {
            source,
            name: self.reference,
            changes: self.change,
            message: self.message,
            platform,
        };
        let id = context.engine.import_image(request)?;
        context.ui.line(id)?;
        Ok(0)
    }
}

impl Import {
    fn platform(&self) -> Platform {
        let host = Platform::host();
        let other_architecture = self.arch.is_some();
        Platform {
            architecture: self.arch.clone().unwrap_or(host.architecture),
            os: self.os.clone().unwrap_or(host.os),
            variant: match &self.variant {
                Some(variant) => variant.clone(),
                None if other_architecture => String::new(),
                None => host.variant,
            },
        }
    }
}
