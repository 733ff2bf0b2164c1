// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes that outlive the first one of a container whose pid namespace is not its own
//! (`--pid host`): nothing ends them with it, and without a cgroup nothing counts them. They are
//! told by the container's mount namespace, which no other container has, and which is on record:
//! who settles the end of a container whose monitor was killed finds them as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use crate::state::id::ContainerId;
use crate::state::record::MountNamespace;
use crate::sys::Ignored;
use crate::sys::namespace::NamespaceHandle;
use crate::sys::pidfd::Pidfd;

/// How often the processes are looked for: one that is about to fork may leave a child behind.
const ROUNDS_MAX: usize = 100;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(5);

/// The mount namespace of the container of `pid`, if its pid namespace does not end its processes.
pub(super) fn mounts_of(spec: &Spec, pid: i32) -> Option<MountNamespace> {
    let linux = spec.linux().as_ref()?;
    let own =
        linux.namespaces().iter().flatten().any(|namespace| {
            namespace.typ() == LinuxNamespaceType::Pid && namespace.path().is_none()
        });
    if own {
        return None;
    }
    Some(MountNamespace {
        name: name(pid)?,
        handle: handle(pid),
    })
}

/// Kills every process in the mount namespace of the container `id`; the value is how many were
/// found.
pub(super) fn end(mounts: &MountNamespace, id: &ContainerId) -> usize {
    // One that takes its time to end is found again.
    let mut seen = BTreeSet::new();
    for _ in 0..ROUNDS_MAX {
        let found = find(mounts, id);
        if found.is_empty() {
            break;
        }
        for process in found.values() {
            process.send_signal(libc::SIGKILL).ignored();
        }
        for process in found.values() {
            process.wait(Some(PAUSE)).ignored();
        }
        seen.extend(found.into_keys());
    }
    seen.len()
}

fn find(mounts: &MountNamespace, id: &ContainerId) -> BTreeMap<i32, Pidfd> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_in(mounts, id, *pid))
        .filter_map(|pid| {
            let process = Pidfd::open(pid).ok()?;
            // The number may have another process since.
            is_in(mounts, id, pid).then_some((pid, process))
        })
        .collect()
}

/// The name alone is given to another namespace as soon as this one is gone, and that may be any
/// container of the user's. Without a handle, the mounts themselves say whose they are: the
/// directories of a container bear its id.
fn is_in(mounts: &MountNamespace, id: &ContainerId, pid: i32) -> bool {
    if name(pid).as_ref() != Some(&mounts.name) {
        return false;
    }
    if mounts.handle.is_some() {
        return handle(pid) == mounts.handle;
    }
    let table = fs::read_to_string(proc(pid, "mountinfo"));
    table.is_ok_and(|table| table.contains(id.as_str()))
}

fn handle(pid: i32) -> Option<String> {
    let namespace = fs::File::open(proc(pid, "ns/mnt")).ok()?;
    let handle = NamespaceHandle::of(namespace.as_fd());
    handle.ok().map(|handle| handle.to_text())
}

/// A process that has ended and waits to be reaped has none.
fn name(pid: i32) -> Option<PathBuf> {
    fs::read_link(proc(pid, "ns/mnt")).ok()
}

fn proc(pid: i32, file: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(file)
}
