// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The store of container records: every way to make, find, change and remove one.
//!
//! Whatever moment a process is killed at, the next one finds each container whole or not at all:
//! a container appears by the rename of its finished directory out of `tmp/` and disappears by a
//! rename back into it. Its name is claimed before it appears and given back after it disappeared;
//! a name whose container is not there, and which no living process is about to make, is nobody's.
//! Readers take no lock.

mod ahead;
mod steps;

pub use ahead::Ahead;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::atomic::{self, Durability, StagedFile};
use super::dirs::{Dirs, Opened, open_root};
use super::error::RootKind;
use super::id::ContainerId;
use super::liveness::{Observed, observe};
use super::locks::{Contention, DirectoryLock};
use super::names::{Names, is_valid};
use super::record::{ContainerRecord, ContainerState, Status};
use super::spare::Spares;
use super::summary::ContainerSummary;
use super::tree::{RemoveTreeError, remove_tree};
use crate::oci::Digest;
use crate::sys::fs::private_directories;
use crate::sys::{Called, SysError, SysResult};

/// The format that this coracle writes and reads.
const FORMAT: &str = "1";

/// The documents of a container.
const RECORD: &str = "container.json";
const STATE: &str = "state.json";

/// What a data root may hold before it has its version.
const ROOMS: &[&str] = &[
    "version",
    "blobs",
    "layers",
    "images",
    "containers",
    "names",
    "volumes",
    "networks",
    "secrets",
    "pods",
    "events",
    "spare",
    "tmp",
    "places",
    "lost+found",
];

/// A handle on the records below one data root. Holds no descriptor.
#[derive(Debug, Clone)]
pub struct Store {
    dirs: Dirs,
    names: Names,
    spares: Spares,
}

/// The right to change one container, held until it is dropped; it vanishes with the process.
#[derive(Debug)]
pub struct ContainerLock {
    _directory: DirectoryLock,
}

/// The part of a record that its removal needs.
#[derive(Deserialize)]
struct Named {
    name: String,
}

/// A container that is written but does not exist yet; its directory is locked.
#[derive(Debug)]
struct Staged {
    directory: PathBuf,
    lock: DirectoryLock,
}

impl Store {
    /// Opens the store below `dirs.data_root`, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// When the data root is another user's, is open to others, holds something else, or has the
    /// format of another coracle.
    pub fn open(dirs: Dirs) -> Result<Self, StateError> {
        let names = Names::new(dirs.names("containers"));
        let spares = Spares::new(dirs.spare());
        let store = Self {
            dirs,
            names,
            spares,
        };
        match open_root(RootKind::Data, &store.dirs.data_root) {
            Ok(Opened::Found) => store.check_format()?,
            Ok(Opened::Fresh) => store.make_tree()?,
            // Nobody should close a directory that was named by mistake.
            Err(open @ StateError::OpenRoot { .. }) => {
                store.refuse_other_files()?;
                return Err(open);
            }
            Err(error) => return Err(error),
        }
        store.share_images()?;
        Ok(store)
    }

    /// Tells the store that the images are in that its layers are in use here, too.
    fn share_images(&self) -> Result<(), StateError> {
        let Some(root) = &self.dirs.images.root else {
            return Ok(());
        };
        open_root(RootKind::Data, root)?;
        let own = self.dirs.data_root.as_os_str().as_encoded_bytes();
        let sharers = self.dirs.of_images().sharers();
        let link = sharers.join(Digest::sha256(own).hex());
        let made = || -> SysResult<()> {
            if link.symlink_metadata().is_ok() {
                return Ok(());
            }
            private_directories()
                .create(&sharers)
                .called(|| format!("mkdir({})", sharers.display()))?;
            match std::os::unix::fs::symlink(&self.dirs.data_root, &link) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                result => result.called(|| format!("symlink({})", link.display())),
            }
        };
        made().map_err(|source| StateError::Store {
            action: "share the images of",
            path: root.clone(),
            source,
        })
    }

    /// The two roots.
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// Makes a container: all of it, or nothing. The returned lock is that of the new container.
    ///
    /// # Errors
    ///
    /// [`StateError::NameInUse`] and [`StateError::InvalidName`]; a caller that made the name up
    /// tries another one.
    pub fn create(
        &self,
        record: &ContainerRecord,
        durability: Durability,
    ) -> Result<ContainerLock, StateError> {
        if !is_valid(&record.name) {
            let name = record.name.clone();
            return Err(StateError::InvalidName { name });
        }
        let staged = self.stage(record, durability)?;
        self.claim_name(&record.name, &record.id)
            .inspect_err(|_| drop(remove_tree(&staged.directory)))?;
        self.publish(staged, &record.id, durability)
            .inspect_err(|_| self.undo_create(record))
    }

    /// Reads a container's record.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchContainer`] when it has gone, [`StateError::Corrupt`] when it is no
    /// record.
    pub fn load(&self, id: &ContainerId) -> Result<ContainerRecord, StateError> {
        self.load_as(id)
    }

    /// Reads the part of a container's record that lists show.
    ///
    /// # Errors
    ///
    /// As [`Store::load`].
    pub fn load_summary(&self, id: &ContainerId) -> Result<ContainerSummary, StateError> {
        self.load_as(id)
    }

    fn load_as<T: DeserializeOwned>(&self, id: &ContainerId) -> Result<T, StateError> {
        let path = self.record_path(id);
        let bytes = read_if_there(&path).map_err(failure("read the record of", id))?;
        // An empty record is what a power cut leaves of a container that was being made: the
        // command that made it had not returned. A sweep removes it.
        let bytes = bytes.ok_or_else(|| no_such(id.as_str()))?;
        if bytes.is_empty() && self.is_unfinished(id) {
            return Err(no_such(id.as_str()));
        }
        serde_json::from_slice(&bytes).map_err(|source| StateError::Corrupt { path, source })
    }

    /// The ids of all containers, in no order.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn list(&self) -> Result<Vec<ContainerId>, StateError> {
        let path = self.dirs.containers();
        list_ids(&path).map_err(|source| StateError::Store {
            action: "list the containers of",
            path,
            source,
        })
    }

    /// Finds the container that `text` means: an exact name, a full id, or the beginning of one
    /// id. A leading `/` is accepted, since docker shows names with it.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchContainer`] and [`StateError::Ambiguous`].
    pub fn resolve(&self, text: &str) -> Result<ContainerId, StateError> {
        let wanted = text.strip_prefix('/').unwrap_or(text);
        if !is_valid(wanted) {
            return Err(no_such(text));
        }
        let named = self.names.get(wanted).map_err(|source| StateError::Store {
            action: "look up a name in",
            path: self.dirs.names("containers"),
            source,
        })?;
        let full = named.or_else(|| ContainerId::parse(wanted));
        if let Some(id) = full
            && self.exists(&id)
        {
            return Ok(id);
        }
        self.resolve_prefix(wanted, text)
    }

    /// Whether the container `id` has the name `name`.
    pub fn is_called(&self, id: &ContainerId, name: &str) -> bool {
        self.names
            .get(name)
            .is_ok_and(|holder| holder.as_ref() == Some(id))
    }

    /// Whether there is a container of that id.
    pub fn exists(&self, id: &ContainerId) -> bool {
        self.dirs.container(id).symlink_metadata().is_ok()
    }

    /// Reads what a container was last known to do; one that was never started has no such file.
    ///
    /// A file that a power cut has emptied is no error: the container has ended, with that reason.
    ///
    /// # Errors
    ///
    /// What read(2) says.
    pub fn read_state(&self, id: &ContainerId) -> Result<ContainerState, StateError> {
        let path = self.state_path(id);
        let Some(bytes) = read_if_there(&path).map_err(failure("read the state of", id))? else {
            return Ok(ContainerState::default());
        };
        Ok(
            serde_json::from_slice(&bytes).unwrap_or_else(|error| ContainerState {
                status: Status::Exited,
                error: format!("its state file cannot be read ({error})"),
                ..ContainerState::default()
            }),
        )
    }

    /// Reads a container's state and finds out what it is doing now.
    ///
    /// # Errors
    ///
    /// As [`Store::read_state`].
    pub fn observe(&self, id: &ContainerId) -> Result<(ContainerState, Observed), StateError> {
        let state = self.read_state(id)?;
        match observe(&state) {
            // The monitor writes the exit record before it ends: now that it has, one more look
            // is final.
            Observed::Lost(_) => {
                let state = self.read_state(id)?;
                let observed = observe(&state);
                Ok((state, observed))
            }
            observed => Ok((state, observed)),
        }
    }

    /// Replaces a container's state, without waiting for the disk.
    ///
    /// # Errors
    ///
    /// What open(2), write(2) and rename(2) say; ENOENT when the container has gone.
    pub fn write_state(&self, id: &ContainerId, state: &ContainerState) -> Result<(), StateError> {
        let bytes = to_json(state);
        atomic::replace_file(&self.state_path(id), &bytes, Durability::Unsynced)
            .map_err(failure("write the state of", id))
    }

    /// Writes a state that is to be put in the place of the present one later, at the price of a
    /// rename.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn stage_state(
        &self,
        id: &ContainerId,
        state: &ContainerState,
    ) -> Result<StagedFile, StateError> {
        atomic::stage_file(&self.state_path(id), &to_json(state))
            .map_err(failure("write the state of", id))
    }

    /// Replaces a container's record; its name is changed by [`Store::rename`] only.
    ///
    /// # Errors
    ///
    /// As [`Store::write_state`], and what fsync(2) says.
    pub fn replace_record(
        &self,
        record: &ContainerRecord,
        durability: Durability,
    ) -> Result<(), StateError> {
        let bytes = to_json(record);
        atomic::replace_file(&self.record_path(&record.id), &bytes, durability)
            .map_err(failure("write the record of", &record.id))
    }

    /// Makes the record of a container that was created unsynced outlive a power cut.
    ///
    /// # Errors
    ///
    /// What fsync(2) says; [`StateError::NoSuchContainer`] when it has gone meanwhile.
    pub fn sync(&self, id: &ContainerId) -> Result<(), StateError> {
        let path = self.record_path(id);
        match fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_such(id.as_str())),
            file => file
                .and_then(|file| file.sync_all())
                .called(|| format!("fsync({})", path.display()))
                .and_then(|()| atomic::sync_directory(&self.dirs.containers()))
                .map_err(failure("keep", id)),
        }
    }

    /// Gives a container another name. The caller holds its lock.
    ///
    /// # Errors
    ///
    /// [`StateError::NameInUse`] and [`StateError::InvalidName`].
    pub fn rename(&self, id: &ContainerId, new: &str) -> Result<(), StateError> {
        if !is_valid(new) {
            let name = new.to_owned();
            return Err(StateError::InvalidName { name });
        }
        let mut record = self.load(id)?;
        if record.name == new {
            return Err(name_in_use(new, id));
        }
        self.claim_name(new, id)?;
        let old = std::mem::replace(&mut record.name, new.to_owned());
        let durability = if record.request.auto_remove {
            Durability::Unsynced
        } else {
            Durability::Synced
        };
        self.replace_record(&record, durability)
            .inspect_err(|_| drop(self.names.release(new, id)))?;
        self.names
            .release(&old, id)
            .map_err(failure("release the old name of", id))
    }

    /// Removes a container's record and all its files. The caller holds its lock and has seen to
    /// it that nothing of it runs.
    ///
    /// # Errors
    ///
    /// [`StateError::NeedsNamespace`]: the container is gone, and the files at that path are left
    /// to be removed inside the user's namespace. [`StateError::NoSuchContainer`].
    pub fn remove(&self, id: &ContainerId) -> Result<(), StateError> {
        self.remove_unless(id, |removed| self.spares.give(removed))
    }

    /// As [`Store::remove`], of a container whose overlay is still there: the directories that it
    /// lies on are no other's.
    ///
    /// # Errors
    ///
    /// As [`Store::remove`].
    pub fn remove_mounted(&self, id: &ContainerId) -> Result<(), StateError> {
        self.remove_unless(id, |_removed| false)
    }

    fn remove_unless(
        &self,
        id: &ContainerId,
        keep: impl Fn(&Path) -> bool,
    ) -> Result<(), StateError> {
        // A record that cannot be read must not keep the container from being removed: its name
        // is found the long way.
        let names = match self.load_as::<Named>(id) {
            Ok(record) => vec![record.name],
            Err(StateError::NoSuchContainer { name }) if !self.exists(id) => {
                return Err(no_such(&name));
            }
            Err(_) => self.names_of(id),
        };
        let removed = self.retire(id)?;
        for name in names {
            self.names
                .release(&name, id)
                .map_err(failure("release the name of", id))?;
        }
        if keep(&removed) {
            return Ok(());
        }
        remove_tree(&removed).map_err(|error| match error {
            RemoveTreeError::NeedsNamespace { path } => StateError::NeedsNamespace { path },
            RemoveTreeError::Refused { path, source } => StateError::Store {
                action: "remove the files of a container from",
                path,
                source,
            },
        })
    }

    /// Removes the directories that are kept for containers to come.
    pub fn discard_spares(&self) {
        self.spares.discard();
    }

    /// Waits for the right to change a container.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchContainer`], also when it was removed while we waited.
    pub fn lock(&self, id: &ContainerId) -> Result<ContainerLock, StateError> {
        DirectoryLock::take(&self.dirs.container(id), Contention::Wait)
            .map_err(failure("lock", id))?
            .map(|directory| ContainerLock {
                _directory: directory,
            })
            .ok_or_else(|| no_such(id.as_str()))
    }

    /// As [`Store::lock`], but `None` when somebody else changes it now, or when it has gone.
    ///
    /// # Errors
    ///
    /// What open(2) and flock(2) say.
    pub fn try_lock(&self, id: &ContainerId) -> Result<Option<ContainerLock>, StateError> {
        let lock = DirectoryLock::take(&self.dirs.container(id), Contention::GiveUp)
            .map_err(failure("lock", id))?;
        Ok(lock.map(|directory| ContainerLock {
            _directory: directory,
        }))
    }

    /// Every name with its container, for checking.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// `container.json` of a container.
    pub fn record_path(&self, id: &ContainerId) -> PathBuf {
        self.dirs.container(id).join(RECORD)
    }

    /// `state.json` of a container.
    pub fn state_path(&self, id: &ContainerId) -> PathBuf {
        self.dirs.container(id).join(STATE)
    }
}

fn no_such(name: &str) -> StateError {
    StateError::NoSuchContainer {
        name: name.to_owned(),
    }
}

fn name_in_use(name: &str, id: &ContainerId) -> StateError {
    StateError::NameInUse {
        name: name.to_owned(),
        id: id.clone(),
    }
}

fn failure(action: &'static str, id: &ContainerId) -> impl Fn(SysError) -> StateError {
    let id = id.clone();
    move |source| StateError::Container {
        action,
        id: id.clone(),
        source,
    }
}

fn to_json(document: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(document).expect("the documents hold nothing but data");
    bytes.push(b'\n');
    bytes
}

fn read_if_there(path: &Path) -> SysResult<Option<Vec<u8>>> {
    match atomic::read_document(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).called(|| format!("read({})", path.display())),
    }
}

fn list_ids(path: &Path) -> SysResult<Vec<ContainerId>> {
    let listed = || format!("readdir({})", path.display());
    let mut ids = Vec::new();
    for entry in fs::read_dir(path).called(listed)? {
        let name = entry.called(listed)?.file_name();
        ids.extend(name.to_str().and_then(ContainerId::parse));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests;
