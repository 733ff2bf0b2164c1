// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The time namespace of a container: its clocks are set before there is a process in it, which
//! clone3(2) does not allow.

use std::fs;
use std::io::Write as _;

use nix::sched::{CloneFlags, setns, unshare};
use oci_spec::runtime::{Linux, LinuxNamespaceType};

use super::failure::{StageFailure, call};
use super::launch::makes;
use crate::sys::Called as _;

/// The flag of time namespaces.
pub(super) const fn flag() -> CloneFlags {
    CloneFlags::from_bits_retain(libc::CLONE_NEWTIME)
}

/// Enters the time namespace that the spec asks for, with its offsets.
///
/// # Errors
///
/// A clock or an offset that the kernel refuses, by name.
pub(super) fn enter(linux: &Linux) -> Result<(), StageFailure> {
    const OFFSETS: &str = "/proc/self/timens_offsets";
    const CHILDREN: &str = "/proc/self/ns/time_for_children";
    if !makes(linux, LinuxNamespaceType::Time) {
        return Ok(());
    }
    call(|| unshare(flag()).called(|| "unshare(CLONE_NEWTIME)"))?;
    for (clock, offset) in linux.time_offsets().iter().flatten() {
        let (seconds, rest) = (offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
        let opened = fs::OpenOptions::new().write(true).open(OFFSETS);
        let line = format!("{clock} {seconds} {rest}\n");
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        written.map_err(|error| {
            StageFailure::setup(format!(
                "linux.timeOffsets: {clock} {seconds} s {rest} ns: {error}"
            ))
        })?;
    }
    let namespace = call(|| fs::File::open(CHILDREN).called(|| format!("open({CHILDREN:?})")))?;
    call(|| setns(namespace, flag()).called(|| "setns(CLONE_NEWTIME)"))
}
