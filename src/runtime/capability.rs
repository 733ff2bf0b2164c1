// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Capabilities by name and number, and the order in which a program's rights are taken.

use std::collections::BTreeSet;

use crate::sys::SysResult;
use crate::sys::caps::{self, Known};

/// Names of capabilities(7) in the order of their numbers.
pub const NAMES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The first of the capabilities that a kernel may lack: CAP_PERFMON.
const SINCE_LINUX_5_8: u32 = 38;

/// Podman's default set.
pub const PODMAN_DEFAULT: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// What Docker adds to it.
pub const DOCKER_ADDS: &[&str] = &["CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW"];

/// The number of the capability `name` (`CAP_…`).
pub fn number(name: &str) -> Option<u32> {
    NAMES
        .iter()
        .position(|each| *each == name)
        .and_then(|at| u32::try_from(at).ok())
}

/// The sets of a program, as bit masks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sets {
    /// What the program and its children can ever have.
    pub bounding: u64,
    /// What it has now.
    pub effective: u64,
    /// What it may have.
    pub permitted: u64,
    /// Kept empty for containers (CVE-2022-24769), but for what is ambient.
    pub inheritable: u64,
    /// What a program without file capabilities keeps over exec.
    pub ambient: u64,
}

/// The mask of these names; what this kernel does not know is left out.
pub fn mask<'n>(names: impl IntoIterator<Item = &'n str>) -> u64 {
    let known = names
        .into_iter()
        .filter_map(number)
        .filter(|number| *number < SINCE_LINUX_5_8 || caps::in_bounding(*number));
    known.fold(0, |mask, number| mask | 1 << number)
}

/// Takes everything but `bounding` out of the bounding set. Needs CAP_SETPCAP.
///
/// # Errors
///
/// prctl(2)'s.
pub fn limit_bounding(bounding: u64) -> SysResult<()> {
    for number in (0..64).filter(|number| bounding & (1 << number) == 0) {
        if caps::drop_bounding(number)? == Known::No {
            break;
        }
    }
    Ok(())
}

/// Sets the effective, permitted, inheritable and ambient sets: after the ids were changed with
/// the permitted set kept.
///
/// # Errors
///
/// capset(2)'s and prctl(2)'s.
pub fn apply(sets: &Sets) -> SysResult<()> {
    caps::set(
        sets.effective,
        sets.permitted,
        sets.inheritable | sets.ambient,
    )?;
    for number in 0..64 {
        if sets.ambient & (1 << number) != 0 {
            caps::raise_ambient(number)?;
        }
    }
    Ok(())
}

/// The names in a set of `CAP_…` strings that stand in the default of Podman or Docker, with
/// additions and removals applied. `ALL` stands for every capability.
pub fn resolve(default: &[&str], add: &[String], drop: &[String]) -> BTreeSet<String> {
    let all = |list: &[String]| list.iter().any(|name| name == "ALL");
    let mut set: BTreeSet<String> = if all(add) {
        NAMES.iter().map(ToString::to_string).collect()
    } else if all(drop) {
        BTreeSet::new()
    } else {
        default.iter().map(ToString::to_string).collect()
    };
    if !all(drop) {
        set.retain(|name| !drop.contains(name));
    }
    set.extend(add.iter().filter(|name| *name != "ALL").cloned());
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn additions_and_removals() {
        let resolved = |add: &[&str], drop: &[&str]| {
            resolve(&["CAP_CHOWN", "CAP_KILL"], &texts(add), &texts(drop))
                .into_iter()
                .collect()
        };
        let check = |got: Vec<String>, wanted: &[&str]| assert_eq!(got, texts(wanted));
        check(resolved(&[], &[]), &["CAP_CHOWN", "CAP_KILL"]);
        check(
            resolved(&["CAP_BPF"], &["CAP_KILL"]),
            &["CAP_BPF", "CAP_CHOWN"],
        );
        check(resolved(&["CAP_BPF"], &["ALL"]), &["CAP_BPF"]);
        let all: Vec<String> = resolved(&["ALL"], &["CAP_KILL"]);
        assert_eq!(all.len(), NAMES.len() - 1);
    }

    #[test]
    fn numbers_follow_the_manual() {
        assert_eq!(number("CAP_SYS_ADMIN"), Some(21));
        assert_eq!(number("CAP_CHECKPOINT_RESTORE"), Some(40));
        assert_eq!(number("CAP_NONE"), None);
    }
}
