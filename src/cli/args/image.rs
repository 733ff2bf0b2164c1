// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about the image: which one, and what to do when it is not there.

use std::path::Path;

use clap::Args;

use super::registry::{PlatformArgs, RegistryArgs, RegistryFlagError, pull_policy};
use crate::cli::image::transfers::{QuietArgs, Volume};
use crate::cli::{Context, Failure};
use crate::engine::image::{PullRequest, WhichTags};
use crate::state::record::{ContainerRequest, RootfsRequest};

/// Flags about the image.
#[derive(Debug, Default, Args)]
pub(crate) struct ImageArgs {
    #[command(flatten)]
    platform: PlatformArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Pull image policy ("always"|"missing"|"never"|"newer")
    #[arg(long)]
    pull: Option<String>,
    /// Suppress output when pulling images
    #[arg(long, short)]
    quiet: bool,
    /// The first argument is not an image but the root file system of the container
    #[arg(long)]
    rootfs: bool,
}

/// What is wrong with a flag about the image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImageError {
    #[error(transparent)]
    Registry(#[from] RegistryFlagError),
    #[error("--rootfs {text}: only the option O is supported")]
    RootfsOption { text: String },
    #[error("rootfs path cannot be empty")]
    EmptyRootfs,
}

impl ImageArgs {
    /// Writes what these flags ask for into `request`; `image` is the first word, and a relative
    /// root file system starts at `current_dir`.
    pub(crate) fn fill(
        self,
        request: &mut ContainerRequest,
        image: &str,
        current_dir: &Path,
    ) -> Result<(), ImageError> {
        self.platform.platform()?;
        request.platform = self.platform.text()?;
        if self.rootfs {
            request.rootfs = Some(rootfs(image, current_dir)?);
        } else {
            image.clone_into(&mut request.image);
        }
        Ok(())
    }

    /// How to get the image `name` before the container is made; `None` if none is needed.
    pub(crate) fn pull(
        &self,
        context: &Context,
        name: &str,
    ) -> Result<Option<(PullRequest, Volume)>, Failure> {
        let policy = pull_policy(self.pull.as_deref().unwrap_or_default());
        let policy = policy.map_err(Failure::tool)?;
        let access = self.registry.access(context)?;
        if self.rootfs {
            return Ok(None);
        }
        let request = PullRequest {
            name: name.to_owned(),
            tags: WhichTags::Named,
            platform: self.platform.platform().map_err(Failure::tool)?,
            policy,
            access,
            patience: self.registry.patience().map_err(Failure::tool)?,
        };
        let quiet = QuietArgs { quiet: self.quiet };
        Ok(Some((request, quiet.volume())))
    }
}

/// `PATH[:O]`.
fn rootfs(text: &str, current_dir: &Path) -> Result<RootfsRequest, ImageError> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    if path.is_empty() {
        return Err(ImageError::EmptyRootfs);
    }
    let overlay = match options {
        "" => false,
        "O" => true,
        _ => {
            return Err(ImageError::RootfsOption {
                text: text.to_owned(),
            });
        }
    };
    Ok(RootfsRequest {
        host_path: current_dir.join(path),
        overlay,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(args: ImageArgs, image: &str) -> Result<ContainerRequest, String> {
        let mut request = ContainerRequest::default();
        args.fill(&mut request, image, Path::new("/home/ana"))
            .map(|()| request)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_root_file_system_takes_the_images_place() {
        let args = || ImageArgs {
            rootfs: true,
            ..ImageArgs::default()
        };
        let request = fill(args(), "tree:O").unwrap();
        assert!(request.image.is_empty());
        let rootfs = request.rootfs.unwrap();
        assert_eq!(rootfs.host_path, Path::new("/home/ana/tree"));
        assert!(rootfs.overlay);
        assert_eq!(
            fill(args(), "/:O").unwrap().rootfs.unwrap().host_path,
            Path::new("/")
        );
        assert_eq!(
            fill(args(), "/x:idmap").unwrap_err(),
            "--rootfs /x:idmap: only the option O is supported"
        );
    }
}
