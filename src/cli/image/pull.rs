// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pull`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::transfers::{Purpose, QuietArgs, Transfers, Volume};
use crate::cli::args::registry::{PlatformArgs, RegistryArgs, pull_policy};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::config::registries::RegistriesError;
use crate::engine::Dialect;
use crate::engine::access::AccessError;
use crate::engine::image::{
    ArchiveEvent, ImageError, LoadRequest, LoadSource, LoadedImage, Novelty, PullPolicy,
    PullRequest, PulledImage, WhichArchived, WhichTags,
};
use crate::oci::{DEFAULT_TAG, Reference};
use crate::output::ask;
use crate::state::events::Action;

/// Flags of `pull`.
#[derive(Debug, clap::Args)]
pub(crate) struct Pull {
    /// Pull all tags of the repository
    #[arg(long, short)]
    all_tags: bool,
    /// Pull image policy ("always"|"missing"|"never"|"newer")
    #[arg(long)]
    policy: Option<String>,
    #[command(flatten)]
    quiet: QuietArgs,
    #[command(flatten)]
    platform: PlatformArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Accepted: signatures of Docker's notary are not checked
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", value_parser = crate::cli::args::boolean)]
    disable_content_trust: Option<bool>,
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// Where an image is pulled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Registry(String),
    Archive(String),
    /// An image that is here.
    Storage(String),
}

impl Subcommand for Pull {
    const PATHS: &'static [&'static str] = &["pull", "image pull"];
    const ABOUT: &'static str = "Pull an image from a registry";
    const USAGE: Option<&'static str> = Some("IMAGE [IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &[
        "pull busybox",
        "pull quay.io/podman/hello:latest",
        "pull --platform linux/arm64 debian",
        "pull docker-archive:/tmp/images.tar",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let volume = self.quiet.volume();
        let policy = self.policy.as_deref().map(pull_policy).transpose();
        let request = PullRequest {
            name: String::new(),
            tags: if self.all_tags {
                WhichTags::All
            } else {
                WhichTags::Named
            },
            platform: self.platform.platform().map_err(Failure::tool)?,
            policy: policy.map_err(Failure::tool)?.unwrap_or(PullPolicy::Always),
            access: self.registry.access(context)?,
            patience: self.registry.patience().map_err(Failure::tool)?,
        };
        for image in &self.images {
            match origin(image)? {
                Origin::Archive(path) => {
                    for image in load(
                        context,
                        &path,
                        Purpose::Pull,
                        volume,
                        self.registry.policy(),
                    )? {
                        context.ui.line(image.id.hex())?;
                    }
                }
                Origin::Storage(name) => {
                    let detail = context.engine.inspect_image(&name)?;
                    context.ui.line(detail.image.id.hex())?;
                }
                Origin::Registry(name) => {
                    let request = PullRequest {
                        name,
                        ..request.clone()
                    };
                    pull(context, &request, volume)?;
                }
            }
        }
        Ok(0)
    }
}

/// `TRANSPORT:…`, or a name alone.
pub(super) fn origin(text: &str) -> Result<Origin, Failure> {
    if let Some(name) = text.strip_prefix("docker://") {
        return Ok(Origin::Registry(name.to_owned()));
    }
    for transport in ["docker-archive:", "oci-archive:", "oci:", "dir:"] {
        if text.starts_with(transport) {
            return Ok(Origin::Archive(text.to_owned()));
        }
    }
    match text.split_once(':') {
        Some(("containers-storage", name)) => Ok(Origin::Storage(name.to_owned())),
        Some(("docker-daemon", _)) => Err(Failure::tool(format_args!(
            "{text}: this transport is not supported yet"
        ))),
        _ => Ok(Origin::Registry(text.to_owned())),
    }
}

pub(super) fn load(
    context: &Context,
    path: &str,
    purpose: Purpose,
    volume: Volume,
    policy: Option<PathBuf>,
) -> Result<Vec<LoadedImage>, Failure> {
    let told = ArchiveEvent {
        action: Action::Pull,
        name: path.to_owned(),
    };
    let (_, path) = path.split_once(':').unwrap_or_default();
    let (path, which) = match path.split_once(':') {
        Some((file, name)) if !Path::new(path).exists() && !name.is_empty() => {
            (file, WhichArchived::One(name.to_owned()))
        }
        _ => (path, WhichArchived::All),
    };
    let transfers = Transfers::new(context, purpose, volume);
    let request = LoadRequest {
        source: LoadSource::Path(path.into()),
        which,
        policy,
        told,
    };
    Ok(context.engine.load_images(request, &transfers)?)
}

fn pull(context: &Context, request: &PullRequest, volume: Volume) -> Result<(), Failure> {
    let dialect = context.engine.dialect;
    if dialect == Dialect::Docker && volume == Volume::Normal {
        let reference = Reference::parse(&request.name);
        let has_neither =
            reference.is_ok_and(|name| name.tag().is_none() && name.digest().is_none());
        if has_neither && request.tags == WhichTags::Named {
            context
                .ui
                .line(format_args!("Using default tag: {DEFAULT_TAG}"))?;
        }
    }
    let pulled = {
        let transfers = Transfers::new(context, Purpose::Pull, volume);
        let asked = |request: &PullRequest| context.engine.pull(request, &transfers);
        asked(request).or_else(|error| {
            let name = chosen(context, error)?;
            Ok::<_, Failure>(asked(&PullRequest {
                name,
                ..request.clone()
            })?)
        })?
    };
    for image in &pulled {
        match dialect {
            Dialect::Podman => context.ui.line(image.id.hex())?,
            Dialect::Docker => docker_end(context, image, volume)?,
        }
    }
    Ok(())
}

/// The full name that a person chooses for a short one which may mean several images; where nobody
/// can be asked, `error` says what they are.
pub(super) fn chosen(context: &Context, error: ImageError) -> Result<String, Failure> {
    let can_ask = ask::can_answer() && std::io::stdout().is_terminal();
    let ImageError::Access(AccessError::Registries(RegistriesError::Ambiguous {
        name,
        candidates,
    })) = &error
    else {
        return Err(error.into());
    };
    if !can_ask {
        return Err(error.into());
    }
    context
        .ui
        .line(format_args!("{name} may be one of these images:"))?;
    for (number, candidate) in candidates.iter().enumerate() {
        context
            .ui
            .line(format_args!("  {}. {candidate}", number + 1))?;
    }
    let answer = ask::line(context.ui, &format!("Which one (1-{})? ", candidates.len()))?;
    let number: Option<usize> = answer.trim().parse().ok();
    let chosen = number.and_then(|number| candidates.get(number.checked_sub(1)?));
    match chosen {
        Some(chosen) => Ok(chosen.clone()),
        None => Err(error.into()),
    }
}

pub(super) fn tell_docker(context: &Context, pulled: &PulledImage, volume: Volume) {
    if context.engine.dialect == Dialect::Docker && volume == Volume::Normal {
        context.ui.note(format_args!("Digest: {}", pulled.digest));
        context.ui.note(docker_status(pulled));
    }
}

fn docker_end(context: &Context, image: &PulledImage, volume: Volume) -> Result<(), Failure> {
    if volume == Volume::Normal {
        context.ui.line(format_args!("Digest: {}", image.digest))?;
        context.ui.line(docker_status(image))?;
    }
    Ok(context.ui.line(&image.name)?)
}

/// What Docker says at the end of a pull.
fn docker_status(image: &PulledImage) -> String {
    let familiar = Reference::parse(&image.name).map(|name| name.familiar());
    let name = familiar.unwrap_or_else(|_| image.name.clone());
    match image.novelty {
        Novelty::New => format!("Status: Downloaded newer image for {name}"),
        Novelty::UpToDate => format!("Status: Image is up to date for {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_told_from_tags() {
        let registry = |text: &str| Origin::Registry(text.to_owned());
        for (text, expected) in [
            ("docker://quay.io/a/b:1", registry("quay.io/a/b:1")),
            ("busybox:latest", registry("busybox:latest")),
            ("localhost:5000/x", registry("localhost:5000/x")),
            ("oci:/tmp/x", Origin::Archive("oci:/tmp/x".to_owned())),
            (
                "docker-archive:x.tar",
                Origin::Archive("docker-archive:x.tar".to_owned()),
            ),
        ] {
            assert_eq!(origin(text).unwrap(), expected);
        }
        let storage = Origin::Storage("x".to_owned());
        assert_eq!(origin("containers-storage:x").unwrap(), storage);
        assert!(origin("docker-daemon:x").is_err());
    }
}
