// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finding and making the places in a root that something is mounted on. Every path is resolved
//! below a descriptor of the root, and what is made is made on descriptors, so no link in an
//! image leads outside (CVE-2021-30465, CVE-2024-45310).

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, mkdirat};
use nix::unistd::symlinkat;

use crate::sys::mount::{Depth, clone_tree};
use crate::sys::{Called, SysError, SysResult};

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// What a place must be when it has to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A directory.
    Directory,
    /// A file.
    File,
}

/// Whether links on the way are followed (inside the root, as chroot(2) would).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// They are, and end inside the root.
    Follow,
    /// They are, but for one at the end of the path, which is the place itself.
    KeepLast,
    /// A link is an error: for /dev, /proc and /sys, which an image must not redirect
    /// (CVE-2026-41579).
    Refuse,
}

/// Opens `path` (absolute in the container) below `root`, as a location only.
///
/// # Errors
///
/// openat2(2)'s; ENOENT when it does not exist.
pub fn open(root: BorrowedFd<'_>, path: &Path, links: Links) -> SysResult<OwnedFd> {
    open_with(root, path, OFlag::O_PATH | OFlag::O_CLOEXEC, links)
}

/// A copy of the mount at `path` below `root`, which no link leads out of.
///
/// # Errors
///
/// openat2(2)'s, open_tree(2)'s.
pub fn clone_below(
    root: BorrowedFd<'_>,
    path: &Path,
    links: Links,
    depth: Depth,
) -> SysResult<OwnedFd> {
    let place = open(root, path, links)?;
    clone_tree(place.as_fd(), Path::new(""), depth)
}

/// Opens `path` below `root` with the given flags.
///
/// # Errors
///
/// openat2(2)'s.
pub fn open_with(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    links: Links,
) -> SysResult<OwnedFd> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let relative = if relative.as_os_str().is_empty() {
        Path::new(".")
    } else {
        relative
    };
    let flags = match links {
        Links::KeepLast => flags | OFlag::O_NOFOLLOW,
        Links::Follow | Links::Refuse => flags,
    };
    let mut resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    if links == Links::Refuse {
        resolve |= ResolveFlag::RESOLVE_NO_SYMLINKS;
    }
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(resolve);
    loop {
        match openat2(root, relative, how) {
            // A rename elsewhere in the tree makes the kernel unsure: ask again.
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            answer => return answer.called(|| format!("openat2([rootfs], {relative:?})")),
        }
    }
}

/// Makes the empty file `name` in `directory`; `None` when there is something of that name.
///
/// # Errors
///
/// openat(2)'s.
pub fn make_file(directory: BorrowedFd<'_>, name: &str) -> SysResult<Option<OwnedFd>> {
    let flags = OFlag::O_RDONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    match nix::fcntl::openat(directory, name, flags, Mode::from_bits_truncate(0o644)) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::EEXIST) => Ok(None),
        Err(errno) => Err(errno).called(|| format!("openat({name:?}, O_CREAT)")),
    }
}

/// Opens `path` below `root`, making it and its parents when they are missing.
///
/// # Errors
///
/// openat2(2)'s, mkdirat(2)'s.
pub fn open_or_make(
    root: BorrowedFd<'_>,
    path: &Path,
    kind: TargetKind,
    links: Links,
) -> SysResult<OwnedFd> {
    match open(root, path, links) {
        Err(error) if error.errno == Errno::ENOENT => make(root, path, kind, links),
        answer => answer,
    }
}

/// Where the link at `path` leads that leads nowhere yet.
fn dangling(parent: BorrowedFd<'_>, path: &Path) -> Option<PathBuf> {
    let leads_to = readlinkat(parent, path.file_name()?).ok()?;
    Some(path.parent()?.join(leads_to))
}

/// Makes the link `path` below `root`, with what is above it. One that leads to the same place is
/// left as it is.
///
/// # Errors
///
/// openat2(2)'s, mkdirat(2)'s, symlinkat(2)'s.
pub fn make_link(
    root: BorrowedFd<'_>,
    path: &Path,
    leads_to: &OsStr,
    links: Links,
) -> SysResult<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::EINVAL).called(|| format!("symlinkat({path:?})"));
    };
    let parent = open_or_make(root, parent, TargetKind::Directory, links)?;
    match symlinkat(leads_to, parent.as_fd(), name) {
        Err(Errno::EEXIST) if readlinkat(parent.as_fd(), name).as_deref() == Ok(leads_to) => Ok(()),
        made => made.called(|| format!("symlinkat([rootfs], {path:?})")),
    }
}

fn make(root: BorrowedFd<'_>, path: &Path, kind: TargetKind, links: Links) -> SysResult<OwnedFd> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match make_once(root, &path, kind, links) {
            Err((error, Some(leads_to)))
                if error.errno == Errno::ENOENT && links == Links::Follow =>
            {
                path = leads_to;
            }
            made => return made.map_err(|(error, _)| error),
        }
    }
    Err(Errno::ELOOP).called(|| format!("openat2([rootfs], {path:?})"))
}

/// Makes what is missing at `path`; an error comes with where the link leads that stands there.
fn make_once(
    root: BorrowedFd<'_>,
    path: &Path,
    kind: TargetKind,
    links: Links,
) -> Result<OwnedFd, (SysError, Option<PathBuf>)> {
    let only = |error: SysError| (error, None);
    let above = match links {
        Links::KeepLast => Links::Follow,
        Links::Follow | Links::Refuse => links,
    };
    let parent = match path.parent() {
        Some(parent) => open_or_make(root, parent, TargetKind::Directory, above).map_err(only)?,
        None => return open(root, path, links).map_err(only),
    };
    let Some(Component::Normal(name)) = path.components().next_back() else {
        return open(root, path, links).map_err(only);
    };
    match kind {
        TargetKind::Directory => {
            match mkdirat(parent.as_fd(), name, Mode::from_bits_truncate(0o755)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => {
                    let refused = Err(errno).called(|| format!("mkdirat([rootfs], {path:?})"));
                    return refused.map_err(only);
                }
            }
        }
        TargetKind::File => {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let mode = Mode::from_bits_truncate(0o644);
            match nix::fcntl::openat(parent.as_fd(), name, flags | OFlag::O_RDONLY, mode) {
                Ok(file) => drop(file),
                Err(Errno::EEXIST) => {}
                Err(errno) => {
                    let call = || format!("openat([rootfs], {path:?}, O_CREAT)");
                    return Err(errno).called(call).map_err(only);
                }
            }
        }
    }
    open(root, path, links).map_err(|error| (error, dangling(parent.as_fd(), path)))
}

/// What stands at `path` below `root`, behind links of the image as well; `None` where nothing does.
///
/// # Errors
///
/// What openat2(2) says.
pub(super) fn existing(root: BorrowedFd<'_>, path: &Path) -> SysResult<Option<OwnedFd>> {
    // Behind a link of the image stands what is meant: inside the root, like the link's target.
    match open(root, path, Links::Follow) {
        Ok(place) => Ok(Some(place)),
        // Not there, or not to be seen even before it is covered.
        Err(error)
            if matches!(
                error.errno,
                Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn is_directory(status: &FileStat) -> bool {
    SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}
