// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the whole room: the committed programs, and programs run in an interpreter.

mod generated;
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
