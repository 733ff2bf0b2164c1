// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is wrong with the records, in words, and its repair. A repair works on the document as it
//! stands, so that what this coracle does not understand stays in it.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde_json::Value;

use super::StateError;
use super::atomic::read_document;
use super::atomic::{self, Durability};
use super::id::ContainerId;
use super::names::{Claim, is_valid};
use super::record::{ContainerRecord, ContainerState, Status};
use super::store::Store;
use crate::sys::{Called, SysError};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A container without a record: `container.json` is missing, empty or no JSON.
    RecordLost {
        /// The container.
        id: ContainerId,
        /// What is wrong with the file.
        reason: String,
    },
    /// A record that is JSON but not as this coracle knows it: a newer one may have written it.
    RecordNotUnderstood {
        /// The container.
        id: ContainerId,
        /// What is not understood.
        reason: String,
    },
    /// A record that says it is another container's: the directory was copied or renamed by hand.
    RecordOfAnother {
        /// The container that the directory is called.
        id: ContainerId,
        /// The container that the record is about.
        record: String,
    },
    /// A container whose name is not in the index, or is not a name.
    NameNotIndexed {
        /// The container.
        id: ContainerId,
        /// What its record calls it.
        name: String,
    },
    /// A container that is called like another one, which has the name.
    NameOfAnother {
        /// The container.
        id: ContainerId,
        /// What its record calls it.
        name: String,
        /// The one that has the name.
        holder: ContainerId,
    },
    /// A state file that cannot be read.
    StateLost {
        /// The container.
        id: ContainerId,
        /// What is wrong with the file.
        reason: String,
    },
    /// Something among the containers that is none.
    Stranger {
        /// What it is.
        path: PathBuf,
    },
}

/// What can be done about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It can be repaired, and nothing is lost.
    Repair,
    /// The container can only be removed.
    RemoveContainer,
    /// Only the user knows.
    None,
}

impl Problem {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::NameNotIndexed { .. } | Self::NameOfAnother { .. } | Self::StateLost { .. } => {
                Remedy::Repair
            }
            Self::RecordLost { .. } | Self::RecordOfAnother { .. } => Remedy::RemoveContainer,
            Self::RecordNotUnderstood { .. } | Self::Stranger { .. } => Remedy::None,
        }
    }

    /// The container that has it.
    pub fn container(&self) -> Option<&ContainerId> {
        match self {
            Self::RecordLost { id, .. }
            | Self::RecordNotUnderstood { id, .. }
            | Self::RecordOfAnother { id, .. }
            | Self::NameNotIndexed { id, .. }
            | Self::NameOfAnother { id, .. }
            | Self::StateLost { id, .. } => Some(id),
            Self::Stranger { .. } => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordLost { id, reason } => {
                write!(out, "container {id}: its record is lost ({reason})")
            }
            Self::RecordNotUnderstood { id, reason } => write!(
                out,
                "container {id}: its record is not understood ({reason}); \
                 a newer coracle may have written it"
            ),
            Self::RecordOfAnother { id, record } => {
                write!(out, "container {id}: its record is that of {record}")
            }
            Self::NameNotIndexed { id, name } => {
                write!(
                    out,
                    "container {id}: its name \"{name}\" is not in the index"
                )
            }
            Self::NameOfAnother { id, name, holder } => {
                write!(
                    out,
                    "container {id}: its name \"{name}\" belongs to {holder}"
                )
            }
            Self::StateLost { id, reason } => {
                write!(out, "container {id}: its state is lost ({reason})")
            }
            Self::Stranger { path } => write!(out, "{}: is no container", path.display()),
        }
    }
}

impl Store {
    /// Reads every record and says what is wrong.
    ///
    /// # Errors
    ///
    /// When the containers or the names cannot be listed.
    pub fn check(&self) -> Result<Vec<Problem>, StateError> {
        let mut problems = self.strangers()?;
        let mut ids = self.list()?;
        ids.sort();
        for id in ids {
            problems.extend(self.check_container(&id)?);
        }
        Ok(problems)
    }

    /// Repairs one problem that [`Problem::remedy`] calls repairable; leaves any other alone.
    /// The caller holds the container's lock.
    ///
    /// # Errors
    ///
    /// When the files cannot be written.
    pub fn repair(&self, problem: &Problem) -> Result<(), StateError> {
        match problem {
            Problem::NameNotIndexed { id, name } => self.index_name(id, name),
            Problem::NameOfAnother { id, name, .. } => self.give_new_name(id, name),
            Problem::StateLost { id, reason } => {
                let state = ContainerState {
                    status: Status::Exited,
                    error: format!("its state file was lost ({reason})"),
                    ..ContainerState::default()
                };
                self.write_state(id, &state)
            }
            Problem::RecordLost { .. }
            | Problem::RecordNotUnderstood { .. }
            | Problem::RecordOfAnother { .. }
            | Problem::Stranger { .. } => Ok(()),
        }
    }

    fn strangers(&self) -> Result<Vec<Problem>, StateError> {
        let path = self.dirs().containers();
        let failed = |source| self.sys_failure("list the containers of", source);
        let listed = || format!("readdir({})", path.display());
        let mut strangers = Vec::new();
        for entry in fs::read_dir(&path).called(listed).map_err(failed)? {
            let entry = entry.called(listed).map_err(failed)?;
            let name = entry.file_name();
            if name.to_str().and_then(ContainerId::parse).is_none() {
                strangers.push(Problem::Stranger { path: entry.path() });
            }
        }
        Ok(strangers)
    }

    fn check_container(&self, id: &ContainerId) -> Result<Vec<Problem>, StateError> {
        let mut problems = Vec::new();
        if self.is_unfinished(id) {
            // No damage: a sweep removes it.
            return Ok(problems);
        }
        match self.check_record(id) {
            Ok(record) => problems.extend(self.check_name(id, &record.name)?),
            // Removed while we looked.
            Err(_) if !self.exists(id) => return Ok(problems),
            Err(problem) => problems.push(problem),
        }
        problems.extend(self.check_state(id));
        Ok(problems)
    }

    fn check_record(&self, id: &ContainerId) -> Result<ContainerRecord, Problem> {
        let lost = |reason: String| Problem::RecordLost {
            id: id.clone(),
            reason,
        };
        let bytes = read_document(self.record_path(id)).map_err(|error| lost(error.to_string()))?;
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|error| lost(error.to_string()))?;
        let record = ContainerRecord::deserialize_value(&value).map_err(|error| {
            Problem::RecordNotUnderstood {
                id: id.clone(),
                reason: error.to_string(),
            }
        })?;
        if record.id != *id {
            return Err(Problem::RecordOfAnother {
                id: id.clone(),
                record: record.id.to_string(),
            });
        }
        Ok(record)
    }

    fn check_name(&self, id: &ContainerId, name: &str) -> Result<Option<Problem>, StateError> {
        let not_indexed = || Problem::NameNotIndexed {
            id: id.clone(),
            name: name.to_owned(),
        };
        if !is_valid(name) {
            return Ok(Some(not_indexed()));
        }
        let holder = self.names().get(name).map_err(|source| StateError::Store {
            action: "look up a name in",
            path: self.dirs().names("containers"),
            source,
        })?;
        match holder {
            Some(holder) if holder == *id => Ok(None),
            Some(holder) if self.load(&holder).is_ok_and(|record| record.name == name) => {
                Ok(Some(Problem::NameOfAnother {
                    id: id.clone(),
                    name: name.to_owned(),
                    holder,
                }))
            }
            Some(_) | None => Ok(Some(not_indexed())),
        }
    }

    fn check_state(&self, id: &ContainerId) -> Option<Problem> {
        let reason = match read_document(self.state_path(id)) {
            Ok(bytes) => serde_json::from_slice::<ContainerState>(&bytes)
                .err()?
                .to_string(),
            // One that was never started has none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => error.to_string(),
        };
        let id = id.clone();
        Some(Problem::StateLost { id, reason })
    }

    fn index_name(&self, id: &ContainerId, name: &str) -> Result<(), StateError> {
        if !is_valid(name) {
            return self.give_new_name(id, "container");
        }
        let claimed = self.names().claim(name, id);
        match claimed.map_err(|source| self.sys_failure("repair a name in", source))? {
            Claim::Taken => Ok(()),
            Claim::HeldBy(holder) if holder == *id => Ok(()),
            Claim::HeldBy(holder) if self.is_orphan(name, &holder)? => {
                let released = self.names().release(name, &holder);
                released.map_err(|source| self.sys_failure("repair a name in", source))?;
                self.index_name(id, name)
            }
            Claim::HeldBy(_) => self.give_new_name(id, name),
        }
    }

    /// `web` becomes `web-0123456789ab`: claimed first, then written into the record.
    fn give_new_name(&self, id: &ContainerId, old: &str) -> Result<(), StateError> {
        let kept: String = old.chars().take(200).collect();
        let new = format!("{kept}-{}", id.short());
        let claimed = self.names().claim(&new, id);
        claimed.map_err(|source| self.sys_failure("repair a name in", source))?;
        let path = self.record_path(id);
        let bytes = read_document(&path)
            .called(|| format!("read({})", path.display()))
            .map_err(|source| self.sys_failure("read a record of", source))?;
        let corrupt = |source| StateError::Corrupt {
            path: path.clone(),
            source,
        };
        let mut document: Value = serde_json::from_slice(&bytes).map_err(corrupt)?;
        document["name"] = Value::String(new);
        let bytes = serde_json::to_vec(&document).map_err(corrupt)?;
        atomic::replace_file(&path, &bytes, Durability::Synced)
            .map_err(|source| self.sys_failure("repair a record of", source))
    }

    fn sys_failure(&self, action: &'static str, source: SysError) -> StateError {
        StateError::Store {
            action,
            path: self.dirs().data_root.clone(),
            source,
        }
    }
}

impl ContainerRecord {
    fn deserialize_value(value: &Value) -> Result<Self, serde_json::Error> {
        serde::Deserialize::deserialize(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::dirs::Dirs;
    use super::super::record::{ContainerRequest, Resolved};
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("data"), directory.path().join("run"));
        let store = Store::open(dirs).unwrap();
        (directory, store)
    }

    fn create(store: &Store, name: &str) -> ContainerId {
        let record = ContainerRecord {
            id: ContainerId::random().unwrap(),
            name: name.to_owned(),
            created: jiff::Timestamp::UNIX_EPOCH,
            request: ContainerRequest::default(),
            resolved: Resolved::default(),
        };
        drop(store.create(&record, Durability::Unsynced).unwrap());
        record.id
    }

    fn edit(store: &Store, id: &ContainerId, change: impl FnOnce(&mut Value)) {
        let path = store.record_path(id);
        let mut document = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut document);
        let bytes = serde_json::to_vec(&document).unwrap();
        atomic::replace_file(&path, &bytes, Durability::Unsynced).unwrap();
    }

    fn repair_all(store: &Store) {
        for problem in store.check().unwrap() {
            store.repair(&problem).unwrap();
        }
    }

    #[test]
    fn a_sound_store_has_no_problems() {
        let (_directory, store) = store();
        create(&store, "web");
        assert_eq!(store.check().unwrap(), []);
    }

    #[test]
    fn names_are_repaired_and_what_is_not_understood_stays() {
        let (_directory, store) = store();
        let web = create(&store, "web");
        let other = create(&store, "other");
        fs::remove_file(store.dirs().names("containers").join("web")).unwrap();
        edit(&store, &other, |record| {
            record["name"] = "web".into();
            record["fromTheFuture"] = 42.into();
        });
        repair_all(&store);
        assert_eq!(store.check().unwrap(), []);
        assert_eq!(store.list().unwrap().len(), 2);
        let names = [&web, &other].map(|id| store.load(id).unwrap().name);
        assert!(names.contains(&"web".to_owned()), "{names:?}");
        assert_ne!(names[0], names[1]);
        for (id, name) in [&web, &other].into_iter().zip(&names) {
            assert_eq!(store.resolve(name).unwrap(), *id);
        }
        let text = fs::read_to_string(store.record_path(&other)).unwrap();
        assert!(text.contains("\"fromTheFuture\":42"), "{text}");
        assert_eq!(
            store
                .sweep(super::super::sweep::SweepMode::Remove)
                .unwrap()
                .names,
            ["other"]
        );
    }

    #[test]
    fn what_cannot_be_repaired_is_told_and_left() {
        let (_directory, store) = store();
        let [lost, future, copied, state] = ["a", "b", "c", "d"].map(|name| create(&store, name));
        atomic::replace_file(&store.record_path(&lost), b"{\"id\":", Durability::Unsynced).unwrap();
        edit(&store, &future, |record| {
            record["created"] = Value::Array(Vec::new());
        });
        edit(&store, &copied, |record| {
            record["id"] = "ab".repeat(32).into();
        });
        fs::File::create(store.state_path(&state)).unwrap();
        fs::File::create(store.dirs().containers().join("notes.txt")).unwrap();
        let mut remedies: Vec<(Option<ContainerId>, Remedy)> = Vec::new();
        for problem in store.check().unwrap() {
            remedies.push((problem.container().cloned(), problem.remedy()));
        }
        for expected in [
            (None, Remedy::None),
            (Some(lost), Remedy::RemoveContainer),
            (Some(future), Remedy::None),
            (Some(copied), Remedy::RemoveContainer),
            (Some(state.clone()), Remedy::Repair),
        ] {
            assert!(remedies.contains(&expected), "{expected:?} in {remedies:?}");
        }
        repair_all(&store);
        assert_eq!(store.check().unwrap().len(), 4, "all but the state");
        assert_eq!(store.read_state(&state).unwrap().status, Status::Exited);
    }
}
