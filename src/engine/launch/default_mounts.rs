// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mounts of mounts.conf: each container gets a copy of the files, so that it can change
//! them and never changes the host's.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::PrepareError;
use crate::config::mounts_conf::{self, DefaultMount};
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
