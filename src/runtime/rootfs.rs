// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The container's root: an overlay, our FUSE overlay, or a directory, attached in the
//! container's own mount namespace so that it vanishes with it; and the way into it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, fchdir, pivot_root};

use super::hybrid;
use super::launch::{OverlayLayers, Root, StageFailure};
use super::lifecycle::Pivot;
use super::mounts::sources::Sources;
use crate::sys::fuse;
use crate::sys::mount::{Depth, FsContext, MountAttr, attach, clone_tree, current_dir, set_attr};
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
            sources.take(Path::new(hybrid::ROOT)).ok_or_else(missing)?
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

/// An overlay of the kernel's. `userxattr` always: without it an opaque mkdir fails with EIO in a
/// user namespace (overlayfs documentation, "Non-directory permissions and user namespaces").
///
/// # Errors
///
/// What the mount calls say.
pub fn kernel_overlay(layers: &OverlayLayers) -> SysResult<OwnedFd> {
    overlay(&layers.lower, MountAttr::NODEV, |context| {
        set_upper(context, layers)
    })
}

fn set_upper(context: &FsContext, layers: &OverlayLayers) -> SysResult<()> {
    context.set("upperdir", &text(&layers.upper))?;
    context.set("workdir", &text(&layers.work))?;
    if layers.volatile {
        context.flag("volatile")?;
    }
    Ok(())
}

/// An overlay of the kernel's over the one layer `lower`, whose files say where in the directories
/// `data` their data is (overlayfs documentation, "Data-only lower layers").
///
/// # Errors
///
/// What the mount calls say.
pub fn kernel_overlay_with_data(
    layers: &OverlayLayers,
    lower: &Path,
    data: &[PathBuf],
) -> SysResult<OwnedFd> {
    let context = FsContext::open("overlay")?;
    context.set("source", "overlay")?;
    context.flag("userxattr")?;
    // One device number for all files: else `tar --one-file-system` leaves out those of the image.
    context.set("xino", "on")?;
    context.set("lowerdir+", &text(lower))?;
    for data in data {
        context.set("datadir+", &text(data))?;
    }
    set_upper(&context, layers)?;
    context.mount(MountAttr::NODEV)
}

/// An overlay of the kernel's that nobody can change: of two layers at least, topmost first.
///
/// # Errors
///
/// What the mount calls say.
pub fn kernel_overlay_read_only(lower: &[PathBuf]) -> SysResult<OwnedFd> {
    let attributes = MountAttr::NODEV.with(MountAttr::RDONLY);
    overlay(lower, attributes, |_| Ok(()))
}

/// An overlay of `lower`, topmost first, with what `complete` adds.
fn overlay(
    lower: &[PathBuf],
    attributes: MountAttr,
    complete: impl Fn(&FsContext) -> SysResult<()>,
) -> SysResult<OwnedFd> {
    let begin = || {
        let context = FsContext::open("overlay")?;
        context.set("source", "overlay")?;
        context.flag("userxattr")?;
        Ok(context)
    };
    let one_by_one = || {
        let context: FsContext = begin()?;
        for lower in lower {
            context.set("lowerdir+", &text(lower))?;
        }
        complete(&context)?;
        context.mount(attributes)
    };
    match one_by_one() {
        // Linux before 6.8 knows no `lowerdir+`.
        Err(error) if error.errno == Errno::EINVAL => {
            let in_one_string = || {
                let context = begin()?;
                complete(&context)?;
                mount_short_names(&context, lower, attributes)
            };
            in_one_string().map_err(|_says_less| error)
        }
        mount => mount,
    }
}

/// Sets all of `lower` in one string, which may have 255 bytes: they are named by descriptors, from
/// the directory of those.
fn mount_short_names(
    context: &FsContext,
    lower: &[PathBuf],
    attributes: MountAttr,
) -> SysResult<OwnedFd> {
    let open_path = |path: &Path| {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).called(|| format!("open({})", path.display()))
    };
    let opened = lower.iter().map(|path| open_path(path));
    let opened = opened.collect::<SysResult<Vec<_>>>()?;
    let names: Vec<_> = opened.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
    context.set("lowerdir", &names.join(":"))?;
    let before = open_path(Path::new("."))?;
    chdir("/proc/self/fd").called(|| "chdir(\"/proc/self/fd\")")?;
    let mount = context.mount(attributes);
    fchdir(&before).called(|| "fchdir")?;
    mount
}

/// What can be done on a FUSE file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading and writing.
    Everything,
    /// Reading, which changes not even times.
    Read,
}

/// A device for the requests of a FUSE file system.
///
/// # Errors
///
/// What opening it says.
pub fn fuse_device() -> SysResult<OwnedFd> {
    let opened = fuse::open_device();
    opened.map_err(|error| SysError::new(format!("open(\"/dev/fuse\"): {error}"), error.errno()))
}

/// A FUSE file system whose requests come from `device`. Both must be made in one user namespace:
/// the kernel refuses a device that was opened in another one.
///
/// # Errors
///
/// What the mount calls say.
pub fn fuse_mount(device: &OwnedFd, access: Access) -> SysResult<OwnedFd> {
    let context = FsContext::open("fuse")?;
    context.set("source", "coracle")?;
    context.set("fd", &device.as_raw_fd().to_string())?;
    context.set("rootmode", "40000")?;
    context.set("user_id", &nix::unistd::geteuid().to_string())?;
    context.set("group_id", &nix::unistd::getegid().to_string())?;
    context.flag("default_permissions")?;
    context.flag("allow_other")?;
    if access == Access::Read {
        context.flag("ro")?;
    }
    context.mount(MountAttr::NODEV)
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned()
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
