// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about the image: which one, and what to do when it is not there.

use std::path::{Path, PathBuf};

use clap::Args;

use super::environment::reason;
use crate::oci::Platform;
use crate::state::record::{ContainerRequest, RootfsRequest};

/// Flags about the image.
#[derive(Debug, Default, Args)]
pub(crate) struct ImageArgs {
    /// Use ARCH instead of the architecture of the machine for choosing images
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Path of the authentication file
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Accepted: images that are here need no certificates
    #[arg(long, hide = true)]
    cert_dir: Option<PathBuf>,
    /// Accepted: images that are here need no credentials
    #[arg(long, hide = true)]
    creds: Option<String>,
    /// Use OS instead of the running OS for choosing images
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// Platform of the image; conflicts with --arch and --os
    #[arg(long)]
    platform: Option<String>,
    /// Pull image policy ("missing"|"never")
    #[arg(long)]
    pull: Option<String>,
    /// Suppress output when pulling images
    #[arg(long, short)]
    quiet: bool,
    /// Accepted: images that are here need no pull
    #[arg(long, hide = true)]
    retry: Option<u32>,
    /// Accepted: images that are here need no pull
    #[arg(long, hide = true)]
    retry_delay: Option<String>,
    /// The first argument is not an image but the root file system of the container
    #[arg(long)]
    rootfs: bool,
    /// Accepted: images that are here need no registry
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", value_parser = super::boolean)]
    tls_verify: Option<bool>,
    /// Use VARIANT instead of the running architecture variant for choosing images
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
}

/// What is wrong with a flag about the image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("--platform option can not be specified with --arch or --os")]
    PlatformTwice,
    #[error("invalid platform \"{text}\": want OS[/ARCH[/VARIANT]]")]
    Platform { text: String },
    #[error("--platform {text}: not supported yet, only {host}")]
    OtherPlatform { text: String, host: String },
    #[error("unsupported pull policy \"{policy}\"")]
    PullPolicy { policy: String },
    #[error("--pull {policy}: not supported yet")]
    PullNotYet { policy: String },
    #[error("credential file is not accessible: faccessat {}: {reason}", path.display())]
    AuthFile { path: PathBuf, reason: String },
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
        request.platform = self.platform()?;
        check_platform(request.platform.as_deref())?;
        check_pull(self.pull.as_deref())?;
        check_auth_file(self.authfile.as_deref())?;
        if self.rootfs {
            request.rootfs = Some(rootfs(image, current_dir)?);
        } else {
            image.clone_into(&mut request.image);
        }
        Ok(())
    }

    /// `OS[/ARCH[/VARIANT]]`; empty parts are the machine's.
    fn platform(&self) -> Result<Option<String>, ImageError> {
        let parts = [&self.os, &self.arch, &self.variant];
        if let Some(text) = &self.platform {
            if self.os.is_some() || self.arch.is_some() {
                return Err(ImageError::PlatformTwice);
            }
            let count = text.split('/').count();
            if count > 3 || text.split('/').any(str::is_empty) {
                return Err(ImageError::Platform { text: text.clone() });
            }
            return Ok(Some(text.clone()));
        }
        if parts.iter().all(|part| part.is_none()) {
            return Ok(None);
        }
        let os = self.os.as_deref().unwrap_or("linux");
        let rest = [&self.arch, &self.variant].map(|part| part.clone().unwrap_or_default());
        let text = format!("{os}/{}/{}", rest[0], rest[1]);
        Ok(Some(text.trim_end_matches('/').to_owned()))
    }
}

/// Images of other platforms come with a registry and an emulator.
fn check_platform(text: Option<&str>) -> Result<(), ImageError> {
    let Some(text) = text else { return Ok(()) };
    let host = Platform::host();
    let Some(asked) = Platform::parse(text) else {
        return Err(ImageError::Platform {
            text: text.to_owned(),
        });
    };
    if (&asked.os, &asked.architecture) == (&host.os, &host.architecture) {
        return Ok(());
    }
    Err(ImageError::OtherPlatform {
        text: text.to_owned(),
        host: format!("{}/{}", host.os, host.architecture),
    })
}

fn check_pull(policy: Option<&str>) -> Result<(), ImageError> {
    let policy = policy.unwrap_or("missing").to_ascii_lowercase();
    match policy.as_str() {
        "missing" | "ifnotpresent" | "ifmissing" | "" | "never" | "false" => Ok(()),
        "always" | "newer" | "ifnewer" | "true" => Err(ImageError::PullNotYet { policy }),
        _ => Err(ImageError::PullPolicy { policy }),
    }
}

fn check_auth_file(path: Option<&Path>) -> Result<(), ImageError> {
    let Some(path) = path else { return Ok(()) };
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) => Err(ImageError::AuthFile {
            path: path.to_owned(),
            reason: reason(&error),
        }),
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

    #[test]
    fn the_platform_is_named_once() {
        let platform = |platform: Option<&str>, os: Option<&str>, arch: Option<&str>| {
            let args = ImageArgs {
                platform: platform.map(str::to_owned),
                os: os.map(str::to_owned),
                arch: arch.map(str::to_owned),
                ..ImageArgs::default()
            };
            args.platform().map_err(|error| error.to_string())
        };
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(platform(None, None, None), Ok(None));
        assert_eq!(
            platform(Some("linux/arm64/v8"), None, None),
            some("linux/arm64/v8")
        );
        assert_eq!(platform(None, None, Some("arm64")), some("linux/arm64"));
        assert_eq!(platform(None, Some("linux"), None), some("linux"));
        assert_eq!(
            platform(Some("foo"), Some("bar"), None).unwrap_err(),
            "--platform option can not be specified with --arch or --os"
        );
    }

    #[test]
    fn only_the_hosts_platform_is_there() {
        let host = Platform::host();
        assert_eq!(check_platform(None), Ok(()));
        assert_eq!(check_platform(Some("linux")), Ok(()));
        let named = format!("linux/{}", host.architecture);
        assert_eq!(check_platform(Some(&named)), Ok(()));
        assert!(check_platform(Some("linux/s390x")).is_err());
        assert!(check_platform(Some("windows")).is_err());
    }

    #[test]
    fn policies_without_a_registry_are_fine() {
        for good in ["missing", "never", "ifnotpresent", ""] {
            assert_eq!(check_pull(Some(good)), Ok(()), "{good}");
        }
        assert_eq!(
            check_pull(Some("always")).unwrap_err().to_string(),
            "--pull always: not supported yet"
        );
        assert_eq!(
            check_pull(Some("bogus")).unwrap_err().to_string(),
            "unsupported pull policy \"bogus\""
        );
    }

    #[test]
    fn a_missing_credential_file_is_named() {
        let args = ImageArgs {
            authfile: Some("/no/such".into()),
            ..ImageArgs::default()
        };
        assert_eq!(
            fill(args, "busybox").unwrap_err(),
            "credential file is not accessible: faccessat /no/such: no such file or directory"
        );
    }
}
