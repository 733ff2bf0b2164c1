// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The way into the holder, looked for while a start is still being prepared. Where there is no
//! holder yet, newuidmap and newgidmap take milliseconds that the command does not wait for: a
//! process of its own makes the namespace meanwhile, and hands it over as a descriptor.

use std::fs::DirBuilder;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, setsid};

use super::idmap::{HolderMap, Reach};
use super::userns::{
    Entered, UsernsError, enter_holder, find_holder, make_namespace, open_of, open_own,
    publish_holder,
};
use crate::sys::channel::Channel;
use crate::sys::process::{CloneRequest, Forked, clone3, close_all_but, exit_now};
use crate::sys::{Ignored, SysResult};

/// A holder that was found, or that a process of ours is making.
#[derive(Debug)]
pub struct HolderAhead {
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// It lives; the descriptor keeps it alive.
    Found(OwnedFd),
    /// A child makes it and sends it over the line.
    Awaited { line: Channel, maker: Pid },
    /// Whoever enters it makes it: that takes no helper, or could not be begun here.
    Later,
}

impl HolderAhead {
    /// Looks for the holder of `map`, and begins to make one where only setuid helpers can.
    ///
    /// The caller must be single-threaded.
    pub fn begin(map: &HolderMap, run_root: &Path) -> Self {
        let way = match (find_holder(map, run_root), map.reach) {
            (Some(namespace), _) => Way::Found(namespace),
            (None, Reach::Ranges) => fork_maker(map, run_root).unwrap_or(Way::Later),
            (None, Reach::Single | Reach::All) => Way::Later,
        };
        Self { way }
    }

    /// Nothing is begun: whoever enters finds the holder or makes it.
    pub fn later() -> Self {
        Self { way: Way::Later }
    }

    /// The holder that the process `monitor` lives in; nothing when it cannot be had. Whoever joins
    /// a container must be in the same one: of two first commands at once each makes its own.
    pub fn of_monitor(monitor: i32) -> Option<Self> {
        let namespace = open_of(monitor).ok()?;
        let way = Way::Found(namespace);
        Some(Self { way })
    }

    /// As [`enter_holder`], for a process that was forked from the one that began. Done once: the
    /// descriptors are closed then.
    ///
    /// # Errors
    ///
    /// As [`enter_holder`].
    pub fn enter(&mut self, map: &HolderMap, run_root: &Path) -> Result<Entered, UsernsError> {
        let join = |namespace: &OwnedFd| setns(namespace, CloneFlags::CLONE_NEWUSER).is_ok();
        match std::mem::replace(&mut self.way, Way::Later) {
            Way::Found(namespace) if join(&namespace) => Ok(Entered::Joined),
            Way::Awaited { line, .. } => {
                let made = line.receive().ok().and_then(|message| message.fd);
                match made {
                    Some(namespace) if join(&namespace) => Ok(Entered::Made),
                    // Whatever went wrong there goes wrong again here, and is told.
                    Some(_) | None => enter_holder(map, run_root),
                }
            }
            Way::Found(_) | Way::Later => enter_holder(map, run_root),
        }
    }

    /// The descriptor that must stay open until the holder is entered.
    pub fn descriptor(&self) -> Option<i32> {
        match &self.way {
            Way::Found(namespace) => Some(namespace.as_raw_fd()),
            Way::Awaited { line, .. } => Some(line.as_fd().as_raw_fd()),
            Way::Later => None,
        }
    }
}

/// The maker ends by itself: nothing of it is left behind.
impl Drop for HolderAhead {
    fn drop(&mut self) {
        if let Way::Awaited { maker, .. } = &self.way {
            while waitpid(*maker, None) == Err(nix::errno::Errno::EINTR) {}
        }
    }
}

fn fork_maker(map: &HolderMap, run_root: &Path) -> SysResult<Way> {
    let (line, theirs) = Channel::pair()?;
    match clone3(&CloneRequest::default())? {
        Forked::Parent { pid, .. } => Ok(Way::Awaited {
            line,
            maker: Pid::from_raw(pid),
        }),
        Forked::Child => {
            // A signal that ends the command must not end a helper half way.
            setsid().ignored();
            close_all_but(&[0, 1, 2, theirs.as_fd().as_raw_fd()]).unwrap_or_default();
            exit_now(i32::from(!make(map, run_root, &theirs)))
        }
    }
}

/// The namespace lives on in the descriptor that is under way, whoever reads it when. Others are
/// told after that: they have not begun to wait.
fn make(map: &HolderMap, run_root: &Path, line: &Channel) -> bool {
    let made = make_namespace(map).is_ok();
    let namespace = made.then(open_own).and_then(Result::ok);
    let sent = namespace.is_some_and(|namespace| line.send(b"h", Some(namespace.as_fd())).is_ok());
    if sent {
        let mut private = DirBuilder::new();
        drop(private.recursive(true).mode(0o700).create(run_root));
        publish_holder(map, run_root);
    }
    sent
}
