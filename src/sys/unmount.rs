// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Learning that a file system is gone: not only unmounted somewhere, but out of reach of every
//! process, however it held on to it.

use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::{Called, SysResult};

/// Tells when a file system that was mounted has been shut down. Closed at exec; forked children
/// share it.
#[derive(Debug)]
pub struct UnmountWatch(Inotify);

impl UnmountWatch {
    /// Watches nothing yet.
    ///
    /// # Errors
    ///
    /// inotify_init1(2)'s: EMFILE when the user has too many.
    pub fn new() -> SysResult<Self> {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let inotify = Inotify::init(flags).called(|| "inotify_init1")?;
        Ok(Self(inotify))
    }

    /// Watches the file system whose root directory is at `path`.
    ///
    /// # Errors
    ///
    /// inotify_add_watch(2)'s.
    pub fn add(&self, path: &Path) -> SysResult<()> {
        // The end of the file system is told whatever is asked for; of the rest as little as can be.
        let events = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_ONLYDIR;
        self.0
            .add_watch(path, events)
            .map(drop)
            .called(|| format!("inotify_add_watch({path:?})"))
    }

    /// Whether the file system is gone: its last mount, open file and current directory.
    pub fn is_gone(&self) -> bool {
        let events = self.0.read_events().unwrap_or_default();
        let mut masks = events.iter().map(|event| event.mask);
        masks.any(|mask| mask.contains(AddWatchFlags::IN_UNMOUNT))
    }
}
