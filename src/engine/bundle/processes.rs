// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The processes of a container: those of its cgroup, or else those of a namespace that only its
//! own processes have.

use std::fs;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::records::Record;
use crate::sys::pidfd::Pidfd;

/// The ids of its processes.
pub(super) fn of(record: &Record, spec: &Spec) -> Vec<i32> {
    if let Some(pids) = record.cgroups.processes() {
        return pids;
    }
    let first = record.process.map(|process| process.pid);
    let own = first.and_then(|pid| namespace(pid, own_kind(spec)));
    let Some(own) = own else {
        return Vec::new();
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| namespace(*pid, own_kind(spec)).as_ref() == Some(&own))
        .collect()
}

/// Sends a signal to each of them.
pub(super) fn signal_all(record: &Record, spec: &Spec, signal: i32) {
    for pid in of(record, spec) {
        let Ok(process) = Pidfd::open(pid) else {
            continue;
        };
        // The number may have been another's when it was opened.
        if of_this(record, spec, pid) {
            drop(process.send_signal(signal));
        }
    }
}

fn of_this(record: &Record, spec: &Spec, pid: i32) -> bool {
    of(record, spec).contains(&pid)
}

/// Whether its processes end with its first one.
pub(super) fn end_together(spec: &Spec) -> bool {
    own_kind(spec) == "pid"
}

/// A kind of namespace that no other container has: a new pid namespace, or the mount namespace.
fn own_kind(spec: &Spec) -> &'static str {
    let linux = spec.linux().as_ref();
    let mut namespaces = linux
        .into_iter()
        .flat_map(|linux| linux.namespaces().iter().flatten());
    let own = namespaces
        .any(|namespace| namespace.typ() == LinuxNamespaceType::Pid && namespace.path().is_none());
    if own { "pid" } else { "mnt" }
}

fn namespace(pid: i32, kind: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()
}
