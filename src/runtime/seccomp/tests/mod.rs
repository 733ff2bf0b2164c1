// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the whole room: the committed programs, and programs run in an interpreter.

mod generated;
mod helper_filter;
mod interpreter;
mod loading;
mod oracle;
mod profiles;
mod reference;
mod verdicts;

use std::collections::BTreeSet;

use oci_spec::runtime::LinuxSeccomp;

use super::{Host, KernelVersion, Machine, default_profile};

/// Podman's default capabilities.
const PODMAN: &[&str] = &[
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

/// What Docker gives beyond Podman's.
const DOCKER: &[&str] = &["CAP_NET_RAW", "CAP_MKNOD", "CAP_AUDIT_WRITE"];

/// Every set that makes a difference to the default profile if `SECCOMP_SETS` is `all`, which takes
/// minutes; else those of [`capability_sets`], each capability alone, and all but each.
fn telling_sets() -> Vec<BTreeSet<String>> {
    let all = super::default_profile::capabilities_that_matter().collect::<BTreeSet<_>>();
    let chosen = |is_in: &dyn Fn(usize) -> bool| {
        let held = all.iter().enumerate().filter(|(index, _)| is_in(*index));
        held.map(|(_, cap)| (*cap).to_owned())
            .collect::<BTreeSet<_>>()
    };
    if std::env::var("SECCOMP_SETS").is_ok_and(|sets| sets == "all") {
        let every = 0..1_usize << all.len();
        return every
            .map(|bits| chosen(&|index| bits >> index & 1 == 1))
            .collect();
    }
    let alone = (0..all.len()).map(|one| chosen(&|index| index == one));
    let without = (0..all.len()).map(|one| chosen(&|index| index != one));
    let usual = capability_sets().into_iter();
    usual.chain(alone).chain(without).collect()
}

/// The sets that most containers have: none, Podman's, Docker's, and all.
fn capability_sets() -> [BTreeSet<String>; 4] {
    let docker = [PODMAN, DOCKER].concat();
    let all = super::default_profile::capabilities_that_matter().collect::<Vec<_>>();
    [&[], PODMAN, &docker, &all].map(set)
}

fn set(caps: &[&str]) -> BTreeSet<String> {
    caps.iter().map(|cap| (*cap).to_owned()).collect()
}

fn default_spec(caps: &BTreeSet<String>, machine: Machine) -> LinuxSeccomp {
    default_profile().resolve(caps, host(machine))
}

fn host(machine: Machine) -> Host {
    let kernel = KernelVersion {
        major: 6,
        minor: 18,
    };
    Host { machine, kernel }
}
