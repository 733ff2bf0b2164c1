// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Detached mounts of overlays: the kernel's, and ours over FUSE.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, fchdir};

use super::launch::OverlayLayers;
use crate::sys::fuse;
use crate::sys::mount::{FsContext, MountAttr};
use crate::sys::{Called, SysError, SysResult};

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
