// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The way into the holder, looked for while a start is still being prepared. Where there is no
//! holder yet, newuidmap and newgidmap take milliseconds that the command does not wait for: they
//! work beside it, and whoever enters gets the namespace as a descriptor when they have ended.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::sched::{CloneFlags, setns};

use super::holder::{self, Holder, enter_holder};
use super::idmap::{HolderMap, Reach};
use super::userns::{Entered, NamespaceInTheMaking, UsernsError};
use crate::sys::Called;
use crate::sys::channel::Channel;

/// A holder that was found, or that is being made.
#[derive(Debug)]
pub struct HolderAhead {
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// It lives.
    Found(Holder),
    /// It comes over the line from whoever has its [`Delivery`].
    Awaited {
        line: Channel,
        delivery: Option<Box<Delivery>>,
    },
    /// Whoever enters it makes it: that takes no helper, or could not be begun here.
    Later,
}

impl HolderAhead {
    /// Looks for the holder of `map`, and begins to make one where only setuid helpers can.
    ///
    /// The caller must be single-threaded.
    pub fn begin(map: &HolderMap, run_root: &Path) -> Self {
        let way = match (holder::find(map, run_root), map.reach) {
            (Some(holder), _) => Way::Found(holder),
            (None, Reach::Ranges) => Delivery::begin(map).unwrap_or(Way::Later),
            (None, Reach::Single | Reach::All) => Way::Later,
        };
        Self { way }
    }

    /// What has to be delivered once the process is forked that enters.
    pub fn delivery(&mut self) -> Option<Box<Delivery>> {
        match &mut self.way {
            Way::Awaited { delivery, .. } => delivery.take(),
            Way::Found(_) | Way::Later => None,
        }
    }

    /// Nothing is begun: whoever enters finds the holder or makes it.
    pub fn later() -> Self {
        Self { way: Way::Later }
    }

    /// The holder that the process `monitor` lives in; nothing when it cannot be had. Whoever joins
    /// a container must be in the same one: of two first commands at once each makes its own.
    pub fn of_monitor(monitor: i32) -> Option<Self> {
        let way = Way::Found(Holder::of(monitor)?);
        Some(Self { way })
    }

    /// As [`enter_holder`], for a process that was forked from the one that began. Done once: the
    /// descriptors are closed then.
    ///
    /// # Errors
    ///
    /// As [`enter_holder`].
    pub fn enter(&mut self, map: &HolderMap, run_root: &Path) -> Result<Entered, UsernsError> {
        match std::mem::replace(&mut self.way, Way::Later) {
            Way::Found(holder) if holder.join(run_root) => Ok(Entered::Joined),
            Way::Awaited { line, .. } => {
                let made = line.receive().ok().and_then(|message| message.fd);
                let join = |made: OwnedFd| {
                    setns(made, CloneFlags::CLONE_NEWUSER).called(|| "setns(CLONE_NEWUSER)")
                };
                let entered = made.map(|made| {
                    holder::enter_or_make(map, run_root, || join(made).map_err(Into::into))
                });
                match entered {
                    Some(Ok(entered)) => Ok(entered),
                    // Whatever went wrong there goes wrong again here, and is told.
                    Some(Err(_)) | None => enter_holder(map, run_root),
                }
            }
            Way::Found(_) | Way::Later => enter_holder(map, run_root),
        }
    }

    /// The descriptor that must stay open until the holder is entered.
    pub fn descriptor(&self) -> Option<i32> {
        match &self.way {
            Way::Found(holder) => Some(holder.namespace.as_raw_fd()),
            Way::Awaited { line, .. } => Some(line.as_fd().as_raw_fd()),
            Way::Later => None,
        }
    }
}

/// A holder in the making, for the process that waits for it at the line's other end.
#[derive(Debug)]
pub struct Delivery {
    namespace: NamespaceInTheMaking,
    line: Channel,
}

impl Delivery {
    fn begin(map: &HolderMap) -> Option<Way> {
        let (line, other_end) = Channel::pair().ok()?;
        let namespace = NamespaceInTheMaking::begin(&map.maps).ok()?;
        Some(Way::Awaited {
            line,
            delivery: Some(Box::new(Self {
                namespace,
                line: other_end,
            })),
        })
    }

    /// Waits for the helpers, and hands the namespace over. Where they fail nothing comes: whoever
    /// waits tries again, and tells what goes wrong.
    pub fn hand_over(self: Box<Self>) {
        let Self { namespace, line } = *self;
        let send = |made: &OwnedFd| line.send(b"h", Some(made.as_fd()));
        drop(namespace.finish(send));
    }
}
