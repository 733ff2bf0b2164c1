// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine's own system as a root file system (`--rootfs /:O`): its system directories below
//! a throw-away layer, and empty places where people and programs keep what is theirs. Home
//! directories, /root, /run and mounted disks are not shown.
//!
//! The whole root cannot be a layer of one overlay: the kernel refuses a lower directory with
//! mounts below it that it does not let us unmount. So the shown directories are collected on a
//! small tmpfs, each bound on its own.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};

use super::launch::OverlayLayers;
use super::overlay_mount::kernel_overlay;
use crate::sys::mount::{
    Depth, FsContext, MountAttr, attach, clone_read_only, clone_tree, current_dir,
};
use crate::sys::{Called, SysResult};

/// Directories of the machine that are shown; links among them (`/bin` on a merged /usr) stay
/// links.
const SHOWN: &[&str] = &[
    "usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt", "var",
];

/// Empty places, with their modes.
const EMPTY: &[(&str, u32)] = &[
    ("home", 0o755),
    ("root", 0o755),
    ("tmp", 0o1777),
    ("run", 0o755),
    ("mnt", 0o755),
    ("media", 0o755),
    ("srv", 0o755),
    ("proc", 0o555),
    ("sys", 0o555),
    ("dev", 0o755),
];

/// How one shown name is made.
enum Shown {
    Link(PathBuf),
    Directory,
}

/// Collects the shown directories below `place` in a mount namespace of this process's own, for
/// the server of a FUSE root.
///
/// # Errors
///
/// The call that failed.
pub fn make_lower(place: &Path) -> SysResult<()> {
    unshare(CloneFlags::CLONE_NEWNS).called(|| "unshare(CLONE_NEWNS)")?;
    make_directory(place, 0o755)?;
    let skeleton = skeleton()?;
    let target = fs::File::open(place).called(|| format!("open({place:?})"))?;
    attach(skeleton.as_fd(), target.as_fd())?;
    fill(place, |name, path| {
        let mount = clone_tree(current_dir(), &Path::new("/").join(name), Depth::Recursive)?;
        attach_at(&mount, path)
    })
}

/// The root where there is no FUSE: one kernel overlay per directory. What the machine's root
/// owns stays read-only, since no id of the container stands for it.
///
/// # Errors
///
/// The call that failed.
pub fn make_root(layers: &OverlayLayers, mountpoint: &Path) -> SysResult<OwnedFd> {
    let skeleton = skeleton()?;
    let target = fs::File::open(mountpoint).called(|| format!("open({mountpoint:?})"))?;
    // The layers lie below the mount point, which is about to be covered.
    let (upper, work) = (reach(&layers.upper)?, reach(&layers.work)?);
    attach(skeleton.as_fd(), target.as_fd())?;
    let inside = reach(mountpoint)?;
    fill(&inside.path, |name, path| {
        let source = Path::new("/").join(name);
        let own = OverlayLayers {
            lower: vec![source.clone()],
            upper: upper.path.join(name),
            work: work.path.join(name),
            volatile: layers.volatile,
        };
        make_directory(&own.upper, 0o755)?;
        make_directory(&own.work, 0o700)?;
        let mount =
            kernel_overlay(&own).or_else(|_refused| clone_read_only(current_dir(), &source))?;
        attach_at(&mount, path)
    })?;
    Ok(skeleton)
}

/// A directory by a descriptor, as a path that stays the same when something covers it.
struct Reached {
    path: PathBuf,
    _directory: OwnedFd,
}

fn reach(directory: &Path) -> SysResult<Reached> {
    use std::os::fd::AsRawFd;
    let opened = fs::File::open(directory).called(|| format!("open({directory:?})"))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    Ok(Reached {
        path,
        _directory: opened.into(),
    })
}

fn skeleton() -> SysResult<OwnedFd> {
    let context = FsContext::open("tmpfs")?;
    context.set("source", "machine")?;
    context.set("mode", "755")?;
    context.mount(MountAttr::NODEV)
}

fn fill(root: &Path, mut show: impl FnMut(&str, &Path) -> SysResult<()>) -> SysResult<()> {
    for name in SHOWN {
        let path = root.join(name);
        match look_at(name) {
            None => {}
            Some(Shown::Link(to)) => std::os::unix::fs::symlink(&to, &path)
                .called(|| format!("symlink({to:?}, {path:?})"))?,
            Some(Shown::Directory) => {
                make_directory(&path, 0o755)?;
                show(name, &path)?;
            }
        }
    }
    for (name, mode) in EMPTY {
        make_directory(&root.join(name), *mode)?;
    }
    Ok(())
}

fn look_at(name: &str) -> Option<Shown> {
    let path = Path::new("/").join(name);
    let metadata = path.symlink_metadata().ok()?;
    if metadata.is_symlink() {
        return fs::read_link(path).ok().map(Shown::Link);
    }
    metadata.is_dir().then_some(Shown::Directory)
}

fn make_directory(path: &Path, mode: u32) -> SysResult<()> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .called(|| format!("mkdir({path:?})")),
    }
}

fn attach_at(mount: &OwnedFd, path: &Path) -> SysResult<()> {
    let place = fs::File::open(path).called(|| format!("open({path:?})"))?;
    attach(mount.as_fd(), place.as_fd())
}
