// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A file of a layer, and the system calls on it: always a descriptor and at most one name.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, UtimensatFlags, fchmod, fchmodat, fstatat, futimens, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, linkat};

use crate::sys::xattr::Place;

/// A name without a directory.
pub(super) type Name = Arc<CStr>;

/// Where a file of a layer is.
#[derive(Debug, Clone)]
pub(super) enum Spot {
    /// A name in a directory.
    Entry { directory: Arc<OwnedFd>, name: Name },
    /// A directory that is open.
    Directory(Arc<OwnedFd>),
    /// A file that has lost its name; the descriptor may be one of `O_PATH`.
    Nameless(Arc<OwnedFd>),
}

impl Spot {
    /// The file for calls on extended attributes.
    pub(super) fn place(&self) -> Place<'_> {
        match self {
            Self::Entry { directory, name } => Place::Entry(directory.as_fd(), name),
            Self::Directory(opened) => Place::Directory(opened.as_fd()),
            Self::Nameless(opened) => Place::Descriptor(opened.as_fd()),
        }
    }

    /// stat(2), of a link itself.
    pub(super) fn stat(&self) -> nix::Result<FileStat> {
        match self {
            Self::Entry { directory, name } => {
                fstatat(directory, name.as_ref(), AtFlags::AT_SYMLINK_NOFOLLOW)
            }
            Self::Directory(opened) | Self::Nameless(opened) => {
                fstatat(opened, c"", AtFlags::AT_EMPTY_PATH)
            }
        }
    }

    /// Opens the file, never through a link.
    pub(super) fn open(&self, flags: OFlag) -> nix::Result<OwnedFd> {
        let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
        match self {
            Self::Entry { directory, name } => openat(
                directory,
                name.as_ref(),
                flags | OFlag::O_NOFOLLOW,
                Mode::empty(),
            ),
            Self::Directory(opened) => openat(opened, c".", flags, Mode::empty()),
            Self::Nameless(opened) => open(magic_link(opened).as_c_str(), flags, Mode::empty()),
        }
    }

    /// Changes the owner, of a link itself.
    pub(super) fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> nix::Result<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            Self::Entry { directory, name } => fchownat(
                directory,
                name.as_ref(),
                uid,
                gid,
                AtFlags::AT_SYMLINK_NOFOLLOW,
            ),
            Self::Directory(opened) | Self::Nameless(opened) => {
                fchownat(opened, c"", uid, gid, AtFlags::AT_EMPTY_PATH)
            }
        }
    }

    /// Changes the permission bits. Not to be called for a link, which would be followed.
    pub(super) fn chmod(&self, mode: u32) -> nix::Result<()> {
        let mode = Mode::from_bits_truncate(mode);
        let follow = FchmodatFlags::FollowSymlink;
        match self {
            Self::Entry { directory, name } => fchmodat(directory, name.as_ref(), mode, follow),
            Self::Directory(opened) => fchmodat(opened, c".", mode, follow),
            Self::Nameless(opened) => match fchmod(opened, mode) {
                Err(Errno::EBADF) => fchmodat(opened, magic_link(opened).as_c_str(), mode, follow),
                answer => answer,
            },
        }
    }

    /// Sets the times of access and of modification, of a link itself.
    pub(super) fn set_times(&self, atime: &TimeSpec, mtime: &TimeSpec) -> nix::Result<()> {
        let itself = UtimensatFlags::NoFollowSymlink;
        match self {
            Self::Entry { directory, name } => {
                utimensat(directory, name.as_ref(), atime, mtime, itself)
            }
            Self::Directory(opened) => utimensat(opened, c".", atime, mtime, itself),
            Self::Nameless(opened) => match futimens(opened, atime, mtime) {
                Err(Errno::EBADF) => {
                    let path = magic_link(opened);
                    let follow = UtimensatFlags::FollowSymlink;
                    utimensat(opened, path.as_c_str(), atime, mtime, follow)
                }
                answer => answer,
            },
        }
    }

    /// The target of a symbolic link.
    pub(super) fn read_link(&self) -> nix::Result<Vec<u8>> {
        let target = match self {
            Self::Entry { directory, name } => readlinkat(directory, name.as_ref()),
            Self::Directory(opened) | Self::Nameless(opened) => readlinkat(opened, c""),
        };
        target.map(OsStringExt::into_vec)
    }

    /// Makes a hard link to the file, in a directory of the same layer.
    pub(super) fn link(&self, directory: &OwnedFd, name: &CStr) -> nix::Result<()> {
        match self {
            Self::Entry {
                directory: from,
                name: old,
            } => linkat(from, old.as_ref(), directory, name, AtFlags::empty()),
            Self::Nameless(opened) | Self::Directory(opened) => {
                // Since Linux 6.10 for those who opened it themselves.
                match linkat(opened, c"", directory, name, AtFlags::AT_EMPTY_PATH) {
                    Err(Errno::ENOENT) => {}
                    answer => return answer,
                }
                let path = magic_link(opened);
                let follow = AtFlags::AT_SYMLINK_FOLLOW;
                linkat(opened, path.as_c_str(), directory, name, follow)
            }
        }
    }
}

/// A path that leads to an open file, for calls that take no descriptor of `O_PATH`.
fn magic_link(opened: &OwnedFd) -> CString {
    CString::new(format!("/proc/self/fd/{}", opened.as_raw_fd())).expect("a number holds no NUL")
}

/// Opens a directory only to go on from it.
pub(super) fn open_directory(directory: &OwnedFd, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}
