// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes that outlive the first one of a container whose pid namespace is not its own
//! (`--pid host`): nothing ends them with it, and without a cgroup nothing counts them. They are
//! told by the container's mount namespace, which no other container has.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use crate::sys::Ignored;
use crate::sys::namespace::NamespaceHandle;
use crate::sys::pidfd::Pidfd;

/// How often the processes are looked for: one that is about to fork may leave a child behind.
const ROUNDS_MAX: usize = 100;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(5);

/// The processes of one container.
#[derive(Debug)]
pub(super) struct Survivors {
    mount_namespace: PathBuf,
    /// What no later namespace has, as far as the kernel tells: the number alone is given to
    /// another one as soon as this one is gone, and that may be any container of the user's.
    handle: Option<String>,
}

impl Survivors {
    /// Those of the container of `pid`, if its pid namespace does not end them.
    pub(super) fn of(spec: &Spec, pid: i32) -> Option<Self> {
        let linux = spec.linux().as_ref()?;
        let own = linux.namespaces().iter().flatten().any(|namespace| {
            namespace.typ() == LinuxNamespaceType::Pid && namespace.path().is_none()
        });
        if own {
            return None;
        }
        let mount_namespace = mount_namespace(pid)?;
        Some(Self {
            mount_namespace,
            handle: handle(pid),
        })
    }

    /// Kills them.
    pub(super) fn end(&self) {
        for _ in 0..ROUNDS_MAX {
            let found = self.find();
            if found.is_empty() {
                return;
            }
            for process in found {
                process.send_signal(libc::SIGKILL).ignored();
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn find(&self) -> Vec<Pidfd> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_ours = |pid: i32| {
            let same = mount_namespace(pid).as_deref() == Some(&*self.mount_namespace);
            same && (self.handle.is_none() || handle(pid) == self.handle)
        };
        pids.filter(|pid| is_ours(*pid))
            .filter_map(|pid| {
                let process = Pidfd::open(pid).ok()?;
                // The number may have another process since.
                is_ours(pid).then_some(process)
            })
            .collect()
    }
}

fn handle(pid: i32) -> Option<String> {
    let namespace = fs::File::open(Path::new("/proc").join(pid.to_string()).join("ns/mnt"));
    let handle = NamespaceHandle::of(namespace.ok()?.as_fd());
    handle.ok().map(|handle| handle.to_text())
}

/// A process that has ended and waits to be reaped has none.
fn mount_namespace(pid: i32) -> Option<PathBuf> {
    fs::read_link(Path::new("/proc").join(pid.to_string()).join("ns/mnt")).ok()
}
