// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Leaving the caller's mount namespace. A server that stayed would keep it alive, and with it the
//! mount that it waits for the end of: neither would ever end where nobody unmounts.

use std::os::fd::AsFd as _;
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{chdir, fchdir, pivot_root};

use crate::sys::mount::{Depth, FsContext, MountAttr, attach, clone_tree, current_dir};
use crate::sys::{Called, SysResult};

/// Moves this process into a mount namespace that has /proc and nothing else, so that it keeps no
/// file system busy but those of its open descriptors. The process must have one thread.
///
/// # Errors
///
/// The call that failed; the process may be half way then, and serves as well.
pub(super) fn leave() -> SysResult<()> {
    const NO_TEXT: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).called(|| "unshare(CLONE_NEWNS)")?;
    let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    mount(NO_TEXT, "/", NO_TEXT, private, NO_TEXT).called(|| "mount(\"/\", MS_PRIVATE|MS_REC)")?;
    // Older kernels have attributes of an O_PATH descriptor by /proc/self/fd alone.
    let proc = clone_tree(current_dir(), Path::new("/proc"), Depth::Recursive)?;
    let root = FsContext::open("tmpfs")?.mount(MountAttr::NODEV)?;
    let top = Path::new("/");
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let old = openat(current_dir(), top, flags, Mode::empty()).called(|| "open(\"/\")")?;
    attach(root.as_fd(), old.as_fd())?;
    mkdirat(&root, "proc", Mode::S_IRWXU).called(|| "mkdirat([root], \"proc\")")?;
    let place =
        openat(&root, "proc", flags, Mode::empty()).called(|| "openat([root], \"proc\")")?;
    attach(proc.as_fd(), place.as_fd())?;
    fchdir(&root).called(|| "fchdir([root])")?;
    pivot_root(".", ".").called(|| "pivot_root(\".\", \".\")")?;
    umount2(".", MntFlags::MNT_DETACH).called(|| "umount2(\".\", MNT_DETACH)")?;
    chdir("/").called(|| "chdir(\"/\")")
}
