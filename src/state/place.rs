// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a process id means something, and whether the process behind it is still the same one.

use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::{fs, io};

use nix::errno::Errno;

use super::record::{Place, ProcessIdentity};
use crate::sys::pidfd::Pidfd;
use crate::sys::{Called, SysError, SysResult};

/// How a recorded place relates to the one this process lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same boot and pid namespace: recorded pids can be looked up.
    Here,
    /// The same machine, but booted again since: every recorded process has ended.
    Rebooted,
    /// Another machine or pid namespace: nothing can be said from here.
    Elsewhere,
}

impl Place {
    /// The place of this process, read once.
    ///
    /// A process forked into another pid namespace must not call it.
    pub fn here() -> &'static Self {
        static HERE: OnceLock<Place> = OnceLock::new();
        HERE.get_or_init(|| Self {
            machine: machine(),
            boot_id: first_line("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
            pid_namespace: fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino()),
        })
    }

    /// How this recorded place relates to `here`.
    pub fn relation_to(&self, here: &Self) -> Relation {
        if self.boot_id == here.boot_id {
            if self.pid_namespace == here.pid_namespace {
                Relation::Here
            } else {
                Relation::Elsewhere
            }
        } else if self.machine == here.machine {
            Relation::Rebooted
        } else {
            Relation::Elsewhere
        }
    }
}

fn machine() -> String {
    first_line("/etc/machine-id")
        .or_else(|| first_line("/proc/sys/kernel/hostname"))
        .unwrap_or_default()
}

fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

impl ProcessIdentity {
    /// The identity of the process that has this number now.
    ///
    /// # Errors
    ///
    /// ESRCH when there is none.
    pub fn of(pid: i32) -> SysResult<Self> {
        let stat = Stat::read(pid)?;
        Ok(Self {
            pid,
            start_time: stat.start_time,
        })
    }

    /// Whether the process still runs: one that has ended but was not reaped does not.
    ///
    /// Only meaningful in the place where the identity was recorded.
    pub fn is_alive(&self) -> bool {
        Stat::read(self.pid).is_ok_and(|stat| stat.start_time == self.start_time && stat.runs())
    }

    /// Opens a descriptor of the process; `None` when it is gone.
    ///
    /// # Errors
    ///
    /// Anything but ESRCH that pidfd_open(2) says, such as too many open files.
    pub fn open_pidfd(&self) -> SysResult<Option<Pidfd>> {
        let pidfd = match Pidfd::open(self.pid) {
            Ok(pidfd) => pidfd,
            Err(error) if error.errno == Errno::ESRCH => return Ok(None),
            Err(error) => return Err(error),
        };
        // The number may have passed to another process before the open, not after it: a
        // descriptor keeps it, so the start time read now is that of the process it holds.
        Ok(self.is_alive().then_some(pidfd))
    }
}

/// The fields of /proc/PID/stat that matter here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: u8,
    threads: u32,
    start_time: u64,
}

impl Stat {
    fn read(pid: i32) -> SysResult<Self> {
        let path = format!("/proc/{pid}/stat");
        let no_process = || SysError::new(format!("read({path})"), Errno::ESRCH);
        match fs::read(&path) {
            Ok(text) => Self::parse(&text).ok_or_else(no_process),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_process()),
            Err(error) => Err(error).called(|| format!("read({path})")),
        }
    }

    /// The command's name may hold spaces and parentheses: fields are counted from its last one.
    fn parse(text: &[u8]) -> Option<Self> {
        let after_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let rest = std::str::from_utf8(&text[after_name..]).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let threads = fields.nth(16)?.parse().ok()?;
        let start_time = fields.nth(1)?.parse().ok()?;
        Some(Self {
            state,
            threads,
            start_time,
        })
    }

    /// A process whose first thread has ended shows as a zombie while its other threads run on.
    fn runs(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x') || self.threads > 1
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn stat_is_read_after_the_last_parenthesis() {
        let text = b"42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 9177 1 2 3";
        let expected = Stat {
            state: b'S',
            threads: 3,
            start_time: 9177,
        };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse(b"42 (cut short) S 1 2"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn a_zombie_is_not_alive_and_a_later_process_is_another() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = ProcessIdentity::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(identity.is_alive());
        let later = ProcessIdentity {
            start_time: identity.start_time + 1,
            ..identity
        };
        assert!(!later.is_alive());
        assert!(later.open_pidfd().unwrap().is_none());
        let pidfd = identity.open_pidfd().unwrap().expect("it runs");
        child.kill().unwrap();
        pidfd.wait(None).unwrap();
        assert!(!identity.is_alive(), "ended, not yet reaped");
        child.wait().unwrap();
        assert!(identity.open_pidfd().unwrap().is_none());
    }

    #[test]
    fn places_are_told_apart() {
        let place = |machine: &str, boot: &str, pid_namespace| Place {
            machine: machine.to_owned(),
            boot_id: boot.to_owned(),
            pid_namespace,
        };
        let here = place("m", "b", 1);
        let cases = [
            (place("m", "b", 1), Relation::Here),
            (place("other name, same boot", "b", 1), Relation::Here),
            (place("m", "b", 2), Relation::Elsewhere),
            (place("m", "earlier", 1), Relation::Rebooted),
            (place("n", "b2", 1), Relation::Elsewhere),
        ];
        for (recorded, expected) in cases {
            assert_eq!(recorded.relation_to(&here), expected, "{recorded:?}");
        }
        assert_eq!(Place::here().relation_to(Place::here()), Relation::Here);
        assert!(!Place::here().boot_id.is_empty());
    }
}
