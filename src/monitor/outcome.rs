// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel says of a program that has ended.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::sys::pidfd::Pidfd;

/// Takes the exit status of a child that has ended; `None` when it is no child of ours.
pub(super) fn reap(process: &Pidfd) -> Option<(i32, Option<i32>)> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    match waitid(Id::PIDFd(process.as_fd()), flags) {
        Ok(WaitStatus::Exited(_, code)) => Some((code, None)),
        Ok(WaitStatus::Signaled(_, signal, _)) => {
            let signal = signal as i32;
            Some((128 + signal, Some(signal)))
        }
        Ok(_) | Err(_) => None,
    }
}

/// `memory.events` of the container's cgroup, which counts the kills of all of its runs.
#[derive(Debug)]
pub(super) struct MemoryEvents {
    file: OwnedFd,
    /// The kills of earlier runs.
    before: u64,
}

impl MemoryEvents {
    /// Begins to count for a new run.
    pub(super) fn begin(file: OwnedFd) -> Self {
        let before = kills(&file);
        Self { file, before }
    }

    /// Whether this run was the victim of the memory killer.
    pub(super) fn has_oom_kill(&self) -> bool {
        kills(&self.file) > self.before
    }
}

fn kills(memory_events: &OwnedFd) -> u64 {
    let mut buffer = [0; 512];
    let length = nix::sys::uio::pread(memory_events, &mut buffer, 0).unwrap_or(0);
    oom_kills(&String::from_utf8_lossy(&buffer[..length]))
}

fn oom_kills(text: &str) -> u64 {
    let mut counts = text
        .lines()
        .filter_map(|line| line.strip_prefix("oom_kill "));
    counts.next().map_or(0, |count| count.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_events_tell_of_kills() {
        let cases = [
            ("low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\n", 2),
            ("low 0\noom 3\noom_kill 0\noom_group_kill 0\n", 0),
            ("oom_group_kill 7\n", 0),
            ("", 0),
        ];
        for (text, expected) in cases {
            assert_eq!(oom_kills(text), expected);
        }
    }
}
