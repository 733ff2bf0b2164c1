// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory of a container: what it is and which process. Status is never written down, but
//! read off the process.

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use oci_spec::runtime::{ContainerState, Spec, State};
use serde::{Deserialize, Serialize};

use super::cgroups::Cgroups;
use super::error::file;
use super::every_id::is_nested;
use super::{BundleError, Runtime};
use crate::runtime::lifecycle::{MAKING_NAME, WAITING_NAME};
use crate::state::atomic::{Durability, replace_file};
use crate::state::locks::{Contention, DirectoryLock};
use crate::state::place::Relation;
use crate::state::record::{Place, ProcessIdentity};
use crate::sys::pidfd::Pidfd;

/// The socket at which the init stage waits.
pub(super) const START_SOCKET: &str = "start.sock";

/// How long `state` waits for a container that is being made.
const MADE_WITHIN: Duration = Duration::from_millis(500);

const STATE: &str = "state.json";
const CONFIG: &str = "config.json";

/// What is written down of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// The spec's version.
    pub(super) oci_version: String,
    pub(super) id: String,
    /// Absolute.
    pub(super) bundle: PathBuf,
    /// Absolute.
    pub(super) rootfs: PathBuf,
    #[serde(default)]
    pub(super) annotations: HashMap<String, String>,
    pub(super) created: Timestamp,
    /// Where the process id means something.
    pub(super) place: Place,
    /// Its first process, once there is one.
    pub(super) process: Option<ProcessIdentity>,
    #[serde(default)]
    pub(super) cgroups: Cgroups,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// A row of `list`, and what `state` shows.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The spec's version.
    pub oci_version: String,
    /// Its name here.
    pub id: String,
    /// Its first process; 0 when it has ended.
    pub pid: i32,
    /// In the words of the runtime specification, and `paused`.
    pub status: &'static str,
    /// The directory of its spec.
    pub bundle: PathBuf,
    /// The directory of its files.
    pub rootfs: PathBuf,
    /// When it was created.
    pub created: Timestamp,
    /// The user whose it is.
    pub owner: String,
    /// What the spec says of it.
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    pub annotations: HashMap<String, String>,
}

impl Record {
    /// What hooks are told.
    pub(super) fn state(&self) -> State {
        let mut state = State::default();
        state.set_version(self.oci_version.clone());
        state.set_id(self.id.clone());
        state.set_bundle(self.bundle.clone());
        state.set_annotations(Some(self.annotations.clone()));
        state.set_status(ContainerState::Stopped);
        state
    }
}

/// A container's directory.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    id: String,
}

impl Runtime {
    /// The directory of the container `id`, which may not be there.
    pub(super) fn directory(&self, id: &str) -> Result<Directory, BundleError> {
        if !is_valid(id) {
            return Err(BundleError::Id { id: id.to_owned() });
        }
        Ok(Directory {
            path: self.root.join(id),
            id: id.to_owned(),
        })
    }

    /// A container that is there, with what it is doing.
    pub(super) fn find(&self, id: &str) -> Result<(Directory, Record, Status), BundleError> {
        let directory = self.directory(id)?;
        let record = directory.read()?;
        let status = directory.status(&record);
        Ok((directory, record, status))
    }

    /// Every container.
    ///
    /// # Errors
    ///
    /// A root that is there and cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, BundleError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| file(&self.root, source))?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        // One that is just being made or removed is not there.
        let mut rows: Vec<Listed> = names.filter_map(|id| self.listed(&id).ok()).collect();
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(rows)
    }

    /// What a container is doing. One that is just being made is waited for a moment: other
    /// runtimes show none before it is created, and their callers look for that. Its own hooks,
    /// for which nothing changes meanwhile, may ask, too.
    ///
    /// # Errors
    ///
    /// [`BundleError::Missing`].
    pub fn state(&self, id: &str) -> Result<Listed, BundleError> {
        let deadline = Instant::now() + MADE_WITHIN;
        loop {
            let listed = self.listed(id)?;
            if listed.status != Status::Creating.name() || Instant::now() >= deadline {
                return Ok(listed);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn listed(&self, id: &str) -> Result<Listed, BundleError> {
        let (directory, record, status) = self.find(id)?;
        let owner = directory.path.metadata().map_or(0, |found| found.uid());
        let lives = status != Status::Stopped;
        let process = record.process.filter(|_| lives);
        Ok(Listed {
            oci_version: record.oci_version,
            id: record.id,
            pid: process.map_or(0, |process| process.pid),
            status: status.name(),
            bundle: record.bundle,
            rootfs: record.rootfs,
            created: record.created,
            owner: owner_name(owner),
            annotations: record.annotations,
        })
    }
}

impl Directory {
    /// Makes it, and locks it.
    pub(super) fn make(&self) -> Result<DirectoryLock, BundleError> {
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(parent);
        made.map_err(|source| file(parent, source))?;
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(BundleError::Exists {
                    id: self.id.clone(),
                });
            }
            made => made.map_err(|source| file(&self.path, source))?,
        }
        self.lock()
    }

    /// Waits for whoever changes the container, and keeps others from it.
    pub(super) fn lock(&self) -> Result<DirectoryLock, BundleError> {
        DirectoryLock::take(&self.path, Contention::Wait)?.ok_or_else(|| self.missing())
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    pub(super) fn missing(&self) -> BundleError {
        BundleError::Missing {
            id: self.id.clone(),
        }
    }

    pub(super) fn read(&self) -> Result<Record, BundleError> {
        self.read_json(STATE)
    }

    /// The spec that the container was made from.
    pub(super) fn read_spec(&self) -> Result<Spec, BundleError> {
        self.read_json(CONFIG)
    }

    fn read_json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, BundleError> {
        let path = self.path.join(name);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(self.missing()),
            bytes => bytes.map_err(|source| file(&path, source))?,
        };
        serde_json::from_slice(&bytes).map_err(|source| BundleError::Form { path, source })
    }

    pub(super) fn write(&self, record: &Record) -> Result<(), BundleError> {
        self.write_json(STATE, record)
    }

    pub(super) fn write_spec(&self, spec: &Spec) -> Result<(), BundleError> {
        self.write_json(CONFIG, spec)
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), BundleError> {
        let path = self.path.join(name);
        let bytes = serde_json::to_vec(value).map_err(|source| BundleError::Form {
            path: path.clone(),
            source,
        })?;
        Ok(replace_file(&path, &bytes, Durability::Unsynced)?)
    }

    /// Removes it with what is in it.
    pub(super) fn remove(&self) -> Result<(), BundleError> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(file(&self.path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn status(&self, record: &Record) -> Status {
        let Some(process) = record.process else {
            let lock = DirectoryLock::take(&self.path, Contention::GiveUp);
            // Whoever makes it holds the lock; nobody finishes what has been left.
            return match lock {
                Ok(Some(_)) => Status::Stopped,
                Ok(None) | Err(_) => Status::Creating,
            };
        };
        match record.place.relation_to(Place::here()) {
            Relation::Here if process.is_alive() => {}
            Relation::Here | Relation::Rebooted | Relation::Elsewhere => return Status::Stopped,
        }
        if self.path.join(START_SOCKET).exists() {
            match stage_of(process.pid).as_slice() {
                waiting if waiting == WAITING_NAME.to_bytes() => return Status::Created,
                making if making == MAKING_NAME.to_bytes() => return Status::Creating,
                _ => {}
            }
        }
        if record.cgroups.is_frozen() {
            return Status::Paused;
        }
        Status::Running
    }
}

impl Record {
    /// A descriptor of the first process, while it lives.
    pub(super) fn open(&self) -> Result<Option<(i32, Pidfd)>, BundleError> {
        let here = self.place.relation_to(Place::here()) == Relation::Here;
        let Some(process) = self.process.filter(|_| here) else {
            return Ok(None);
        };
        let opened = process.open_pidfd()?;
        Ok(opened.map(|pidfd| (process.pid, pidfd)))
    }
}

/// The name of our stage, or of the program that it has become.
fn stage_of(pid: i32) -> Vec<u8> {
    let mut name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.truncate(name.strip_suffix(b"\n").map_or(0, <[u8]>::len));
    name
}

/// Letters, digits and `_ + - .`; a name is one part of a path, and no hidden one.
fn is_valid(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    (1..=1024).contains(&id.len()) && id.bytes().all(plain) && !id.starts_with('.')
}

/// Without NSS, as the whole program.
fn owner_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("#{uid}"))
}

/// Where containers are recorded when nobody says where: `$XDG_RUNTIME_DIR/coracle-runtime`, for
/// real root `/run/coracle-runtime`.
pub fn default_root() -> PathBuf {
    let real_root = nix::unistd::geteuid().is_root() && !is_nested();
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty() && !real_root);
    match own {
        Some(path) => PathBuf::from(path).join("coracle-runtime"),
        None if nix::unistd::geteuid().is_root() => PathBuf::from("/run/coracle-runtime"),
        None => std::env::temp_dir().join(format!("coracle-runtime-{}", nix::unistd::geteuid())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_part_of_a_path() {
        for id in ["a", "web_1.2+3-x", &"x".repeat(1024)] {
            assert!(is_valid(id), "{id}");
        }
        for id in [
            "",
            ".",
            "..",
            ".a",
            "a/b",
            "a b",
            "\u{e9}",
            &"x".repeat(1025),
        ] {
            assert!(!is_valid(id), "{id}");
        }
    }
}
