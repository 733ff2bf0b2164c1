// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pods: one document each, `pods/<id>.json`. Which containers belong to a pod stands in their own
//! records and nowhere else.
//!
//! A pod appears by the rename of its whole document and disappears by its removal, under a lock
//! on `pods/`: that makes names unique without an index, for there are few pods. Readers take no
//! lock.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StateError;
use super::atomic::{self, Durability, is_half_written};
use super::dirs::Dirs;
use super::events::{Action, Event, EventLog};
use super::id::{ContainerId, PodId};
use super::limits::Limits;
use super::locks::{Contention, DirectoryLock};
use super::names::is_valid;
use crate::sys::fs::private_directories;
use crate::sys::{Called, SysError};

/// What a pod is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodRecord {
    /// The pod's id.
    pub id: PodId,
    /// Its unique name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// What the user asked for.
    #[serde(default)]
    pub request: PodRequest,
    /// The container that holds what the others share; it is made after the pod.
    #[serde(default)]
    pub infra: Option<ContainerId>,
}

/// What the user asked of a pod, beside its infra container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodRequest {
    /// `--label` and `--label-file`.
    pub labels: BTreeMap<String, String>,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--share`: what the containers have in common, without repeats.
    pub shared: Vec<SharedNamespace>,
    /// `--exit-policy`.
    pub exit_policy: ExitPolicy,
    /// What its containers may use of the machine, all together.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// `--cgroup-parent`: below which cgroup its own is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    /// `--restart`, as typed: what containers without a policy of their own have.
    pub restart: Option<String>,
    /// The command line that created it, for inspect.
    pub create_command: Vec<String>,
}

/// A kind of namespace that the containers of a pod can share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SharedNamespace {
    /// Their cgroup namespace.
    Cgroup,
    /// Their IPC namespace with its /dev/shm.
    Ipc,
    /// Their network.
    Net,
    /// Their processes.
    Pid,
    /// Their host name.
    Uts,
}

impl PodRequest {
    /// What is shared where nothing else was asked for.
    pub fn default_share() -> Vec<SharedNamespace> {
        vec![
            SharedNamespace::Ipc,
            SharedNamespace::Net,
            SharedNamespace::Uts,
        ]
    }
}

impl SharedNamespace {
    /// Its name in `--share`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Ipc => "ipc",
            Self::Net => "net",
            Self::Pid => "pid",
            Self::Uts => "uts",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Cgroup, Self::Ipc, Self::Net, Self::Pid, Self::Uts];
        all.into_iter().find(|one| one.name() == name)
    }
}

/// What happens when the last container of a pod has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExitPolicy {
    /// The infra container goes on.
    #[default]
    Continue,
    /// The infra container is stopped.
    Stop,
}

impl ExitPolicy {
    /// Its name in `--exit-policy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Stop => "stop",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Continue, Self::Stop];
        all.into_iter().find(|one| one.name() == name)
    }
}

/// A handle on the pods of one store. Holds no descriptor.
#[derive(Debug, Clone)]
pub struct Pods {
    directory: PathBuf,
    tmp: PathBuf,
    events: EventLog,
}

/// The right to make and remove pods, and to make containers in them, held until it is dropped.
#[derive(Debug)]
pub struct PodsLock {
    _directory: DirectoryLock,
}

/// Tells others that a pod is not finished yet and that its maker lives, until it is dropped.
#[derive(Debug)]
pub struct Making {
    path: PathBuf,
    _directory: DirectoryLock,
}

impl Drop for Making {
    fn drop(&mut self) {
        // What stays is swept.
        drop(fs::remove_dir(&self.path));
    }
}

/// What a list of the pods found.
#[derive(Debug, Default)]
pub struct PodList {
    /// The pods, the one created first in front.
    pub pods: Vec<PodRecord>,
    /// Records that cannot be read.
    pub damaged: Vec<StateError>,
}

impl Pods {
    /// The pods of the store at `dirs`.
    pub fn new(dirs: &Dirs) -> Self {
        Self {
            directory: dirs.pods(),
            tmp: dirs.tmp(),
            events: dirs.events.clone(),
        }
    }

    /// Waits for the right to change pods.
    ///
    /// # Errors
    ///
    /// What mkdir(2) and flock(2) say.
    pub fn lock(&self) -> Result<PodsLock, StateError> {
        let path = &self.directory;
        loop {
            private_directories()
                .create(path)
                .called(|| format!("mkdir({})", path.display()))
                .map_err(self.failure("make the pods of"))?;
            let lock = DirectoryLock::take(path, Contention::Wait);
            if let Some(directory) = lock.map_err(self.failure("lock the pods of"))? {
                return Ok(PodsLock {
                    _directory: directory,
                });
            }
        }
    }

    /// Begins to make a pod: until its infra container is there, a check would take it for the
    /// remains of a killed command.
    ///
    /// # Errors
    ///
    /// What mkdir(2) and flock(2) say.
    pub fn begin(&self, id: &PodId) -> Result<Making, StateError> {
        let path = self.making(id);
        loop {
            private_directories()
                .create(&path)
                .called(|| format!("mkdir({})", path.display()))
                .map_err(self.failure("make a pod in"))?;
            let lock = DirectoryLock::take(&path, Contention::Wait);
            // A sweep may take it for a dead one's before it is locked.
            if let Some(directory) = lock.map_err(self.failure("make a pod in"))? {
                return Ok(Making {
                    path,
                    _directory: directory,
                });
            }
        }
    }

    /// Whether somebody who lives is making the pod.
    pub fn is_being_made(&self, id: &PodId) -> bool {
        let path = self.making(id);
        let lock = DirectoryLock::take(&path, Contention::GiveUp);
        !matches!(lock, Ok(Some(_))) && path.exists()
    }

    fn making(&self, id: &PodId) -> PathBuf {
        self.tmp.join(format!("pod-{id}"))
    }

    /// Makes a pod, if its name is free.
    ///
    /// # Errors
    ///
    /// [`StateError::PodNameInUse`] and [`StateError::InvalidName`].
    pub fn create(&self, lock: &PodsLock, record: &PodRecord) -> Result<(), StateError> {
        let name = &record.name;
        if !is_valid(name) {
            return Err(StateError::InvalidName { name: name.clone() });
        }
        self.sweep(lock);
        let holder = self.list()?.pods.into_iter().find(|pod| pod.name == *name);
        if let Some(holder) = holder {
            return Err(StateError::PodNameInUse {
                name: name.clone(),
                id: holder.id,
            });
        }
        let bytes = serde_json::to_vec(record).expect("a record has only text keys");
        atomic::replace_file(&self.path(&record.id), &bytes, Durability::Synced)
            .map_err(self.failure("make a pod in"))
    }

    /// Removes a pod's record, also one that cannot be read. One that is gone is no error.
    ///
    /// # Errors
    ///
    /// What unlink(2) says.
    pub fn remove(&self, lock: &PodsLock, id: &PodId) -> Result<(), StateError> {
        self.sweep(lock);
        let path = self.path(id);
        let name = self.load(id).map(|record| record.name);
        match fs::remove_file(&path) {
            Ok(()) => {
                let name = name.unwrap_or_default();
                let event = Event::of_pod(id.as_str(), &name, Action::Remove);
                self.events.write(&[event]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error)
                .called(|| format!("unlink({})", path.display()))
                .map_err(self.failure("remove a pod from")),
        }
    }

    /// Reads a pod's record.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchPod`] when it has gone, [`StateError::Corrupt`] when it is no record.
    pub fn load(&self, id: &PodId) -> Result<PodRecord, StateError> {
        let path = self.path(id);
        match atomic::read_document(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StateError::Corrupt { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_such(id.as_str())),
            Err(error) => Err(error)
                .called(|| format!("read({})", path.display()))
                .map_err(self.failure("read a pod of")),
        }
    }

    /// Whether there is a pod of that id.
    pub fn exists(&self, id: &PodId) -> bool {
        self.path(id).exists()
    }

    /// Reads every pod. One that goes away meanwhile is left out.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn list(&self) -> Result<PodList, StateError> {
        let mut list = PodList::default();
        for id in self.ids()? {
            match self.load(&id) {
                Ok(record) => list.pods.push(record),
                Err(StateError::NoSuchPod { .. }) => {}
                Err(error) => list.damaged.push(error),
            }
        }
        list.pods
            .sort_by(|left, right| (left.created, &left.id).cmp(&(right.created, &right.id)));
        Ok(list)
    }

    /// Finds the pod that `text` means: an exact name, a full id, or the beginning of one id.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchPod`] and [`StateError::AmbiguousPod`].
    pub fn resolve(&self, text: &str) -> Result<PodId, StateError> {
        if let Some(id) = PodId::parse(text).filter(|id| self.exists(id)) {
            return Ok(id);
        }
        if !is_valid(text) {
            return Err(no_such(text));
        }
        let named = self.list()?.pods.into_iter().find(|pod| pod.name == text);
        if let Some(pod) = named {
            return Ok(pod.id);
        }
        let mut matches = self.ids()?;
        matches.retain(|id| id.as_str().starts_with(text));
        match matches.len() {
            0 => Err(no_such(text)),
            1 => Ok(matches.remove(0)),
            _ => Err(StateError::AmbiguousPod {
                name: text.to_owned(),
                matches,
            }),
        }
    }

    /// The ids of all pods, in no order.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn ids(&self) -> Result<Vec<PodId>, StateError> {
        let names = self.file_names()?;
        let id = |name: &String| PodId::parse(name.strip_suffix(".json")?);
        Ok(names.iter().filter_map(id).collect())
    }

    fn file_names(&self) -> Result<Vec<String>, StateError> {
        let path = &self.directory;
        let called = || format!("readdir({})", path.display());
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries
                .called(called)
                .map_err(self.failure("list the pods of"))?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.collect())
    }

    /// Removes what killed makers left half-written: all living ones hold the lock.
    pub fn sweep(&self, _lock: &PodsLock) {
        let names = self.file_names().unwrap_or_default();
        for name in names.iter().filter(|name| is_half_written(name)) {
            // It takes room and nothing else.
            drop(fs::remove_file(self.directory.join(name)));
        }
    }

    fn path(&self, id: &PodId) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }

    fn failure(&self, action: &'static str) -> impl FnOnce(SysError) -> StateError {
        let path = self
            .directory
            .parent()
            .unwrap_or(&self.directory)
            .to_owned();
        move |source| StateError::Store {
            action,
            path,
            source,
        }
    }
}

fn no_such(name: &str) -> StateError {
    StateError::NoSuchPod {
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> (tempfile::TempDir, Pods) {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("data"), directory.path().join("run"));
        (directory, Pods::new(&dirs))
    }

    fn record(byte: u8, name: &str) -> PodRecord {
        PodRecord {
            id: PodId::from_random(&[byte; 32]),
            name: name.to_owned(),
            created: Timestamp::UNIX_EPOCH,
            request: PodRequest::default(),
            infra: None,
        }
    }

    #[test]
    fn a_name_is_one_pods_and_free_after_its_removal() {
        let (_directory, pods) = pods();
        assert!(pods.list().unwrap().pods.is_empty());
        let lock = pods.lock().unwrap();
        let web = record(0xab, "web");
        pods.create(&lock, &web).unwrap();
        assert_eq!(pods.list().unwrap().pods, std::slice::from_ref(&web));
        let refused = pods.create(&lock, &record(2, "web")).unwrap_err();
        assert!(matches!(refused, StateError::PodNameInUse { id, .. } if id == web.id));
        for text in ["web", "ab", "abab", web.id.as_str()] {
            assert_eq!(pods.resolve(text).unwrap(), web.id, "{text}");
        }
        pods.remove(&lock, &web.id).unwrap();
        let missing = pods.resolve("web").unwrap_err().to_string();
        assert_eq!(missing, "no pod with name or ID web found: no such pod");
        pods.create(&lock, &record(2, "web")).unwrap();
    }

    #[test]
    fn a_pod_is_being_made_as_long_as_its_maker_lives() {
        let (directory, pods) = pods();
        let id = record(1, "web").id;
        assert!(!pods.is_being_made(&id));
        let making = pods.begin(&id).unwrap();
        assert!(pods.is_being_made(&id));
        assert!(!pods.is_being_made(&record(2, "other").id));
        drop(making);
        assert!(!pods.is_being_made(&id));
        // What a killed maker leaves is nobody's.
        fs::create_dir(directory.path().join(format!("data/tmp/pod-{id}"))).unwrap();
        assert!(!pods.is_being_made(&id));
    }

    #[test]
    fn half_written_and_damaged_records_hide_nobody() {
        let (_directory, pods) = pods();
        let lock = pods.lock().unwrap();
        let web = record(1, "web");
        pods.create(&lock, &web).unwrap();
        let half = pods.directory.join(".x.json.0123.tmp");
        fs::File::create(&half).unwrap();
        let damaged = PodId::from_random(&[9; 32]);
        atomic::write_new_file(&pods.path(&damaged), b"{\"id\":", Durability::Unsynced).unwrap();
        let list = pods.list().unwrap();
        assert_eq!((list.pods, list.damaged.len()), (vec![web], 1));
        pods.create(&lock, &record(2, "db")).unwrap();
        assert!(!half.exists());
        assert_eq!(pods.resolve(damaged.as_str()).unwrap(), damaged);
        pods.remove(&lock, &damaged).unwrap();
        assert!(pods.list().unwrap().damaged.is_empty());
    }
}
