// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Applies a mount plan below a root: each mount is made detached, gets its flags, and is
//! attached by descriptor.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag};

use super::plan::{LastLink, MS_PRIVATE, MountOp, MountSource};
use super::sources::{IMAGE, Sources, mapped_name, overlay_name, source_name};
use super::target::{self, Links, TargetKind};
use crate::sys::mount::{Depth, FsContext, MountAttr, attach, clone_tree, current_dir, set_attr};
use crate::sys::steps::step;
use crate::sys::{Called, SysError, SysResult};

/// Why a mount could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The host path does not exist.
    #[error("bind mount source {} does not exist", .0.display())]
    MissingSource(PathBuf),
    /// A part of an image that it does not have.
    #[error("mount image on {}: there is no {} in it", container_path.display(), beneath.display())]
    NotInImage {
        /// What was asked for.
        beneath: PathBuf,
        /// Where.
        container_path: PathBuf,
    },
    /// The ids of its files cannot be mapped.
    #[error(
        "the ids of {} cannot be mapped for {}: that takes the rights of root over its file \
         system, and one that can do it",
        host_path.display(), container_path.display()
    )]
    Idmap {
        /// The source.
        host_path: PathBuf,
        /// Where.
        container_path: PathBuf,
    },
    /// A link of the image leads there.
    #[error("{} cannot be mounted over: it leads into the container's /proc", .0.display())]
    InsideProc(PathBuf),
    /// An image puts a link where a file system of the kernel's belongs (CVE-2019-19921).
    #[error(
        "mount {what} on {}: it must be mounted on ordinary directory, and there is a link",
        container_path.display()
    )]
    Link {
        /// The file system type.
        what: String,
        /// Where.
        container_path: PathBuf,
    },
    /// Any other refusal.
    #[error("mount {what} on {}: {source}", container_path.display())]
    Refused {
        /// The host path or the file system type.
        what: String,
        /// Where.
        container_path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
}

/// A mount that was made.
#[derive(Debug)]
pub struct Applied {
    /// The mount itself, whatever is mounted over it later.
    pub mount: OwnedFd,
    /// What it shows.
    pub shown: Shown,
    /// What became of a volume that is used first.
    pub filled: Filled,
}

/// What became of a volume that is used first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// It has what the image has there.
    Copied,
    /// It has the owner of what the image has there, or was used before.
    Owned,
    /// The image has nothing there: it is for the container's user.
    ForUser,
}

/// What a mount shows in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// What was asked for.
    Asked,
    /// The host's /proc or /sys: where parts of it are covered, the kernel gives no new one, which
    /// would uncover them (`mount_too_revealing`).
    Host,
}

/// Makes the overlays of `plan` before the root is there, which may stand over their layers.
///
/// # Errors
///
/// See [`MountError`].
pub fn make_overlays(plan: &[MountOp], sources: &mut Sources) -> Result<(), MountError> {
    for op in plan {
        let MountSource::New {
            kind,
            shown,
            parameters,
        } = &op.source
        else {
            continue;
        };
        if kind == "overlay" {
            let made = new_filesystem((kind, shown), parameters.iter(), op);
            let made = made.map_err(|source| MountError::Refused {
                what: kind.clone(),
                container_path: op.container_path.clone(),
                source,
            })?;
            sources.add(overlay_name(op), made);
        }
    }
    Ok(())
}

/// Makes the mount of `op` below `root`; its source may have been opened already.
///
/// # Errors
///
/// See [`MountError`].
pub fn apply(
    op: &MountOp,
    root: BorrowedFd<'_>,
    sources: &mut Sources,
) -> Result<Applied, MountError> {
    let placed = placed(op, root);
    let op = placed.as_ref().unwrap_or(op);
    let what = match &op.source {
        MountSource::Bind { host_path, .. } => host_path.display().to_string(),
        MountSource::New { kind, .. } if kind == IMAGE => "image".to_owned(),
        MountSource::New { kind, .. } => kind.clone(),
    };
    step(|| format!("mount {what} on {}", op.container_path.display()));
    let refused = |source: SysError| MountError::Refused {
        what: what.clone(),
        container_path: op.container_path.clone(),
        source,
    };
    let mut shown = Shown::Asked;
    let (mount, kind) = match &op.source {
        MountSource::Bind { host_path, depth } => {
            let opened = match op.idmap {
                None => sources.take(&source_name(op, host_path)),
                Some(_) => Some(mapped_source(host_path, op, sources)?),
            };
            bind(host_path, *depth, op, opened)?
        }
        MountSource::New {
            kind,
            shown: name,
            parameters,
        } => {
            let mode = mode_of_place(op, root).map_err(refused)?;
            let parameters = parameters.iter().chain(&mode);
            let made = sources.take(&overlay_name(op)).map(Ok);
            let mount = made.unwrap_or_else(|| new_filesystem((kind, name), parameters, op));
            let mount = mount.or_else(|error| {
                let host = hosts_own(kind).filter(|_| error.errno == Errno::EPERM);
                let host = host.ok_or(error)?;
                shown = Shown::Host;
                let mount = clone_tree(current_dir(), host, Depth::Recursive)?;
                set_attr(
                    mount.as_fd(),
                    op.set,
                    MountAttr::NONE,
                    MS_PRIVATE,
                    Depth::Recursive,
                )?;
                Ok(mount)
            });
            let mount = mount.map_err(refused)?;
            let kind = match op.beneath {
                Some(_) => kind_of(&mount).map_err(refused)?,
                None => TargetKind::Directory,
            };
            (mount, kind)
        }
    };
    let links = match (links(&op.container_path), op.place_link) {
        (Links::Follow, LastLink::Itself) => Links::KeepLast,
        (links, _) => links,
    };
    let filled = first_use(op, root, mount.as_fd()).map_err(refused)?;
    let place = target::open_or_make(root, &op.container_path, kind, links);
    let place = place.map_err(|error| match (&op.source, error.errno) {
        (MountSource::New { .. }, Errno::ELOOP) => MountError::Link {
            what: what.clone(),
            container_path: op.container_path.clone(),
        },
        _ => refused(error),
    })?;
    if links == Links::Follow && is_proc(place.as_fd(), root) {
        return Err(MountError::InsideProc(op.container_path.clone()));
    }
    if op.copy_up {
        super::copy_up::copy_tree(place.as_fd(), mount.as_fd()).map_err(refused)?;
    }
    attach(mount.as_fd(), place.as_fd()).map_err(refused)?;
    Ok(Applied {
        mount,
        shown,
        filled,
    })
}

/// Where the source of `op` is a link that is to be copied, makes it; whether it did.
///
/// # Errors
///
/// See [`MountError`].
pub fn copy_link(op: &MountOp, root: BorrowedFd<'_>) -> Result<bool, MountError> {
    let MountSource::Bind { host_path, .. } = &op.source else {
        return Ok(false);
    };
    let leads_to = fs::read_link(host_path).ok().filter(|_| op.copy_link);
    let Some(leads_to) = leads_to else {
        return Ok(false);
    };
    let links = links(&op.container_path);
    target::make_link(root, &op.container_path, leads_to.as_os_str(), links).map_err(|source| {
        MountError::Refused {
            what: host_path.display().to_string(),
            container_path: op.container_path.clone(),
            source,
        }
    })?;
    Ok(true)
}

/// `op` in the directory that is its place, if it says what it is called there.
fn placed(op: &MountOp, root: BorrowedFd<'_>) -> Option<MountOp> {
    let name = op.into.as_ref()?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let links = links(&op.container_path);
    target::open_with(root, &op.container_path, flags, links).ok()?;
    Some(MountOp {
        container_path: op.container_path.join(name),
        into: None,
        ..op.clone()
    })
}

fn first_use(op: &MountOp, root: BorrowedFd<'_>, volume: BorrowedFd<'_>) -> SysResult<Filled> {
    let Some(first_use) = op.first_use else {
        return Ok(Filled::Owned);
    };
    let Some(place) = target::existing(root, &op.container_path)? else {
        return Ok(Filled::ForUser);
    };
    let copied = super::copy_up::first_use(place.as_fd(), volume, first_use)?;
    Ok(if copied {
        Filled::Copied
    } else {
        Filled::Owned
    })
}

/// Where the host has its file system of this kind.
fn hosts_own(kind: &str) -> Option<&'static Path> {
    match kind {
        "proc" => Some(Path::new("/proc")),
        "sysfs" => Some(Path::new("/sys")),
        _ => None,
    }
}

/// An image must not move the places that we write to.
fn links(container_path: &Path) -> Links {
    let ours = ["/dev", "/proc", "/sys"]
        .iter()
        .any(|own| container_path.starts_with(own));
    if ours { Links::Refuse } else { Links::Follow }
}

/// A link to /proc would let a mount give the container a false one. What lies on the same file
/// system as the root does not, which says itself without a question to its server.
fn is_proc(place: BorrowedFd<'_>, root: BorrowedFd<'_>) -> bool {
    let device = |file| nix::sys::stat::fstat(file).map(|found| found.st_dev);
    if device(place).is_ok_and(|its| device(root) == Ok(its)) {
        return false;
    }
    let found = nix::sys::statfs::fstatfs(place);
    found.is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::PROC_SUPER_MAGIC)
}

/// A source whose ids are mapped was opened for the stage, or cannot be had.
fn mapped_source(
    host_path: &Path,
    op: &MountOp,
    sources: &mut Sources,
) -> Result<OwnedFd, MountError> {
    if !host_path.exists() {
        return Err(MountError::MissingSource(host_path.to_owned()));
    }
    let opened = sources.take(&mapped_name(op));
    opened.ok_or_else(|| MountError::Idmap {
        host_path: host_path.to_owned(),
        container_path: op.container_path.clone(),
    })
}

fn bind(
    host_path: &Path,
    depth: Depth,
    op: &MountOp,
    opened: Option<OwnedFd>,
) -> Result<(OwnedFd, TargetKind), MountError> {
    let refused = |source: SysError| match source.errno {
        Errno::ENOENT => MountError::MissingSource(
            host_path.join(op.beneath.as_deref().unwrap_or(Path::new(""))),
        ),
        _ => MountError::Refused {
            what: host_path.display().to_string(),
            container_path: op.container_path.clone(),
            source,
        },
    };
    let mount = match opened {
        Some(mount) => mount,
        None => clone_source(host_path, depth, op).map_err(refused)?,
    };
    let status = nix::sys::stat::fstat(&mount)
        .called(|| format!("stat({host_path:?})"))
        .map_err(refused)?;
    let format = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    let clear = keepable(op.clear, format == SFlag::S_IFBLK);
    let set = if op.closes_late() {
        op.set.without(MountAttr::RDONLY)
    } else {
        op.set
    };
    set_bound(mount.as_fd(), (set, clear), op.attr_depth).map_err(refused)?;
    set_attr(
        mount.as_fd(),
        MountAttr::NONE,
        MountAttr::NONE,
        op.propagation,
        op.propagation_depth,
    )
    .map_err(refused)?;
    let kind = if format == SFlag::S_IFDIR {
        TargetKind::Directory
    } else {
        TargetKind::File
    };
    Ok((mount, kind))
}

/// Whether a part of a file system is a directory.
fn kind_of(mount: &OwnedFd) -> SysResult<TargetKind> {
    let status = nix::sys::stat::fstat(mount).called(|| "fstat(mount)")?;
    let is_directory = target::is_directory(&status);
    Ok(if is_directory {
        TargetKind::Directory
    } else {
        TargetKind::File
    })
}

/// How the host keeps access times of its mounts is locked in a user namespace. That they are not
/// kept at all is a promise; that they are is a wish.
fn set_bound(
    mount: BorrowedFd<'_>,
    (set, clear): (MountAttr, MountAttr),
    depth: Depth,
) -> SysResult<()> {
    if set.is_empty() && clear.is_empty() {
        return Ok(());
    }
    let wish = clear.holds(MountAttr::ATIME) && !set.holds(MountAttr::NOATIME);
    match set_attr(mount, set, clear, 0, depth) {
        Err(error) if error.errno == Errno::EPERM && wish => {
            let times = MountAttr::ATIME;
            set_attr(mount, set.without(times), clear.without(times), 0, depth)
        }
        done => done,
    }
}

/// A path through the root of another process (`/proc/PID/root/…`) is resolved inside of that
/// root: the links there are a container's, and an absolute one would lead into the host's tree.
fn clone_source(host_path: &Path, depth: Depth, op: &MountOp) -> SysResult<OwnedFd> {
    if let Some(beneath) = &op.beneath {
        let source = fs::File::open(host_path).called(|| format!("open({host_path:?})"))?;
        return target::clone_below(source.as_fd(), beneath, Links::Follow, depth);
    }
    let is_root = |path: &&Path| path.ends_with("root") && path.starts_with("/proc");
    let root = host_path.ancestors().filter(is_root).last();
    let Some((root, inside)) =
        root.and_then(|root| Some((root, host_path.strip_prefix(root).ok()?)))
    else {
        return match op.source_link {
            LastLink::Followed => clone_tree(current_dir(), host_path, depth),
            LastLink::Itself => {
                let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let link = nix::fcntl::open(host_path, flags, Mode::empty());
                let link = link.called(|| format!("open({host_path:?}, O_NOFOLLOW)"))?;
                clone_tree(link.as_fd(), Path::new(""), depth)
            }
        };
    };
    let root = fs::File::open(root).called(|| format!("open({root:?})"))?;
    let links = match op.source_link {
        LastLink::Followed => Links::Follow,
        LastLink::Itself => Links::KeepLast,
    };
    target::clone_below(root.as_fd(), inside, links, depth)
}

/// Attributes that the host set are locked in a user namespace: asking to clear them would fail.
fn keepable(clear: MountAttr, device: bool) -> MountAttr {
    if device { MountAttr::NONE } else { clear }
}

/// A file system in memory has the mode of the directory that it covers, unless one was asked for.
fn mode_of_place(
    op: &MountOp,
    root: BorrowedFd<'_>,
) -> SysResult<Option<(String, Option<String>)>> {
    let MountSource::New {
        kind, parameters, ..
    } = &op.source
    else {
        return Ok(None);
    };
    if kind != "tmpfs" || parameters.iter().any(|(key, _)| key == "mode") {
        return Ok(None);
    }
    let Some(place) = target::existing(root, &op.container_path)? else {
        return Ok(None);
    };
    let status = nix::sys::stat::fstat(&place).called(|| "fstat(mount point)")?;
    let mode = format!("{:o}", status.st_mode & 0o7777);
    Ok(Some(("mode".to_owned(), Some(mode))))
}

fn new_filesystem<'p>(
    (kind, shown): (&str, &str),
    parameters: impl Iterator<Item = &'p (String, Option<String>)>,
    op: &MountOp,
) -> SysResult<OwnedFd> {
    let context = FsContext::open(kind)?;
    context.set("source", shown)?;
    for (key, value) in parameters {
        match value {
            Some(value) => context.set(key, value)?,
            None => context.flag(key)?,
        }
    }
    context.mount(if op.closes_late() {
        op.set.without(MountAttr::RDONLY)
    } else {
        op.set
    })
}

/// Makes a mount read-only that had to be written first.
///
/// # Errors
///
/// What mount_setattr(2) says.
pub fn close(op: &MountOp, mount: BorrowedFd<'_>) -> SysResult<()> {
    if op.set.holds(MountAttr::RDONLY) {
        set_attr(mount, MountAttr::RDONLY, MountAttr::NONE, 0, op.attr_depth)?;
    }
    Ok(())
}
