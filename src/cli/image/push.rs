// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `push`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::transfers::{Purpose, QuietArgs, Transfers, Volume};
use crate::cli::args::registry::{RegistryArgs, for_push};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::image::{
    ArchiveEvent, ArchiveForm, LayerCompression, LayerForm, ManifestFormat, Output, Packing,
    PushRequest, PushedImage, ReusedForms, SaveRequest,
};
use crate::oci::Digest;
use crate::state::events::Action;

/// Flags of `push`.
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// Push all tags of the repository
    #[arg(long, short)]
    all_tags: bool,
    /// Compression of new layers ("gzip"|"zstd")
    #[arg(long, value_name = "FORMAT")]
    compression_format: Option<String>,
    /// Level of the compression of new layers (gzip: 1 to 9, zstd: 1 to 22)
    #[arg(long, value_name = "LEVEL", allow_hyphen_values = true)]
    compression_level: Option<i32>,
    /// Compress layers that the registry has in another compression anew (default: if
    /// --compression-format is given)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = crate::cli::args::boolean)]
    force_compression: Option<bool>,
    /// Write the digest of the pushed manifest to the file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Manifest type ("oci"|"v2s2")
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<String>,
    #[command(flatten)]
    quiet: QuietArgs,
    /// Accepted: images are kept without signatures
    #[arg(long, hide = true)]
    remove_signatures: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Accepted: images are not signed by Docker's notary
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", value_parser = crate::cli::args::boolean)]
    disable_content_trust: Option<bool>,
    /// The image
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
    /// Where to; its own name if nothing is said
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
}

impl Subcommand for Push {
    const PATHS: &'static [&'static str] = &["push", "image push"];
    const ABOUT: &'static str = "Push an image to a registry";
    const USAGE: Option<&'static str> = Some("IMAGE [DESTINATION]");
    const EXAMPLES: &'static [&'static str] = &[
        "push quay.io/ana/web:1",
        "push web docker://localhost:5000/web:latest",
        "push --digestfile digest.txt web registry.example.com/web",
    ];

    fn adapt(definition: clap::Command, _dialect: Dialect) -> clap::Command {
        for_push(definition)
    }

    fn run(self, context: &Context) -> CommandResult {
        let volume = self.quiet.volume();
        let destination = match self.destination.as_deref().map(destination).transpose()? {
            None => None,
            Some(Destination::Registry(name)) => Some(name),
            Some(archive) => return save(context, self.image, archive),
        };
        let request = PushRequest {
            image: self.image.clone(),
            destination,
            packing: packing(self.compression_format.as_deref(), self.compression_level)?,
            reused: reused(self.force_compression, self.compression_format.as_deref()),
            format: self.format.as_deref().map(format).transpose()?,
            access: self.registry.access(context)?,
            patience: self.registry.patience().map_err(Failure::tool)?,
        };
        if !self.all_tags {
            let pushed = push(context, &request, volume)?;
            return match &self.digestfile {
                Some(path) => write_digest(path, &pushed.digest),
                None => Ok(0),
            };
        }
        for image in context.engine.names_of_repository(&self.image)? {
            let request = PushRequest {
                image,
                ..request.clone()
            };
            push(context, &request, volume)?;
        }
        Ok(0)
    }
}

fn push(context: &Context, request: &PushRequest, volume: Volume) -> Result<PushedImage, Failure> {
    let pushed = {
        let transfers = Transfers::new(context, Purpose::Push, volume);
        context.engine.push(request, &transfers)?
    };
    if context.engine.dialect == Dialect::Docker {
        let (tag, digest) = (pushed.name.tag().unwrap_or_default(), &pushed.digest);
        let size = pushed.size_bytes;
        match volume {
            Volume::Normal => {
                context
                    .ui
                    .line(format_args!("{tag}: digest: {digest} size: {size}"))?;
            }
            Volume::Quiet => context.ui.line(&pushed.name)?,
        }
    }
    Ok(pushed)
}

fn save(context: &Context, image: String, destination: Destination) -> CommandResult {
    let Destination::Archive {
        form,
        layers,
        is_directory,
        path,
        name,
        typed,
    } = destination
    else {
        return Ok(0);
    };
    let output = if is_directory {
        Output::Directory(path)
    } else {
        Output::File(
            File::create(&path)
                .map_err(|error| Failure::tool(format_args!("open {}: {error}", path.display())))?,
        )
    };
    context.engine.save_images(&SaveRequest {
        platform: None,
        images: vec![image],
        names: name.into_iter().collect(),
        form,
        layers,
        output,
        told: ArchiveEvent {
            action: Action::Push,
            name: typed,
        },
    })?;
    Ok(0)
}

/// Where an image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Destination {
    /// A name at a registry.
    Registry(String),
    Archive {
        form: ArchiveForm,
        layers: LayerForm,
        is_directory: bool,
        path: PathBuf,
        /// The name that the image gets in it.
        name: Option<String>,
        /// All of that, as typed.
        typed: String,
    },
}

/// `TRANSPORT:…`, or a name alone.
fn destination(text: &str) -> Result<Destination, Failure> {
    if let Some(name) = text.strip_prefix("docker://") {
        return Ok(Destination::Registry(name.to_owned()));
    }
    let (form, layers, is_directory) = match text.split_once(':') {
        Some(("docker-archive", _)) => (ArchiveForm::Docker, LayerForm::Plain, false),
        Some(("oci-archive", _)) => (ArchiveForm::Oci, LayerForm::Gzip, false),
        Some(("oci", _)) => (ArchiveForm::Oci, LayerForm::Gzip, true),
        Some(("dir", _)) => (ArchiveForm::DirectoryAsIs, LayerForm::Gzip, true),
        Some(("docker-daemon" | "containers-storage", _)) => {
            let words = format!("{text}: this transport is not supported yet");
            return Err(Failure::tool(words));
        }
        _ => return Ok(Destination::Registry(text.to_owned())),
    };
    let (_, rest) = text.split_once(':').unwrap_or_default();
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) if form != ArchiveForm::DirectoryAsIs => (path, Some(name.to_owned())),
        _ => (rest, None),
    };
    Ok(Destination::Archive {
        form,
        layers,
        is_directory,
        path: path.into(),
        name,
        typed: text.to_owned(),
    })
}

pub(crate) fn reused(forced: Option<bool>, format: Option<&str>) -> ReusedForms {
    if forced.unwrap_or(format.is_some()) {
        ReusedForms::SameCompression
    } else {
        ReusedForms::Any
    }
}

pub(crate) fn packing(format: Option<&str>, level: Option<i32>) -> Result<Packing, Failure> {
    let compression = match format {
        None | Some("gzip") => LayerCompression::Gzip,
        // What makes zstd layers seekable is for readers that we do not know of.
        Some("zstd" | "zstd:chunked") => LayerCompression::Zstd,
        Some(other) => {
            return Err(Failure::tool(format_args!(
                "--compression-format {other}: gzip and zstd are supported"
            )));
        }
    };
    let Some(level) = level else {
        return Ok(compression.into());
    };
    Packing::with_level(compression, level).map_err(|known| {
        let (first, last, format) = (known.start(), known.end(), format.unwrap_or("gzip"));
        Failure::tool(format_args!(
            "--compression-level {level}: {format} has {first} to {last}"
        ))
    })
}

pub(crate) fn format(text: &str) -> Result<ManifestFormat, Failure> {
    match text {
        "oci" => Ok(ManifestFormat::Oci),
        "v2s2" | "docker" => Ok(ManifestFormat::Docker),
        other => Err(Failure::tool(format_args!(
            "unknown format \"{other}\". Choose one of the supported formats: 'oci' or 'v2s2'"
        ))),
    }
}

pub(crate) fn write_digest(path: &Path, digest: &Digest) -> CommandResult {
    let mut file = File::create(path).map_err(|error| {
        Failure::tool(format_args!(
            "write the digest to {}: {error}",
            path.display()
        ))
    })?;
    write!(file, "{digest}")?;
    Ok(0)
}
