// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The steps of making and removing a container: a crash may come between any two, and the tests
//! let it.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{ContainerLock, FORMAT, ROOMS, Staged, Store, failure, name_in_use, no_such, to_json};
use crate::state::StateError;
use crate::state::atomic::{self, Durability};
use crate::state::id::ContainerId;
use crate::state::locks::{Contention, DirectoryLock};
use crate::state::names::Claim;
use crate::state::record::ContainerRecord;
use crate::state::tree::remove_tree;
use crate::sys::fs::private_directories;
use crate::sys::{Called, SysResult};

/// `None` when a sweep saw the directory before it was locked and took it for a dead one's.
fn make_locked(directory: &Path) -> SysResult<Option<DirectoryLock>> {
    fs::DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .called(|| format!("mkdir({})", directory.display()))?;
    DirectoryLock::take(directory, Contention::Wait)
}

impl Store {
    pub(super) fn check_format(&self) -> Result<(), StateError> {
        let path = self.dirs.data_root.join("version");
        match fs::read_link(&path) {
            Ok(found) if found == Path::new(FORMAT) => Ok(()),
            Ok(found) => Err(StateError::Format {
                path: self.dirs.data_root.clone(),
                found: found.to_string_lossy().into_owned(),
                known: FORMAT,
            }),
            Err(_) => self.make_tree(),
        }
    }

    /// Idempotent: a process may have been killed in the middle of it, or be in it now.
    pub(super) fn make_tree(&self) -> Result<(), StateError> {
        let root = &self.dirs.data_root;
        self.refuse_other_files()?;
        let made = || -> SysResult<()> {
            for directory in [
                self.dirs.containers(),
                self.dirs.names("containers"),
                self.dirs.tmp(),
            ] {
                private_directories()
                    .create(&directory)
                    .called(|| format!("mkdir({})", directory.display()))?;
            }
            let version = root.join("version");
            match std::os::unix::fs::symlink(FORMAT, &version) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                result => result.called(|| format!("symlink({})", version.display())),
            }
        };
        made().map_err(|source| StateError::Store {
            action: "make",
            path: root.clone(),
            source,
        })
    }

    /// `--root` may name a directory of something else by mistake.
    pub(super) fn refuse_other_files(&self) -> Result<(), StateError> {
        let path = &self.dirs.data_root;
        let Ok(entries) = fs::read_dir(path) else {
            return Ok(());
        };
        let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        match names.find(|name| !ROOMS.contains(&name.as_str())) {
            Some(found) => Err(StateError::NotAStore {
                path: path.clone(),
                found,
            }),
            None => Ok(()),
        }
    }

    /// Writes the container into `tmp/` and locks it.
    pub(super) fn stage(
        &self,
        record: &ContainerRecord,
        durability: Durability,
    ) -> Result<Staged, StateError> {
        let directory = self.staged_path(&record.id);
        let bytes = to_json(record);
        let stage = || -> SysResult<Option<DirectoryLock>> {
            let lock = match self.spares.take(&directory) {
                Some(lock) => lock,
                None => match make_locked(&directory)? {
                    Some(lock) => lock,
                    None => return Ok(None),
                },
            };
            atomic::write_new_file(&directory.join("container.json"), &bytes, durability)?;
            Ok(Some(lock))
        };
        let error = failure("create", &record.id);
        loop {
            match stage() {
                Ok(Some(lock)) => return Ok(Staged { directory, lock }),
                Ok(None) => {}
                Err(source) => {
                    drop(remove_tree(&directory));
                    return Err(error(source));
                }
            }
        }
    }

    /// Takes a name, also from a container that does not exist (any more).
    pub(super) fn claim_name(&self, name: &str, id: &ContainerId) -> Result<(), StateError> {
        let failed = |source| failure("claim a name for", id)(source);
        loop {
            match self.names.claim(name, id).map_err(failed)? {
                Claim::Taken => return Ok(()),
                Claim::HeldBy(holder) if self.is_orphan(name, &holder)? => {
                    self.names.release(name, &holder).map_err(failed)?;
                }
                Claim::HeldBy(holder) => return Err(name_in_use(name, &holder)),
            }
        }
    }

    /// Whether nobody is behind `name`: its container is not there and is not being made, or is
    /// called differently and is not being renamed.
    pub(in crate::state) fn is_orphan(
        &self,
        name: &str,
        holder: &ContainerId,
    ) -> Result<bool, StateError> {
        let staged = self.staged_path(holder);
        if !self.exists(holder) {
            if !staged.exists() {
                // It may have been published between the two looks.
                return Ok(!self.exists(holder));
            }
            let dead = DirectoryLock::take(&staged, Contention::GiveUp)
                .map_err(failure("lock the unfinished", holder))?
                .is_some();
            return Ok(dead && !self.exists(holder));
        }
        let called_so = |record: ContainerRecord| record.name == name;
        if self.load(holder).map_or(true, called_so) {
            return Ok(false);
        }
        let Some(_lock) = self.try_lock(holder)? else {
            return Ok(false);
        };
        Ok(!self.load(holder).map_or(true, called_so))
    }

    /// Makes the finished container appear.
    pub(super) fn publish(
        &self,
        staged: Staged,
        id: &ContainerId,
        durability: Durability,
    ) -> Result<ContainerLock, StateError> {
        atomic::rename(&staged.directory, &self.dirs.container(id))
            .and_then(|()| match durability {
                Durability::Synced => atomic::sync_directory(&self.dirs.containers()),
                Durability::Unsynced => Ok(()),
            })
            .map_err(failure("create", id))?;
        Ok(ContainerLock {
            _directory: staged.lock,
        })
    }

    /// Takes back whatever a refused creation has done; what cannot be taken back is swept later.
    pub(super) fn undo_create(&self, record: &ContainerRecord) {
        drop(remove_tree(&self.staged_path(&record.id)));
        if let Ok(removed) = self.retire(&record.id) {
            drop(remove_tree(&removed));
        }
        drop(self.names.release(&record.name, &record.id));
    }

    /// Whether a power cut kept the container from being made: its record is empty, and it never
    /// ran. One that has a state has files, too, which nobody but the user may remove.
    pub(in crate::state) fn is_unfinished(&self, id: &ContainerId) -> bool {
        let is_empty = |path: PathBuf| {
            let found = fs::metadata(path).ok();
            found.map(|found| found.is_file() && found.len() == 0)
        };
        is_empty(self.record_path(id)) == Some(true)
            && is_empty(self.state_path(id)).unwrap_or(true)
    }

    /// Makes a container disappear; what is left of it is at the returned path.
    pub(super) fn retire(&self, id: &ContainerId) -> Result<PathBuf, StateError> {
        let removed = self.dirs.tmp().join(format!("{id}.removed"));
        atomic::rename(&self.dirs.container(id), &removed).map_err(failure("remove", id))?;
        Ok(removed)
    }

    pub(super) fn staged_path(&self, id: &ContainerId) -> PathBuf {
        self.dirs.tmp().join(format!("{id}.created"))
    }

    pub(super) fn names_of(&self, id: &ContainerId) -> Vec<String> {
        let all = self.names.all().unwrap_or_default();
        let owned = all.into_iter().filter(|(_, holder)| holder == id);
        owned.map(|(name, _)| name).collect()
    }

    pub(super) fn resolve_prefix(
        &self,
        prefix: &str,
        typed: &str,
    ) -> Result<ContainerId, StateError> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !prefix.bytes().all(hex) {
            return Err(no_such(typed));
        }
        let mut matches = self.list()?;
        matches.retain(|id| id.as_str().starts_with(prefix));
        match matches.len() {
            0 => Err(no_such(typed)),
            1 => Ok(matches.remove(0)),
            _ => Err(StateError::Ambiguous {
                name: typed.to_owned(),
                matches,
            }),
        }
    }
}
