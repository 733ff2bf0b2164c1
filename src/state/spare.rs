// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Directories of removed containers that wait to be another's. To make and to free a directory
//! costs a journalling file system far more than to rename one, and on a disk with `discard` each
//! freed block costs again; a container of `--rm` that changed nothing leaves its directory, with
//! `upper/` and `work/` in it, as if it were new.
//!
//! A spare holds these two and nothing else. Both are empty and as we made them: owner, flags and
//! attributes are those of the directory around them. That nothing can reach them any more, by a
//! mount that some process still holds, is the caller's to know before it gives one.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, openat, renameat2};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::StateError;
use super::atomic::{self, Durability};
use super::id::ContainerId;
use super::locks::{Contention, DirectoryLock};
use super::record::ContainerRecord;
use super::store::{ContainerLock, Staged, Store, check_name, remove_files, to_json};
use super::tree::remove_tree;
use crate::sys::fs::inode_flags;
use crate::sys::xattr::{self, Place};

/// As many as loops that run beside each other on a large machine.
const SPARES_MAX: u32 = 16;

/// What is left in a spare.
const KEPT: [&str; 2] = ["upper", "work"];

/// Where the directory of a new container comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was made, with nothing in it.
    Made,
    /// It was a removed container's: `upper/` and `work/` are there, empty, and `upper/` has any
    /// mode and times.
    Spare,
}

impl Store {
    /// As [`Store::create`], without waiting for the disk, and from a spare directory if there is
    /// one: for a container that will be removed at its end.
    ///
    /// # Errors
    ///
    /// As [`Store::create`].
    pub fn create_short_lived(
        &self,
        record: &ContainerRecord,
    ) -> Result<(ContainerLock, Origin), StateError> {
        let durability = Durability::Unsynced;
        check_name(record)?;
        let (staged, origin) = match self.stage_spare(record) {
            Some(staged) => (staged, Origin::Spare),
            None => (self.stage(record, durability)?, Origin::Made),
        };
        let lock = self.bring_out(staged, record, durability)?;
        Ok((lock, origin))
    }

    /// As [`Store::remove`], but keeps the directory for another container if it is as good as
    /// new. The caller knows that the root file system over it is gone: nothing that is mounted
    /// or open anywhere leads into it. The attributes in `metadata`, which such a file system keeps
    /// on its upper directory, are removed.
    ///
    /// # Errors
    ///
    /// As [`Store::remove`].
    pub fn recycle(&self, id: &ContainerId, metadata: &[&CStr]) -> Result<(), StateError> {
        let removed = self.disappear(id)?;
        if self.spares.give(&removed, metadata) {
            return Ok(());
        }
        remove_files(&removed)
    }

    /// Removes the directories that [`Store::recycle`] kept.
    pub fn discard_spares(&self) {
        self.spares.discard();
    }

    /// As [`Store::stage`], in a spare; `None` when there is none, or it is of no use.
    fn stage_spare(&self, record: &ContainerRecord) -> Option<Staged> {
        let directory = self.staged_path(&record.id);
        let lock = self.spares.take(&directory)?;
        let path = directory.join("container.json");
        let written = atomic::write_new_file(&path, &to_json(record), Durability::Unsynced);
        if written.is_err() {
            drop(remove_tree(&directory));
            return None;
        }
        Some(Staged { directory, lock })
    }
}

/// The spare directories of one store.
#[derive(Debug, Clone)]
pub(super) struct Spares {
    directory: PathBuf,
}

impl Spares {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Moves a spare to `target` and returns it locked, as it was all along: a sweep never takes
    /// it for a dead one's.
    pub(super) fn take(&self, target: &Path) -> Option<DirectoryLock> {
        (0..SPARES_MAX).find_map(|number| {
            let path = self.place(number);
            let lock = DirectoryLock::take(&path, Contention::GiveUp).ok()??;
            // A power cut may have brought something back.
            let whole = KEPT.iter().all(|name| is_empty(&path.join(name)));
            (whole && atomic::rename(&path, target).is_ok()).then_some(lock)
        })
    }

    /// Makes the directory of a removed container a spare, if it is as good as new and there is
    /// room. Otherwise something of it is still where it was, to be removed.
    pub(super) fn give(&self, removed: &Path, metadata: &[&CStr]) -> bool {
        clean(removed, metadata).is_some() && self.keep(removed)
    }

    /// Removes all that nobody is taking now.
    pub(super) fn discard(&self) {
        for number in 0..SPARES_MAX {
            let path = self.place(number);
            if let Ok(Some(_lock)) = DirectoryLock::take(&path, Contention::GiveUp) {
                drop(remove_tree(&path));
            }
        }
        drop(fs::remove_dir(&self.directory));
    }

    fn place(&self, number: u32) -> PathBuf {
        self.directory.join(number.to_string())
    }

    fn keep(&self, removed: &Path) -> bool {
        let put = |number| {
            let place = self.place(number);
            let flags = RenameFlags::RENAME_NOREPLACE;
            renameat2(AT_FDCWD, removed, AT_FDCWD, &place, flags)
        };
        let mut made = false;
        let mut number = 0;
        while number < SPARES_MAX {
            match put(number) {
                Ok(()) => return true,
                Err(Errno::EEXIST) => number += 1,
                Err(Errno::ENOENT) if !made => {
                    made = super::dirs::private_directories()
                        .create(&self.directory)
                        .is_ok();
                }
                Err(_) => return false,
            }
        }
        false
    }
}

/// Removes the files of a container from its directory, if `upper` holds nothing. `None` when the
/// directory is no spare.
fn clean(removed: &Path, metadata: &[&CStr]) -> Option<()> {
    let directory: OwnedFd = File::open(removed).ok()?.into();
    let own = Likeness::of(directory.as_fd())?;
    let upper = open(directory.as_fd(), "upper")?;
    let work = open(directory.as_fd(), "work")?;
    for attribute in attributes(upper.as_fd())? {
        if metadata.contains(&attribute.as_c_str()) {
            xattr::remove(Place::Descriptor(upper.as_fd()), &attribute).ok()?;
        }
    }
    for made in [&upper, &work] {
        Likeness::of(made.as_fd())?.is_as_new(&own).then_some(())?;
    }
    if !names(&upper)?.is_empty() {
        return None;
    }
    // The kernel's overlay leaves what it refuses to start from once more.
    for name in names(&work)? {
        remove_tree(&removed.join("work").join(name)).ok()?;
    }
    for name in names(&directory)? {
        if !KEPT.contains(&name.as_str()) {
            unlinkat(&directory, name.as_str(), UnlinkatFlags::NoRemoveDir).ok()?;
        }
    }
    Some(())
}

/// The kernel's overlay names itself in its upper directory. The next one there may have the same
/// name: they are never there at once.
const OVERLAY_ID: &CStr = c"user.overlay.uuid";

/// What a directory has from the one that it was made in, and keeps unless somebody changes it.
struct Likeness {
    owner: (u32, u32),
    device: u64,
    flags: Option<i64>,
    size: i64,
}

impl Likeness {
    /// `None` for a directory with other extended attributes: lists of rights among them.
    fn of(directory: BorrowedFd<'_>) -> Option<Self> {
        let status: FileStat = fstat(directory).ok()?;
        let names = attributes(directory)?;
        let bare = names.iter().all(|name| name.as_c_str() == OVERLAY_ID);
        bare.then(|| Self {
            owner: (status.st_uid, status.st_gid),
            device: status.st_dev,
            flags: inode_flags(directory).ok(),
            size: status.st_size,
        })
    }

    /// A directory that has held many files never shrinks.
    fn is_as_new(&self, around: &Self) -> bool {
        self.owner == around.owner
            && self.device == around.device
            && self.flags == around.flags
            && self.size <= around.size
    }
}

fn attributes(file: BorrowedFd<'_>) -> Option<Vec<CString>> {
    xattr::list_vec(Place::Descriptor(file)).ok()
}

fn open(directory: BorrowedFd<'_>, name: &str) -> Option<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, name, flags, Mode::empty()).ok()
}

/// `None` for names that are none of ours.
fn names(directory: &OwnedFd) -> Option<Vec<String>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut listing = Dir::openat(directory, c".", flags, Mode::empty()).ok()?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let name = entry.ok()?.file_name().to_str().ok()?.to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Some(names)
}

fn is_empty(path: &Path) -> bool {
    let first = fs::read_dir(path).map(|mut entries| entries.next());
    matches!(first as io::Result<Option<_>>, Ok(None))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Fixture {
        _root: tempfile::TempDir,
        spares: Spares,
        removed: PathBuf,
        taken: PathBuf,
    }

    fn fixture() -> Fixture {
        let root = tempfile::tempdir().unwrap();
        let removed = root.path().join("removed");
        for path in ["", "upper", "work", "work/work", "work/work/incompat"] {
            fs::create_dir(removed.join(path)).unwrap();
        }
        File::create(removed.join("container.json")).unwrap();
        fs::set_permissions(removed.join("work/work"), fs::Permissions::from_mode(0o000)).unwrap();
        Fixture {
            spares: Spares::new(root.path().join("spare")),
            removed,
            taken: root.path().join("taken"),
            _root: root,
        }
    }

    #[test]
    fn what_changed_nothing_is_taken_again_and_is_empty_then() {
        let fixture = fixture();
        assert!(fixture.spares.take(&fixture.taken).is_none());
        assert!(fixture.spares.give(&fixture.removed, &[]));
        assert!(!fixture.removed.exists());
        let _lock = fixture.spares.take(&fixture.taken).expect("one was given");
        let mut left = names(&File::open(&fixture.taken).unwrap().into()).unwrap();
        left.sort();
        assert_eq!(left, KEPT);
        assert!(KEPT.iter().all(|name| is_empty(&fixture.taken.join(name))));
        assert!(fixture.spares.take(&fixture.taken).is_none());
    }

    #[test]
    fn metadata_of_the_root_do_not_stay() {
        let fixture = fixture();
        let upper = File::open(fixture.removed.join("upper")).unwrap();
        let place = Place::Descriptor(upper.as_fd());
        let name = c"user.test.metadata";
        xattr::set(place, name, b"0:0:0700:dir", xattr::SetMode::Either).unwrap();
        assert!(fixture.spares.give(&fixture.removed, &[name]));
        assert_eq!(attributes(upper.as_fd()), Some(Vec::new()));
    }

    #[test]
    fn what_was_changed_is_no_spare() {
        let changes: [fn(&Path); 5] = [
            |removed| drop(File::create(removed.join("upper/file")).unwrap()),
            |removed| fs::create_dir(removed.join("another")).unwrap(),
            |removed| fs::remove_dir(removed.join("upper")).unwrap(),
            |removed| {
                fs::remove_dir(removed.join("upper")).unwrap();
                std::os::unix::fs::symlink("work", removed.join("upper")).unwrap();
            },
            |removed| {
                let upper = File::open(removed.join("upper")).unwrap();
                let place = Place::Descriptor(upper.as_fd());
                xattr::set(place, c"user.test", b"1", xattr::SetMode::Either).unwrap();
            },
        ];
        for (number, change) in changes.iter().enumerate() {
            let fixture = fixture();
            change(&fixture.removed);
            assert!(
                !fixture.spares.give(&fixture.removed, &[]),
                "change {number}"
            );
            assert!(fixture.removed.exists(), "change {number}");
        }
    }

    #[test]
    fn a_spare_that_is_locked_is_left_alone_and_the_others_can_be_discarded() {
        let fixture = fixture();
        assert!(fixture.spares.give(&fixture.removed, &[]));
        let place = fixture.spares.place(0);
        let held = DirectoryLock::take(&place, Contention::GiveUp).unwrap();
        assert!(fixture.spares.take(&fixture.taken).is_none());
        fixture.spares.discard();
        assert!(place.exists());
        drop(held);
        fixture.spares.discard();
        assert!(!fixture.spares.directory.exists());
    }
}
