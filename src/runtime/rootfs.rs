// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The container's root: an overlay, our FUSE overlay, or a directory, attached in the
//! container's own mount namespace so that it vanishes with it; and the way into it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, fchdir, pivot_root};

use super::failure::StageFailure;
use super::launch::{Pivot, Root};
use super::mounts::sources::{ROOT, Sources};
use super::overlay_mount::{Access, fuse_device, fuse_mount, kernel_overlay};
use crate::sys::mount::{Depth, MountAttr, attach, clone_tree, current_dir, set_attr};
use crate::sys::{Called, Ignored, SysError, SysResult};

/// Makes the root and attaches it over `mountpoint`, any directory of the host. Returns the root
/// as a descriptor. A FUSE device is handed to `serve`, which starts its server. The mount is its
/// own probe: where the kernel's overlay is refused, ours takes over if it may.
///
/// # Errors
///
/// What the mount calls say.
pub fn mount_root(
    root: &Root,
    fallback: Fallback,
    (mountpoint, sources): (&Path, &mut Sources),
    serve: &mut dyn FnMut(OwnedFd) -> SysResult<()>,
) -> SysResult<OwnedFd> {
    let mount = match root {
        Root::Kernel(layers) => match (kernel_overlay(layers), fallback) {
            (Err(_), Fallback::Fuse) => served_root(serve)?,
            (mount, Fallback::Fuse | Fallback::None) => mount?,
        },
        Root::Fuse(_) => served_root(serve)?,
        Root::Hybrid(_) => {
            let missing = || SysError::new("the mount of the root", Errno::ENOENT);
            sources.take(Path::new(ROOT)).ok_or_else(missing)?
        }
        Root::Machine(layers) => return super::machine::make_root(layers, mountpoint),
        Root::Directory(path) => {
            let mount = match sources.take(path) {
                Some(opened) => opened,
                None => clone_tree(current_dir(), path, Depth::Recursive)?,
            };
            let private = nix::mount::MsFlags::MS_PRIVATE.bits();
            set_attr(
                mount.as_fd(),
                MountAttr::NONE,
                MountAttr::NONE,
                private,
                Depth::Recursive,
            )?;
            mount
        }
    };
    let place = match sources.take(mountpoint) {
        Some(opened) => opened,
        None => std::fs::File::open(mountpoint)
            .called(|| format!("open({mountpoint:?})"))?
            .into(),
    };
    attach(mount.as_fd(), place.as_fd())?;
    Ok(mount)
}

fn served_root(serve: &mut dyn FnMut(OwnedFd) -> SysResult<()>) -> SysResult<OwnedFd> {
    let device = fuse_device()?;
    let mount = fuse_mount(&device, Access::Everything)?;
    serve(device)?;
    Ok(mount)
}

/// What happens when the kernel's overlay refuses a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Our FUSE overlay serves it.
    Fuse,
    /// The start fails.
    None,
}

/// Makes `root` the root of this mount namespace and lets go of the host's tree
/// (pivot_root(2), "pivot_root(".", ".")").
///
/// # Errors
///
/// The call that failed.
pub fn enter(root: &OwnedFd, pivot: Pivot) -> Result<(), StageFailure> {
    let steps = || -> SysResult<()> {
        let old = open("/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
        let old = old.called(|| "open(\"/\")")?;
        fchdir(root).called(|| "fchdir([rootfs])")?;
        match pivot {
            Pivot::Root => {
                pivot_root(".", ".").called(|| "pivot_root(\".\", \".\")")?;
                // What is unmounted here goes on the host, too, where the tree is still shared.
                let none = MountAttr::NONE;
                set_attr(
                    old.as_fd(),
                    none,
                    none,
                    MsFlags::MS_SLAVE.bits(),
                    Depth::Recursive,
                )?;
                umount2(".", MntFlags::MNT_DETACH).called(|| "umount2(\".\", MNT_DETACH)")?;
            }
            Pivot::Move => {
                mount(
                    NO_TEXT,
                    "/",
                    NO_TEXT,
                    MsFlags::MS_SLAVE | MsFlags::MS_REC,
                    NO_TEXT,
                )
                .called(|| "mount(\"/\", MS_SLAVE|MS_REC)")?;
                hide_kernel_filesystems();
                mount(Some("."), "/", NO_TEXT, MsFlags::MS_MOVE, NO_TEXT)
                    .called(|| "mount(\".\", \"/\", MS_MOVE)")?;
                chroot(".").called(|| "chroot(\".\")")?;
            }
        }
        chdir("/").called(|| "chdir(\"/\")")
    };
    steps().map_err(|error| StageFailure::setup(format!("enter the root file system: {error}")))
}

/// For the parameters of mount(2) that say nothing.
const NO_TEXT: Option<&str> = None;

/// Below the root that is moved over it the host's tree stays, out of reach but for a way out of
/// chroot(2): its /proc and /sys, which are none of the container's, go before.
fn hide_kernel_filesystems() {
    for place in ["/proc", "/sys"] {
        umount2(place, MntFlags::MNT_DETACH).ignored();
    }
}

/// Keeps what is mounted from now on out of the mount namespace that this one was copied from, in
/// which the kernel does that alone when it belongs to another user namespace. `word` is the
/// spec's rootfsPropagation: with `shared` the mounts of the host go on to travel both ways, but
/// for the one that the root is attached to.
///
/// # Errors
///
/// What mount(2) says.
pub fn isolate(mountpoint: &Path, word: Option<&str>) -> SysResult<()> {
    let (place, flags) = match word {
        Some("shared" | "rshared") => (parent_mount(mountpoint), MsFlags::MS_PRIVATE),
        Some("private" | "rprivate") => (PathBuf::from("/"), MsFlags::MS_PRIVATE | MsFlags::MS_REC),
        Some(_) | None => (PathBuf::from("/"), MsFlags::MS_SLAVE | MsFlags::MS_REC),
    };
    mount(NO_TEXT, &place, NO_TEXT, flags, NO_TEXT)
        .called(|| format!("mount({place:?}, {flags:?})"))
}

/// The mount that `path` is in.
fn parent_mount(path: &Path) -> PathBuf {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    let above = points
        .map(Path::new)
        .filter(|point| path.starts_with(point));
    let nearest = above.max_by_key(|point| point.components().count());
    nearest.unwrap_or(Path::new("/")).to_owned()
}

/// Sets how mounts travel from and to the mount of `root`: a word of mount(8), such as `rslave`.
///
/// # Errors
///
/// EINVAL for a word that is none; what mount_setattr(2) says.
pub fn propagate(root: &OwnedFd, word: &str) -> SysResult<()> {
    let known = super::mounts::plan::propagation(word);
    let (kind, depth) =
        known.ok_or_else(|| SysError::new(format!("rootfsPropagation {word}"), Errno::EINVAL))?;
    let none = MountAttr::NONE;
    set_attr(root.as_fd(), none, none, kind, depth)
}

/// Makes the mount of `root` read-only, without what is mounted below it.
///
/// # Errors
///
/// What mount_setattr(2) says.
pub fn make_read_only(root: &OwnedFd) -> SysResult<()> {
    set_attr(
        root.as_fd(),
        MountAttr::RDONLY,
        MountAttr::NONE,
        0,
        Depth::One,
    )
}
