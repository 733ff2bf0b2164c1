// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Volumes on disk: directories that outlive the containers which use them. Which containers do is
//! written in their own records alone, so that no count can be wrong.
//!
//! ```text
//! volumes/<name>/volume.json   what the volume is
//! volumes/<name>/_data/        its files, with the owners that containers gave them
//! ```
//!
//! Whoever makes a container that names a volume, fills it or removes it holds the lock of its
//! directory; where there are several, by name. The lock of a container comes before it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use jiff::Timestamp;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::ahead::{Document, read_ahead};
use super::atomic::read_document;
use super::atomic::{self, Durability};
use super::dirs::Dirs;
use super::events::{Action, Event, EventLog};
use super::locks::{Contention, DirectoryLock};
use super::names::is_valid;
use super::tree::{RemoveTreeError, remove_tree};
use crate::sys::fs::private_directories;
use crate::sys::process::random_bytes;
use crate::sys::{Called, SysError, SysResult};

/// `volume.json`: what a volume is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// Its unique name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// `--label`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `--opt`, as typed.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Made for one container, without a name of its own.
    #[serde(default)]
    pub anonymous: bool,
    /// Whether the first container that uses it still has to copy what its image has there.
    #[serde(default)]
    pub needs_copy_up: bool,
    /// Whether it still has to be given to the user of a container.
    #[serde(default)]
    pub needs_chown: bool,
    /// `--uid`.
    #[serde(default)]
    pub uid: Option<u32>,
    /// `--gid`.
    #[serde(default)]
    pub gid: Option<u32>,
}

/// What can go wrong with a volume. The words that scripts search for are podman's.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The name is taken.
    #[error("volume with name {name} already exists: volume already exists")]
    Exists {
        /// Which.
        name: String,
    },
    /// No volume is called like this.
    #[error("no such volume {name}")]
    Missing {
        /// What was typed.
        name: String,
    },
    /// Not a name that a volume can have.
    #[error(
        "running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"
    )]
    InvalidName {
        /// What was typed.
        name: String,
    },
    /// Its record is no such document.
    #[error("volume {name}: its record cannot be read: {reason}")]
    Record {
        /// Which.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Files of other ids are left, to be removed inside the user's namespace.
    #[error("{} holds files of other user ids of your range", path.display())]
    NeedsNamespace {
        /// Where they are.
        path: PathBuf,
    },
    /// A file or directory of its own.
    #[error("{action} volume {name}")]
    Files {
        /// What was attempted.
        action: &'static str,
        /// Which.
        name: String,
        /// What the kernel said.
        source: SysError,
    },
}

/// The right to change a volume, until it is dropped.
#[derive(Debug)]
pub struct VolumeLock {
    name: String,
    _directory: DirectoryLock,
}

impl VolumeLock {
    /// The volume's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The volumes of a store.
#[derive(Debug, Clone)]
pub struct Volumes {
    root: PathBuf,
    tmp: PathBuf,
    events: EventLog,
}

impl Volumes {
    /// Those of the store at `dirs`.
    pub fn open(dirs: &Dirs) -> Self {
        Self {
            root: dirs.volumes(),
            tmp: dirs.tmp(),
            events: dirs.events.clone(),
        }
    }

    /// Where the files of a volume are.
    pub fn data(&self, name: &str) -> PathBuf {
        self.root.join(name).join("_data")
    }

    pub(super) fn directory(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn record_path(&self, name: &str) -> PathBuf {
        self.root.join(name).join(RECORD)
    }

    /// Makes a volume; nobody else can change it as long as the lock is held.
    ///
    /// # Errors
    ///
    /// [`VolumeError::Exists`], [`VolumeError::InvalidName`], or what the disk says.
    pub fn create(&self, record: &VolumeRecord) -> Result<VolumeLock, VolumeError> {
        let name = &record.name;
        if !is_valid(name) {
            return Err(VolumeError::InvalidName { name: name.clone() });
        }
        let failed = |source| files("make", name, source);
        private_directories()
            .create(&self.root)
            .called(|| "mkdir(volumes)")
            .map_err(failed)?;
        loop {
            let staged = self.unused();
            let Some(lock) = make_staged(&staged, record).map_err(failed)? else {
                continue;
            };
            return match atomic::rename(&staged, &self.root.join(name)) {
                Ok(()) => {
                    self.events.write(&[Event::of_volume(name, Action::Create)]);
                    Ok(VolumeLock {
                        name: name.clone(),
                        _directory: lock,
                    })
                }
                Err(error) => {
                    drop(remove_tree(&staged));
                    Err(match error.errno {
                        Errno::EEXIST | Errno::ENOTEMPTY => {
                            VolumeError::Exists { name: name.clone() }
                        }
                        _ => failed(error),
                    })
                }
            };
        }
    }

    /// Waits for the right to change a volume.
    ///
    /// # Errors
    ///
    /// [`VolumeError::Missing`], also when it was removed while we waited.
    pub fn lock(&self, name: &str) -> Result<VolumeLock, VolumeError> {
        let missing = || VolumeError::Missing {
            name: name.to_owned(),
        };
        if !is_valid(name) {
            return Err(missing());
        }
        let lock = DirectoryLock::take(&self.root.join(name), Contention::Wait);
        let lock = lock.map_err(|source| files("lock", name, source))?;
        lock.map(|directory| VolumeLock {
            name: name.to_owned(),
            _directory: directory,
        })
        .ok_or_else(missing)
    }

    /// The right to change a volume, unless somebody has it or it is not there.
    pub(super) fn try_lock(&self, name: &str) -> SysResult<Option<DirectoryLock>> {
        DirectoryLock::take(&self.directory(name), Contention::GiveUp)
    }

    /// Reads what a volume is.
    ///
    /// # Errors
    ///
    /// [`VolumeError::Missing`], [`VolumeError::Record`].
    pub fn load(&self, name: &str) -> Result<VolumeRecord, VolumeError> {
        let missing = || VolumeError::Missing {
            name: name.to_owned(),
        };
        if !is_valid(name) {
            return Err(missing());
        }
        let bytes = match read_document(self.record_path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            read => read
                .called(|| format!("open({RECORD})"))
                .map_err(|source| files("read", name, source))?,
        };
        serde_json::from_slice(&bytes).map_err(|error| VolumeError::Record {
            name: name.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Calls `each` for all of `names`, in their order, with what [`Volumes::load`] says.
    pub fn load_all(
        &self,
        names: &[String],
        mut each: impl FnMut(&str, Result<VolumeRecord, VolumeError>),
    ) {
        read_ahead(&self.root, names, [RECORD], |name, [document]| {
            let read = match document {
                Document::Text(text) => serde_json::from_slice(text).ok(),
                Document::Absent | Document::Unread => None,
            };
            each(name, read.map_or_else(|| self.load(name), Ok));
        });
    }

    /// Writes what a volume is; whoever does so holds its lock, or waits for a child that does it.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn save(&self, record: &VolumeRecord) -> Result<(), VolumeError> {
        let path = self.record_path(&record.name);
        atomic::replace_file(&path, &to_json(record), Durability::Synced)
            .map_err(|source| files("write", &record.name, source))
    }

    /// The names of all volumes, sorted.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn list(&self) -> Result<Vec<String>, VolumeError> {
        let paths = self.entries()?.into_iter();
        let names = paths.filter_map(|path| path.file_name()?.to_owned().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_valid(name)).collect();
        names.sort();
        Ok(names)
    }

    /// Everything that lies among the volumes.
    pub(super) fn entries(&self) -> Result<Vec<PathBuf>, VolumeError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read
                .called(|| "readdir(volumes)")
                .map_err(|source| files("list", "*", source))?,
        };
        Ok(entries.flatten().map(|entry| entry.path()).collect())
    }

    /// The volume that `text` names: its name, or the beginning of no other.
    ///
    /// # Errors
    ///
    /// [`VolumeError::Missing`].
    pub fn resolve(&self, text: &str) -> Result<String, VolumeError> {
        if is_valid(text) && self.root.join(text).is_dir() {
            return Ok(text.to_owned());
        }
        let all = self.list()?;
        let mut like = all.iter().filter(|name| name.starts_with(text));
        match (like.next(), like.next()) {
            (Some(only), None) if !text.is_empty() => Ok(only.clone()),
            _ => Err(VolumeError::Missing {
                name: text.to_owned(),
            }),
        }
    }

    /// Removes a volume that no container uses: whoever holds its lock has looked.
    ///
    /// # Errors
    ///
    /// [`VolumeError::NeedsNamespace`]: it is gone, and files are left at that path.
    pub fn remove(&self, lock: &VolumeLock) -> Result<(), VolumeError> {
        let name = &lock.name;
        let failed = |source| files("remove", name, source);
        let away = self.unused();
        atomic::rename(&self.root.join(name), &away).map_err(failed)?;
        self.events.write(&[Event::of_volume(name, Action::Remove)]);
        atomic::sync_directory(&self.root).map_err(failed)?;
        remove_tree(&away).map_err(|error| match error {
            RemoveTreeError::NeedsNamespace { path } => VolumeError::NeedsNamespace { path },
            RemoveTreeError::Refused { source, .. } => failed(source),
        })
    }

    fn unused(&self) -> PathBuf {
        let bytes: [u8; 8] = random_bytes();
        self.tmp
            .join(format!("volume-{:016x}", u64::from_ne_bytes(bytes)))
    }
}

const RECORD: &str = "volume.json";

fn files(action: &'static str, name: &str, source: SysError) -> VolumeError {
    VolumeError::Files {
        action,
        name: name.to_owned(),
        source,
    }
}

/// `None` when a sweep took the directory for a dead one's before it was locked.
fn make_staged(
    staged: &std::path::Path,
    record: &VolumeRecord,
) -> SysResult<Option<DirectoryLock>> {
    let make = |path: &std::path::Path, mode: u32| {
        let made = fs::DirBuilder::new().mode(mode).create(path);
        made.called(|| format!("mkdir({})", path.display()))
    };
    make(staged, 0o700)?;
    let Some(lock) = DirectoryLock::take(staged, Contention::Wait)? else {
        return Ok(None);
    };
    // Containers of any user go in; nobody else comes as far as here.
    make(&staged.join("_data"), 0o755)?;
    atomic::write_new_file(&staged.join(RECORD), &to_json(record), Durability::Synced)?;
    Ok(Some(lock))
}

fn to_json(record: &VolumeRecord) -> Vec<u8> {
    serde_json::to_vec_pretty(record).expect("a record has no key that is not a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volumes() -> (tempfile::TempDir, Volumes) {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("d"), directory.path().join("r"));
        fs::create_dir_all(dirs.tmp()).unwrap();
        (directory, Volumes::open(&dirs))
    }

    fn record(name: &str) -> VolumeRecord {
        VolumeRecord {
            name: name.to_owned(),
            created: Timestamp::UNIX_EPOCH,
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
            anonymous: false,
            needs_copy_up: true,
            needs_chown: true,
            uid: None,
            gid: None,
        }
    }

    #[test]
    fn a_name_is_made_once_and_gone_when_it_is_removed() {
        let (_directory, volumes) = volumes();
        assert_eq!(volumes.list().unwrap(), Vec::<String>::new());
        let lock = volumes.create(&record("data")).unwrap();
        let again = volumes.create(&record("data")).unwrap_err();
        assert!(matches!(again, VolumeError::Exists { .. }), "{again}");
        assert_eq!(volumes.load("data").unwrap(), record("data"));
        assert_eq!(volumes.resolve("da").unwrap(), "data");
        assert!(volumes.resolve("").is_err());
        fs::create_dir(volumes.data("data").join("x")).unwrap();
        volumes.remove(&lock).unwrap();
        assert!(matches!(
            volumes.lock("data"),
            Err(VolumeError::Missing { .. })
        ));
        assert_eq!(fs::read_dir(&volumes.tmp).unwrap().count(), 0);
        for name in ["", "..", "a/b", "-x", "x y"] {
            assert!(volumes.create(&record(name)).is_err(), "{name}");
            assert!(volumes.lock(name).is_err() && volumes.load(name).is_err());
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let (_directory, volumes) = volumes();
        let _lock = volumes.create(&record("data")).unwrap();
        let filled = VolumeRecord {
            needs_copy_up: false,
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            ..record("data")
        };
        volumes.save(&filled).unwrap();
        assert_eq!(volumes.load("data").unwrap(), filled);
    }
}
