// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is wrong with the records of volumes, in words, and its repair. The files of a volume are
//! never touched.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;

use super::atomic::read_document;
use super::atomic::{self, Durability, is_half_written};
use super::names::is_valid;
use super::volumes::{VolumeError, VolumeLock, VolumeRecord, Volumes};
use crate::sys::Called;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeProblem {
    /// `volume.json` is missing, empty or no JSON.
    RecordLost {
        /// The volume.
        name: String,
        /// What is wrong with the file.
        reason: String,
    },
    /// A record that is JSON but not as this coracle knows it: a newer one may have written it.
    RecordNotUnderstood {
        /// The volume.
        name: String,
        /// What is not understood.
        reason: String,
    },
    /// A record that calls the volume otherwise: the directory was copied or renamed by hand.
    RecordOfAnother {
        /// The volume that the directory is called.
        name: String,
        /// The volume that the record is about.
        record: String,
    },
    /// A volume without the directory of its files.
    FilesMissing {
        /// The volume.
        name: String,
    },
    /// What a killed command left of a record.
    HalfWritten {
        /// The volume.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// Something among the volumes that is none.
    Stranger {
        /// What it is.
        path: PathBuf,
    },
}

impl VolumeProblem {
    /// The volume that has it, if it can be repaired without a loss.
    pub fn repairable(&self) -> Option<&str> {
        match self {
            Self::RecordLost { name, .. }
            | Self::RecordOfAnother { name, .. }
            | Self::HalfWritten { name, .. } => Some(name),
            Self::RecordNotUnderstood { .. }
            | Self::FilesMissing { .. }
            | Self::Stranger { .. } => None,
        }
    }
}

impl fmt::Display for VolumeProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordLost { name, reason } => {
                write!(out, "volume {name}: its record is lost ({reason})")
            }
            Self::RecordNotUnderstood { name, reason } => write!(
                out,
                "volume {name}: its record is not understood ({reason}); \
                 a newer coracle may have written it"
            ),
            Self::RecordOfAnother { name, record } => {
                write!(out, "volume {name}: its record is that of {record}")
            }
            Self::FilesMissing { name } => {
                write!(out, "volume {name}: the directory of its files is missing")
            }
            Self::HalfWritten { path, .. } => {
                write!(out, "{}: left by a process that was killed", path.display())
            }
            Self::Stranger { path } => write!(out, "{}: is no volume", path.display()),
        }
    }
}

impl Volumes {
    /// Reads every record and says what is wrong.
    ///
    /// # Errors
    ///
    /// When the volumes cannot be listed.
    pub fn check(&self) -> Result<Vec<VolumeProblem>, VolumeError> {
        let mut problems = Vec::new();
        for path in self.entries()? {
            let name = path.file_name().and_then(|name| name.to_str());
            match name.filter(|name| is_valid(name) && path.is_dir()) {
                Some(name) => problems.extend(self.check_one(name)),
                None => problems.push(VolumeProblem::Stranger { path }),
            }
        }
        Ok(problems)
    }

    /// Repairs what [`VolumeProblem::repairable`] says of the locked volume; leaves any other
    /// problem alone.
    ///
    /// # Errors
    ///
    /// When the files cannot be written.
    pub fn repair(&self, lock: &VolumeLock, problem: &VolumeProblem) -> Result<(), VolumeError> {
        let name = lock.name();
        let failed = |source| VolumeError::Files {
            action: "repair",
            name: name.to_owned(),
            source,
        };
        let path = self.record_path(name);
        match problem {
            VolumeProblem::RecordLost { .. } => self.make_record_again(name),
            VolumeProblem::RecordOfAnother { .. } => {
                let read = read_document(&path).called(|| format!("read({})", path.display()));
                let mut document: Value = serde_json::from_slice(&read.map_err(failed)?)
                    .map_err(|error| record_error(name, &error))?;
                document["name"] = name.into();
                let bytes = document.to_string().into_bytes();
                atomic::replace_file(&path, &bytes, Durability::Synced).map_err(failed)
            }
            VolumeProblem::HalfWritten { path, .. } => match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let called = Err(error).called(|| format!("unlink({})", path.display()));
                    called.map_err(failed)
                }
                _ => Ok(()),
            },
            VolumeProblem::RecordNotUnderstood { .. }
            | VolumeProblem::FilesMissing { .. }
            | VolumeProblem::Stranger { .. } => Ok(()),
        }
    }

    /// A volume by this name and as old as its directory. What is left of the old record is kept
    /// beside it: somebody may still read a label in it.
    fn make_record_again(&self, name: &str) -> Result<(), VolumeError> {
        let failed = |source| VolumeError::Files {
            action: "repair",
            name: name.to_owned(),
            source,
        };
        let path = self.record_path(name);
        let directory = self.directory(name);
        let told = fs::metadata(&directory).and_then(|metadata| metadata.modified());
        let modified = told
            .called(|| format!("stat({})", directory.display()))
            .map_err(failed)?;
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > 0) {
            let kept = path.with_extension("json.damaged");
            fs::copy(&path, &kept)
                .called(|| format!("copy({})", kept.display()))
                .map_err(failed)?;
        }
        self.save(&VolumeRecord {
            name: name.to_owned(),
            created: Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH),
            labels: std::collections::BTreeMap::new(),
            options: std::collections::BTreeMap::new(),
            anonymous: false,
            // It may be full of files, with the owners that they should have.
            needs_copy_up: false,
            needs_chown: false,
            uid: None,
            gid: None,
        })
    }

    fn check_one(&self, name: &str) -> Vec<VolumeProblem> {
        let mut problems = Vec::new();
        let owned = || name.to_owned();
        // One that is gone was removed while we looked.
        if let Err(problem) = self.check_record(name)
            && self.directory(name).is_dir()
        {
            problems.push(problem);
        }
        if !self.data(name).is_dir() && self.directory(name).is_dir() {
            problems.push(VolumeProblem::FilesMissing { name: owned() });
        }
        let beside = fs::read_dir(self.directory(name)).into_iter().flatten();
        let half = |entry: fs::DirEntry| is_half_written(&entry.file_name().to_string_lossy());
        // Whoever is writing one holds the lock.
        if let Ok(Some(_lock)) = self.try_lock(name) {
            for entry in beside.flatten() {
                let (name, path) = (owned(), entry.path());
                if half(entry) {
                    problems.push(VolumeProblem::HalfWritten { name, path });
                }
            }
        }
        problems
    }

    fn check_record(&self, name: &str) -> Result<(), VolumeProblem> {
        let lost = |reason: String| VolumeProblem::RecordLost {
            name: name.to_owned(),
            reason,
        };
        let bytes =
            read_document(self.record_path(name)).map_err(|error| lost(error.to_string()))?;
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|error| lost(error.to_string()))?;
        let record: VolumeRecord =
            serde_json::from_value(value).map_err(|error| VolumeProblem::RecordNotUnderstood {
                name: name.to_owned(),
                reason: error.to_string(),
            })?;
        if record.name == name {
            return Ok(());
        }
        Err(VolumeProblem::RecordOfAnother {
            name: name.to_owned(),
            record: record.name,
        })
    }
}

fn record_error(name: &str, error: &serde_json::Error) -> VolumeError {
    VolumeError::Record {
        name: name.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::dirs::Dirs;
    use super::*;

    /// Five volumes, each with a file.
    fn volumes() -> (tempfile::TempDir, Volumes) {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("d"), directory.path().join("r"));
        fs::create_dir_all(dirs.tmp()).unwrap();
        let volumes = Volumes::open(&dirs);
        for name in ["a", "b", "c", "d", "e"] {
            let record = serde_json::json!({"name": name, "created": "2026-11-21T00:00:00Z"});
            drop(volumes.create(&serde_json::from_value(record).unwrap()));
            put(&volumes.data(name).join("file"), b"kept");
        }
        (directory, volumes)
    }

    fn put(path: &std::path::Path, bytes: &[u8]) {
        atomic::replace_file(path, bytes, Durability::Unsynced).unwrap();
    }

    #[test]
    fn what_is_wrong_is_told_and_mended_and_no_file_is_touched() {
        let (_directory, volumes) = volumes();
        assert_eq!(volumes.check().unwrap(), []);
        put(&volumes.record_path("a"), b"{\"name\": \"a\", \"labels\"");
        put(&volumes.record_path("b"), b"");
        put(
            &volumes.record_path("c"),
            br#"{"name": "web", "created": "2026-11-21T00:00:00Z", "fromTheFuture": 42}"#,
        );
        put(&volumes.record_path("d"), b"{\"name\": [\"d\"]}");
        fs::rename(volumes.data("e"), volumes.directory("e").join("away")).unwrap();
        put(&volumes.directory("e").join(".volume.json.1.tmp"), b"x");
        let stranger = volumes.directory("notes.txt");
        put(&stranger, b"mine");

        let found = volumes.check().unwrap();
        assert_eq!(found.len(), 7, "{found:?}");
        for problem in &found {
            if let Some(name) = problem.repairable() {
                let lock = volumes.lock(name).unwrap();
                volumes.repair(&lock, problem).unwrap();
            }
        }
        let left: Vec<String> = volumes
            .check()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(
            left.iter()
                .any(|line| line.starts_with("volume d: its record is not understood"))
        );
        assert!(left.contains(&"volume e: the directory of its files is missing".to_owned()));
        assert!(left.contains(&format!("{}: is no volume", stranger.display())));
        for name in ["a", "b", "c", "d"] {
            assert_eq!(fs::read(volumes.data(name).join("file")).unwrap(), b"kept");
        }
        assert_eq!(volumes.load("a").unwrap().name, "a");
        let old = fs::read(volumes.directory("a").join("volume.json.damaged")).unwrap();
        assert_eq!(old, b"{\"name\": \"a\", \"labels\"");
        let renamed = fs::read_to_string(volumes.record_path("c")).unwrap();
        assert!(renamed.contains("\"fromTheFuture\":42"), "{renamed}");
    }
}
