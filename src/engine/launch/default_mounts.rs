// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mounts of mounts.conf: each container gets a copy of the files, so that it can change
//! them and never changes the host's. And what programs need to know of a container with one id.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::PrepareError;
use crate::config::mounts_conf::{self, DefaultMount};
use crate::runtime::idmap::Reach;
use crate::runtime::launch::Root;
use crate::state::record::ContainerRequest;
use crate::sys::Called;

/// Directories below one another that are copied; a loop of links ends here.
const DEPTH_MAX: u32 = 32;

/// Copies what mounts.conf names into `run_directory`. What the host does not have is left out.
///
/// # Errors
///
/// What cannot be read or written.
pub(super) fn copy(
    request: &ContainerRequest,
    run_directory: &Path,
) -> Result<Vec<DefaultMount>, PrepareError> {
    let named = request.default_mounts_file.as_deref();
    let mounts = mounts_conf::load(named, &|name| std::env::var_os(name));
    let mut copies = Vec::new();
    for (number, mount) in mounts.into_iter().enumerate() {
        if !mount.host_path.exists() {
            continue;
        }
        let copy = run_directory.join(format!("default-mount-{number}"));
        copy_tree(&mount.host_path, &copy, DEPTH_MAX)
            .called(|| format!("copy({})", mount.host_path.display()))
            .map_err(|source| PrepareError::File {
                path: copy.clone(),
                source,
            })?;
        copies.push(DefaultMount {
            host_path: copy,
            container_path: mount.container_path,
        });
    }
    Ok(copies)
}

/// Read after the image's own settings.
const APT_SETTINGS: &str = "/etc/apt/apt.conf.d/zz-one-user";

/// apt changes to a user of its own for what it downloads; where there is none it is told not to.
///
/// # Errors
///
/// What cannot be written.
pub(super) fn apt_settings(
    root: &Root,
    reach: Reach,
    run_directory: &Path,
) -> Result<Option<DefaultMount>, PrepareError> {
    let (Root::Kernel(layers) | Root::Fuse(layers)) = root else {
        return Ok(None);
    };
    let has_apt = || {
        let mut directories = layers
            .lower
            .iter()
            .map(|lower| lower.join("etc/apt/apt.conf.d"));
        directories.any(|path| path.symlink_metadata().is_ok_and(|status| status.is_dir()))
    };
    if reach != Reach::Single || !has_apt() {
        return Ok(None);
    }
    let path = run_directory.join("apt-settings");
    let text = "// There is no other user in this container.\nAPT::Sandbox::User \"root\";\n";
    fs::File::create(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .called(|| format!("write({})", path.display()))
        .map_err(|source| PrepareError::File {
            path: path.clone(),
            source,
        })?;
    Ok(Some(DefaultMount {
        host_path: path,
        container_path: PathBuf::from(APT_SETTINGS),
    }))
}

/// Files and directories; links are followed, and what is neither is left out.
fn copy_tree(from: &Path, to: &Path, depth: u32) -> io::Result<()> {
    let metadata = fs::metadata(from)?;
    if metadata.is_file() {
        return fs::copy(from, to).map(drop);
    }
    if !metadata.is_dir() || depth == 0 {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name: PathBuf = entry?.file_name().into();
        copy_tree(&from.join(&name), &to.join(&name), depth - 1)?;
    }
    fs::set_permissions(
        to,
        fs::Permissions::from_mode(metadata.permissions().mode()),
    )
}
