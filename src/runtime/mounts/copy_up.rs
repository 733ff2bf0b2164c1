// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is below a mount point copied into a fresh file system (`tmpcopyup`), and owners changed
//! for `:U`. Works on descriptors and never through a link.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys::{Called, SysResult};

/// Copies directories, files and links below `from` into the root of the detached mount `to`.
///
/// # Errors
///
/// What reading or writing says, with the path.
pub fn copy_tree(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> SysResult<()> {
    let path_of = |fd: BorrowedFd<'_>| PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    copy_directory(&path_of(from), &path_of(to)).called(|| "copy into the tmpfs")
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let metadata = entry.path().symlink_metadata()?;
        if metadata.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
        } else if metadata.is_dir() {
            fs::create_dir(&target)?;
            copy_directory(&entry.path(), &target)?;
        } else if metadata.is_file() {
            fs::copy(entry.path(), &target)?;
        } else {
            continue;
        }
        std::os::unix::fs::lchown(&target, Some(metadata.uid()), Some(metadata.gid()))?;
        if !metadata.is_symlink() {
            fs::set_permissions(
                &target,
                fs::Permissions::from_mode(metadata.mode() & 0o7777),
            )?;
        }
    }
    Ok(())
}

/// Gives everything below `host_path` to the ids that run the calling stage.
///
/// # Errors
///
/// What lchown(2) says, with the path.
pub fn chown_tree(host_path: &Path) -> SysResult<()> {
    chown_below(
        host_path,
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    )
    .called(|| format!("chown({host_path:?})"))
}

fn chown_below(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let metadata = path.symlink_metadata()?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            chown_below(&entry?.path(), uid, gid)?;
        }
    }
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
}
