// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks that vanish with their process: flock(2) on directories that are never replaced.
//!
//! Order, for whoever takes several: a container (by id, where there are several), then `names/`,
//! then `tmp/`. Readers take none of them, and nobody waits while holding the last two. The run
//! directory of a pod comes after a container, and whoever holds it takes no other.
//!
//! A lock belongs to the open file, and ends when the last descriptor of it is closed: a child that
//! is forked while one is held and lives on must close its copy, or the lock lives on with it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::sys::{Called, SysResult};

/// An exclusive lock on a directory, held until it is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
}

/// What to do when somebody else holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contention {
    /// Wait for them.
    Wait,
    /// Come back without it.
    GiveUp,
}

impl DirectoryLock {
    /// Takes the lock of the directory that `path` names when it is taken.
    ///
    /// `None` when there is no such directory (any more), or when somebody holds it and
    /// `contention` says to give up.
    ///
    /// # Errors
    ///
    /// What open(2) and flock(2) say otherwise, such as ENOLCK on a file system without locks.
    pub fn take(path: &Path, contention: Contention) -> SysResult<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).called(|| format!("open({})", path.display())),
        };
        if !flock(&file, path, contention)? {
            return Ok(None);
        }
        let lock = Self { file };
        Ok(lock.is_still_at(path).then_some(lock))
    }

    /// Whether `path` still names the locked directory: it may have been renamed away while we
    /// waited, or removed.
    pub fn is_still_at(&self, path: &Path) -> bool {
        let (Ok(locked), Ok(named)) = (self.file.metadata(), path.symlink_metadata()) else {
            return false;
        };
        locked.ino() == named.ino() && locked.dev() == named.dev()
    }
}

fn flock(file: &File, path: &Path, contention: Contention) -> SysResult<bool> {
    let refused = || format!("flock({})", path.display());
    match contention {
        Contention::Wait => loop {
            match file.lock() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.called(refused).map(|()| true),
            }
        },
        Contention::GiveUp => match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error).called(refused),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_holder_at_a_time_and_none_after_a_drop() {
        let directory = tempfile::tempdir().unwrap();
        let take = || DirectoryLock::take(directory.path(), Contention::GiveUp).unwrap();
        let held = take().expect("nobody holds it");
        assert!(take().is_none());
        drop(held);
        assert!(take().is_some());
    }

    #[test]
    fn a_directory_that_went_away_has_no_lock() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("container");
        assert!(
            DirectoryLock::take(&path, Contention::Wait)
                .unwrap()
                .is_none()
        );
        fs::create_dir(&path).unwrap();
        let held = DirectoryLock::take(&path, Contention::Wait)
            .unwrap()
            .unwrap();
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || {
                DirectoryLock::take(&path, Contention::Wait)
                    .unwrap()
                    .is_none()
            }
        });
        // Wherever the waiter is by then, it must see that the name stands for nothing now.
        fs::rename(&path, parent.path().join("gone")).unwrap();
        drop(held);
        assert!(waiter.join().unwrap());
    }
}
