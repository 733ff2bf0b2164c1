// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stands below a root is covered, or made read-only.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;

use super::target::{self, Links};
use crate::sys::mount::{
    Depth, FsContext, MountAttr, attach, clone_read_only, clone_tree, set_attr,
};
use crate::sys::{Called, SysError, SysResult};

/// Makes `path` below `root` read-only with all below it, if it exists.
///
/// # Errors
///
/// What the mount calls say.
pub fn read_only(root: BorrowedFd<'_>, path: &Path) -> SysResult<()> {
    let Some(place) = target::existing(root, path)? else {
        return Ok(());
    };
    let mount = clone_read_only(place.as_fd(), Path::new(""))?;
    attach(mount.as_fd(), place.as_fd())
}

/// Makes the mount at `path` below `root` read-only, and none of those below it.
///
/// # Errors
///
/// What the mount calls say.
pub fn seal(root: BorrowedFd<'_>, path: &Path) -> SysResult<()> {
    let place = target::open(root, path, Links::Refuse)?;
    set_attr(
        place.as_fd(),
        MountAttr::RDONLY,
        MountAttr::NONE,
        0,
        Depth::One,
    )
}

/// Hides what is below masked paths.
#[derive(Debug)]
pub struct Mask {
    null: OwnedFd,
    empty: Option<OwnedFd>,
}

impl Mask {
    /// Takes the host's /dev/null, checked to be what its name says: never the container's
    /// (CVE-2025-31133).
    ///
    /// # Errors
    ///
    /// open(2)'s; ENODEV when the node is not the null device.
    pub fn prepare() -> SysResult<Self> {
        let null = fs::File::open("/dev/null").called(|| "open(\"/dev/null\")")?;
        let metadata = null.metadata().called(|| "fstat(\"/dev/null\")")?;
        let is_null = metadata.file_type().is_char_device()
            && metadata.rdev() == nix::sys::stat::makedev(1, 3);
        if !is_null {
            return Err(SysError::new("fstat(\"/dev/null\")", Errno::ENODEV));
        }
        Ok(Self {
            null: null.into(),
            empty: None,
        })
    }

    /// Covers `path` below `root`, if it exists: a file by the null device, a directory by one
    /// shared empty read-only file system.
    ///
    /// # Errors
    ///
    /// What the mount calls say.
    pub fn cover(&mut self, root: BorrowedFd<'_>, path: &Path) -> SysResult<()> {
        let Some(place) = target::existing(root, path)? else {
            return Ok(());
        };
        let status = nix::sys::stat::fstat(&place).called(|| format!("fstat({path:?})"))?;
        let directory = target::is_directory(&status);
        let whole = Path::new("");
        match &self.empty {
            _ if !directory => {
                let mount = clone_tree(self.null.as_fd(), whole, Depth::One)?;
                attach(mount.as_fd(), place.as_fd())
            }
            Some(empty) => {
                let mount = clone_tree(empty.as_fd(), whole, Depth::One)?;
                attach(mount.as_fd(), place.as_fd())
            }
            // The first place gets the mount itself: to close one that is attached nowhere waits
            // for all processors.
            None => {
                let empty = self.empty.insert(empty_directory()?);
                attach(empty.as_fd(), place.as_fd())
            }
        }
    }
}

fn empty_directory() -> SysResult<OwnedFd> {
    let context = FsContext::open("tmpfs")?;
    context.set("nr_inodes", "2")?;
    context.set("size", "0")?;
    context.set("mode", "555")?;
    let attr = MountAttr::RDONLY
        .with(MountAttr::NOSUID)
        .with(MountAttr::NODEV);
    context.mount(attr.with(MountAttr::NOEXEC))
}
