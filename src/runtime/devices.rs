// SPDX-License-Identifier: Apache-2.0 OR MIT
//! /dev of a container: nodes bound from the host (nobody makes device nodes in a user
//! namespace), and the links that programs expect.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::symlinkat;
use oci_spec::runtime::Linux;

use super::mounts::target::{self, Links, TargetKind};
use crate::sys::mount::{Depth, attach, clone_tree, current_dir};
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

/// Fills the fresh /dev below `root`: the default nodes, those of the spec, the links.
///
/// # Errors
///
/// The call that failed, with the node's path.
pub fn fill(root: BorrowedFd<'_>, linux: &Linux) -> SysResult<()> {
    let dev = target::open(root, Path::new("/dev"), Links::Refuse)?;
    for name in DEFAULT_NODES {
        let path = PathBuf::from(format!("/dev/{name}"));
        match target::make_file(dev.as_fd(), name)? {
            Some(place) => bind(&path, place.as_fd())?,
            // A /dev of the user's own.
            None => bind_node(root, &path, &path)?,
        }
    }
    for device in linux.devices().iter().flatten() {
        let default = |name: &str| device.path() == Path::new(&format!("/dev/{name}"));
        if !DEFAULT_NODES.iter().any(|name| default(name)) {
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
