// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The process by which a running container is entered. Below `--init` the first process is our
//! own reaper, which nobody but root may look into; its first child, the program, is in the same
//! namespaces, and the reaper ends with it.

use std::fs;

use crate::sys::pidfd::Pidfd;

/// The program of the container whose first process is the reaper `first`; nothing when `first`
/// is the program itself.
pub fn below_reaper(first: i32) -> Option<(i32, Pidfd)> {
    if fs::read_link(format!("/proc/{first}/ns/user")).is_ok() {
        return None;
    }
    let pid = first_child(first)?;
    let process = Pidfd::open(pid).ok()?;
    // Still its child: the number was not given to another process before it was opened.
    (first_child(first) == Some(pid)).then_some((pid, process))
}

/// The oldest child: the program, for those that the reaper adopts come behind it.
fn first_child(pid: i32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
