// SPDX-License-Identifier: Apache-2.0 OR MIT
//! /dev of a container: nodes bound from the host (nobody makes device nodes in a user
//! namespace), and the links that programs expect.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, makedev, mknodat};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};
use oci_spec::runtime::{Linux, LinuxDevice, LinuxDeviceType};

use super::mounts::target::{self, Links, TargetKind};
use crate::sys::mount::{Depth, MountAttr, attach, clone_tree, current_dir, set_attr};
use crate::sys::{Called, SysResult};

/// Nodes that every container has (OCI runtime spec, "Default Devices").
pub const DEFAULT_NODES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

const LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("/proc/kcore", "core"),
    ("pts/ptmx", "ptmx"),
];

/// Where device nodes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// They are the host's, bound.
    Bound,
    /// They are made, so that a container's root that is the host's changes no node of the host;
    /// bound where the kernel refuses that.
    Made,
}

/// Fills the fresh /dev below `root`: the default nodes, those of the spec, the links.
///
/// # Errors
///
/// The call that failed, with the node's path.
pub fn fill(root: BorrowedFd<'_>, linux: &Linux, nodes: Nodes) -> SysResult<()> {
    let dev = target::open(root, Path::new("/dev"), Links::Refuse)?;
    for name in DEFAULT_NODES {
        let path = PathBuf::from(format!("/dev/{name}"));
        if nodes == Nodes::Made && make_default(dev.as_fd(), name)? == Made::Yes {
            continue;
        }
        match target::make_file(dev.as_fd(), name)? {
            Some(place) => bind(&path, place.as_fd())?,
            // A /dev of the user's own.
            None => bind_node(root, &path, &path)?,
        }
    }
    for device in linux.devices().iter().flatten() {
        let default = |name: &str| device.path() == Path::new(&format!("/dev/{name}"));
        // The terminals' own multiplexer, and not the host's.
        if default("ptmx") || DEFAULT_NODES.iter().any(|name| default(name)) {
            continue;
        }
        if nodes == Nodes::Bound || make_node(root, device)? == Made::No {
            bind_node(root, device.path(), device.path())?;
        }
    }
    for (to, name) in LINKS {
        match symlinkat(*to, &dev, *name) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno).called(|| format!("symlinkat({to:?}, {name:?})")),
        }
    }
    Ok(())
}

/// Whether a node is there that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Yes,
    No,
}

fn make_default(dev: BorrowedFd<'_>, name: &str) -> SysResult<Made> {
    let minor = match name {
        "null" => 3,
        "zero" => 5,
        "full" => 7,
        "random" => 8,
        "urandom" => 9,
        _ => 0,
    };
    let major = if name == "tty" { 5 } else { 1 };
    mknod_at(dev, name, SFlag::S_IFCHR, (makedev(major, minor), 0o666))
}

/// Makes a node of the spec, with the mode and owner that it has there.
fn make_node(root: BorrowedFd<'_>, device: &LinuxDevice) -> SysResult<Made> {
    let kind = match device.typ() {
        LinuxDeviceType::B => SFlag::S_IFBLK,
        LinuxDeviceType::C | LinuxDeviceType::U => SFlag::S_IFCHR,
        LinuxDeviceType::P => SFlag::S_IFIFO,
        LinuxDeviceType::A => return Ok(Made::No),
    };
    let path = device.path();
    let parent = path.parent().unwrap_or(Path::new("/"));
    let directory = TargetKind::Directory;
    let parent = target::open_or_make(root, parent, directory, Links::Refuse)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = |part: i64| u64::try_from(part).unwrap_or(0);
    let number = makedev(number(device.major()), number(device.minor()));
    let mode = device.file_mode().unwrap_or(0o666);
    let made = mknod_at(parent.as_fd(), &name, kind, (number, mode))?;
    let (uid, gid) = (device.uid().unwrap_or(0), device.gid().unwrap_or(0));
    if made == Made::Yes && (uid, gid) != (0, 0) {
        let (owner, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(&parent, &*name, Some(owner), Some(group), flags)
            .called(|| format!("fchownat({path:?}, {uid}:{gid})"))?;
    }
    Ok(made)
}

/// A node that is there already is as good as made.
fn mknod_at(
    directory: BorrowedFd<'_>,
    name: &str,
    kind: SFlag,
    (number, mode): (u64, u32),
) -> SysResult<Made> {
    let mode = Mode::from_bits_truncate(mode);
    match mknodat(directory, name, kind, mode, number) {
        Ok(()) => {}
        Err(Errno::EPERM) => return Ok(Made::No),
        Err(Errno::EEXIST) => return Ok(Made::Yes),
        Err(errno) => return Err(errno).called(|| format!("mknodat({name:?})")),
    }
    // The umask took some of it.
    fchmodat(directory, name, mode, FchmodatFlags::FollowSymlink)
        .called(|| format!("fchmodat({name:?}, {mode:?})"))?;
    Ok(Made::Yes)
}

/// Binds the host's node `host_path` to `container_path`.
///
/// # Errors
///
/// The call that failed.
pub fn bind_node(root: BorrowedFd<'_>, host_path: &Path, container_path: &Path) -> SysResult<()> {
    let place = target::open_or_make(root, container_path, TargetKind::File, Links::Refuse)?;
    bind(host_path, place.as_fd())
}

fn bind(host_path: &Path, place: BorrowedFd<'_>) -> SysResult<()> {
    let node = clone_tree(current_dir(), host_path, Depth::One)?;
    let set = MountAttr::NOSUID.with(MountAttr::NOEXEC);
    set_attr(node.as_fd(), set, MountAttr::NONE, 0, Depth::One)?;
    attach(node.as_fd(), place)
}

/// Shows the container's terminal as /dev/console.
///
/// # Errors
///
/// The call that failed.
pub fn bind_console(root: BorrowedFd<'_>, slave: &OwnedFd) -> SysResult<()> {
    let path = Path::new("/dev/console");
    let place = target::open_or_make(root, path, TargetKind::File, Links::Refuse)?;
    let terminal = clone_tree(slave.as_fd(), Path::new(""), Depth::One)?;
    attach(terminal.as_fd(), place.as_fd())
}
