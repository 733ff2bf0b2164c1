// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The process by which a running container is entered. Below `--init` the first process is our
//! own reaper, which nobody but root may look into; its first child, the program, is in the same
//! namespaces, and the reaper ends with it.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::sys::pidfd::Pidfd;

/// A program that is just being executed lets nobody look into it either, until the kernel is
/// done: so long it is waited for, and no longer than one that never does should cost.
///
/// Nothing tells when that is. A pidfd and the descriptors that execve(2) closes do not: they are
/// closed a moment before the kernel lets others look in (`begin_new_exec`). The netlink messages
/// of an execve(2) are for the machine's root, and /proc has no inotify events. So it is looked
/// again; it is done the first time, unless the program is a few microseconds old.
const PATIENCE: Duration = Duration::from_millis(500);

/// The program of the container whose first process is the reaper `first`; nothing when `first`
/// is the program itself.
pub fn below_reaper(first: i32) -> Option<(i32, Pidfd)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fs::read_link(format!("/proc/{first}/ns/user")) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Ok(_) | Err(_) => return None,
        }
        if let Some(pid) = first_child(first) {
            return child(first, pid);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn child(first: i32, pid: i32) -> Option<(i32, Pidfd)> {
    let process = Pidfd::open(pid).ok()?;
    // Still its child: the number was not given to another process before it was opened.
    (first_child(first) == Some(pid)).then_some((pid, process))
}

/// The oldest child: the program, for those that the reaper adopts come behind it.
fn first_child(pid: i32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
