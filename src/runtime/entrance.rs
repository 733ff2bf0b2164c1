// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The process by which a running container is entered. Below `--init` the first process is our
//! own reaper, which nobody but root may look into; its first child, the program, is in the same
//! namespaces, and the reaper ends with it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::stat::fstat;

use crate::sys::channel::Channel;
use crate::sys::pidfd::Pidfd;
use crate::sys::{Called as _, SysResult};

/// Namespaces by their names in /proc; that of users comes first, for the rights over the others
/// are only had in it.
pub(super) const KINDS: [(&str, CloneFlags); 8] = [
    ("user", CloneFlags::CLONE_NEWUSER),
    ("mnt", CloneFlags::CLONE_NEWNS),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("net", CloneFlags::CLONE_NEWNET),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("time", super::time::flag()),
];

/// The namespaces of a stage that waits for its start. It lets nobody look into it, and so hands
/// them out itself, to whoever may reach its socket.
#[derive(Debug)]
pub struct Namespaces(Vec<(&'static str, CloneFlags, OwnedFd)>);

impl Namespaces {
    /// Those of this process; a kernel that lacks a kind lacks the file.
    pub(super) fn own() -> Self {
        let opened = KINDS.into_iter().filter_map(|(kind, flag)| {
            let file = File::open(format!("/proc/self/ns/{kind}")).ok()?;
            Some((kind, flag, file.into()))
        });
        Self(opened.collect())
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = RawFd> {
        self.0.iter().map(|(_, _, file)| file.as_raw_fd())
    }

    pub(super) fn send(&self, line: &Channel) -> SysResult<()> {
        let mut all = self.0.iter();
        all.try_for_each(|(kind, _, file)| line.send(kind.as_bytes(), Some(file.as_fd())))
    }

    pub(super) fn receive(line: &Channel) -> SysResult<Self> {
        let mut received = Vec::new();
        loop {
            let message = line.receive()?;
            let known = KINDS.into_iter();
            let mut known = known.filter(|(kind, _)| kind.as_bytes() == message.bytes);
            match (known.next(), message.fd) {
                (Some((kind, flag)), Some(file)) => received.push((kind, flag, file)),
                _ => return Ok(Self(received)),
            }
        }
    }

    /// A copy of one that is not this process's.
    pub(super) fn apart(&self, kind: &str) -> SysResult<Option<File>> {
        for (name, _, file) in &self.0 {
            if *name == kind && is_apart(kind, file)? {
                let copy = file.try_clone().called(|| "fcntl(F_DUPFD_CLOEXEC)")?;
                return Ok(Some(copy.into()));
            }
        }
        Ok(None)
    }

    /// Joins those that are not this process's, but for that of cgroups.
    pub(super) fn join(&self) -> SysResult<()> {
        // In the other tree of mounts /proc knows this process no more.
        let mut apart = Vec::new();
        for (kind, flag, file) in &self.0 {
            if *flag != CloneFlags::CLONE_NEWCGROUP && is_apart(kind, file)? {
                apart.push((*flag, file));
            }
        }
        let mut apart = apart.into_iter();
        apart.try_for_each(|(flag, file)| setns(file, flag).called(|| format!("setns({flag:?})")))
    }
}

fn is_apart(kind: &str, file: &OwnedFd) -> SysResult<bool> {
    let path = format!("/proc/self/ns/{kind}");
    let own = fs::metadata(&path).called(|| format!("stat({path:?})"))?;
    let other = fstat(file).called(|| format!("fstat([namespace {kind}])"))?;
    Ok((own.dev(), own.ino()) != (other.st_dev, other.st_ino))
}

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
