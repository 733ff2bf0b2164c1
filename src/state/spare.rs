// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Directories of removed containers that wait to be another's. To make and to free a directory
//! costs a file system far more than to rename one: ext4 looks at every inode that was freed in
//! the last seconds before it gives one out, and a disk mounted with `discard` is told of each
//! freed block.
//!
//! A spare holds an empty `work/` or nothing. What a container could reach is never another's,
//! since somebody may still hold it: its `upper/` goes with it, and so does what an overlay keeps
//! below `work/`.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::atomic;
use super::locks::{Contention, DirectoryLock};
use super::tree::remove_tree;
use crate::sys::fs::{Renaming, private_directories, rename};

/// As many as loops that run beside each other on a large machine.
const SPARES_MAX: u32 = 16;

/// What stays in a spare.
const KEPT: &str = "work";

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
            atomic::rename(&path, target).ok().map(|()| lock)
        })
    }

    /// Empties the directory of a removed container and keeps it, if there is room. Otherwise
    /// something of it is still where it was, to be removed.
    pub(super) fn give(&self, removed: &Path) -> bool {
        empty(removed).is_some() && self.keep(removed)
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
        let mut made = false;
        let mut number = 0;
        while number < SPARES_MAX {
            let place = self.place(number);
            match rename(AT_FDCWD, removed, AT_FDCWD, &place, Renaming::KeepTarget) {
                Ok(()) => return true,
                Err(Errno::EEXIST) => number += 1,
                Err(Errno::ENOENT) if !made => {
                    made = private_directories().create(&self.directory).is_ok();
                    if !made {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
        false
    }
}

/// `None` when something cannot be removed, or not by this process.
fn empty(removed: &Path) -> Option<()> {
    let directory: OwnedFd = File::open(removed).ok()?.into();
    for (name, kind) in entries(&directory)? {
        match kind {
            Some(Type::Directory) if name == KEPT => empty_work(&removed.join(name))?,
            Some(Type::File) => {
                unlinkat(&directory, name.as_str(), UnlinkatFlags::NoRemoveDir).ok()?;
            }
            _ => remove_tree(&removed.join(name)).ok()?,
        }
    }
    Some(())
}

fn empty_work(work: &Path) -> Option<()> {
    let directory: OwnedFd = File::open(work).ok()?.into();
    for (name, _) in entries(&directory)? {
        remove_tree(&work.join(name)).ok()?;
    }
    Some(())
}

/// `None` where a name is none of ours.
fn entries(directory: &OwnedFd) -> Option<Vec<(String, Option<Type>)>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut listing = Dir::openat(directory, c".", flags, Mode::empty()).ok()?;
    let mut entries = Vec::new();
    for entry in listing.iter() {
        let entry = entry.ok()?;
        let name = entry.file_name().to_str().ok()?.to_owned();
        if name != "." && name != ".." {
            entries.push((name, entry.file_type()));
        }
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

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
        for path in [
            "",
            "upper",
            "upper/a",
            "work",
            "work/work",
            "work/work/incompat",
        ] {
            fs::create_dir(removed.join(path)).unwrap();
        }
        File::create(removed.join("container.json")).unwrap();
        let closed = fs::Permissions::from_mode(0o000);
        fs::set_permissions(removed.join("work/work"), closed).unwrap();
        Fixture {
            spares: Spares::new(root.path().join("spare")),
            removed,
            taken: root.path().join("taken"),
            _root: root,
        }
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_is_taken_again_holds_nothing_of_before() {
        let fixture = fixture();
        assert!(fixture.spares.take(&fixture.taken).is_none());
        assert!(fixture.spares.give(&fixture.removed));
        assert!(!fixture.removed.exists());
        let _lock = fixture.spares.take(&fixture.taken).expect("one was given");
        assert_eq!(names(&fixture.taken), [KEPT]);
        assert!(names(&fixture.taken.join(KEPT)).is_empty());
        assert!(fixture.spares.take(&fixture.taken).is_none());
    }

    #[test]
    fn a_link_in_the_place_of_work_is_removed_and_not_followed() {
        let fixture = fixture();
        let elsewhere = fixture.removed.with_file_name("elsewhere");
        fs::create_dir_all(elsewhere.join("kept")).unwrap();
        remove_tree(&fixture.removed.join(KEPT)).unwrap();
        symlink(&elsewhere, fixture.removed.join(KEPT)).unwrap();
        assert!(fixture.spares.give(&fixture.removed));
        assert!(names(&fixture.spares.place(0)).is_empty());
        assert_eq!(names(&elsewhere), ["kept"]);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let fixture = fixture();
        let give = |number: u32| {
            let removed = fixture.removed.with_file_name(format!("{number}.removed"));
            fs::create_dir(&removed).unwrap();
            fixture.spares.give(&removed)
        };
        assert!((0..SPARES_MAX).all(give));
        assert!(!give(SPARES_MAX));
    }

    #[test]
    fn a_spare_that_is_locked_is_left_alone_and_the_others_can_be_discarded() {
        let fixture = fixture();
        assert!(fixture.spares.give(&fixture.removed));
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
