// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Secrets on disk: one file each, which only its owner can read, with the data in it. Who writes
//! holds the lock of their directory; readers take none.
//!
//! ```text
//! secrets/<id>.json                 name, times, labels and the data
//! containers/<id>/secrets.json      the copies that a container was given when it was made
//! ```
//!
//! The data stands nowhere else: not in a container's record, and in no message.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::atomic::read_document;
use super::atomic::{self, Durability};
use super::dirs::Dirs;
use super::events::{Action, Event};
use super::id::ContainerId;
use super::locks::{Contention, DirectoryLock};
use super::record::SecretRequest;
use crate::sys::fs::private_directories;
use crate::sys::process::random_bytes;
use crate::sys::{Called, SysError, SysResult};

/// The most bytes of a secret, and one more: Podman's bound.
const SIZE_MAX: usize = 512_000;
/// Hexadecimal digits of an id, as Podman has them.
const ID_LENGTH: usize = 25;
/// Bytes of the longest name.
const NAME_MAX: usize = 253;

/// The bytes of a secret, which no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretData(Vec<u8>);

impl SecretData {
    /// Keeps `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretData(…)")
    }
}

impl Serialize for SecretData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for SecretData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When its data was last replaced.
    pub updated: Timestamp,
    /// `--label`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `--driver-opts`, which mean nothing here.
    #[serde(default)]
    pub driver_options: BTreeMap<String, String>,
    /// What is secret.
    pub data: SecretData,
}

/// A secret that a container has, as it was when the container was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenSecret {
    /// How the container has it.
    pub request: SecretRequest,
    /// What is secret.
    pub data: SecretData,
}

/// What is wrong with a secret. Holds none.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Nobody made it.
    #[error("no secret with name or id \"{name}\": no such secret")]
    Missing {
        /// As typed.
        name: String,
    },
    /// Another one has the name.
    #[error("{name}: secret name in use")]
    InUse {
        /// Which.
        name: String,
    },
    /// Not a name that a secret can have.
    #[error(
        "secret name {name:?} can not include '=', '/', ',', or the '\\0' (NULL) and be between 1 \
         and 253 characters: invalid secret name"
    )]
    InvalidName {
        /// As typed.
        name: String,
    },
    /// Empty or too large.
    #[error("secret data must be larger than 0 and less than 512000 bytes")]
    Size,
    /// A file that cannot be read or written.
    #[error("{action} the secrets of {place}")]
    Files {
        /// What was done.
        action: &'static str,
        /// Whose they are.
        place: String,
        /// What the kernel said.
        source: SysError,
    },
    /// A file that is no record of a secret.
    #[error("{}: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; holds nothing of its text.
        reason: String,
    },
}

/// The secrets of a store, as far as they read.
#[derive(Debug, Default)]
pub struct SecretList {
    /// Those that do, by name.
    pub secrets: Vec<SecretRecord>,
    /// What is wrong with the others.
    pub damaged: Vec<SecretError>,
}

/// What becomes of a secret of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameName {
    /// An error.
    Refuse,
    /// It is replaced, id and all.
    Replace,
    /// It stays, and nothing is made.
    Keep,
}

/// A secret that is to be made.
#[derive(Debug)]
pub struct NewSecret {
    /// Its name.
    pub name: String,
    /// What is secret.
    pub data: SecretData,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--driver-opts`.
    pub driver_options: BTreeMap<String, String>,
    /// What becomes of one that has the name.
    pub same_name: SameName,
}

/// All secrets of a store.
#[derive(Debug, Clone)]
pub struct Secrets {
    dirs: Dirs,
}

impl Secrets {
    /// Those of the store at `dirs`.
    pub fn open(dirs: &Dirs) -> Self {
        Self { dirs: dirs.clone() }
    }

    /// Makes a secret; the value is its id.
    ///
    /// # Errors
    ///
    /// [`SecretError::InUse`], [`SecretError::InvalidName`], [`SecretError::Size`], or what the
    /// disk says.
    pub fn create(&self, new: NewSecret) -> Result<String, SecretError> {
        if !is_valid(&new.name) {
            return Err(SecretError::InvalidName { name: new.name });
        }
        if !(1..SIZE_MAX).contains(&new.data.reveal().len()) {
            return Err(SecretError::Size);
        }
        let _lock = self.lock()?;
        // A record that does not read keeps nobody from having secrets.
        let old = self.called(&new.name)?;
        match (old.last(), new.same_name) {
            (Some(_), SameName::Refuse) => return Err(SecretError::InUse { name: new.name }),
            (Some(old), SameName::Keep) => return Ok(old.id.clone()),
            (Some(_), SameName::Replace) | (None, _) => {}
        }
        let now = Timestamp::now();
        let record = SecretRecord {
            id: new_id(),
            name: new.name,
            created: old.last().map_or(now, |old| old.created),
            updated: now,
            labels: new.labels,
            driver_options: new.driver_options,
            data: new.data,
        };
        let path = self.path(&record.id);
        atomic::replace_file(&path, &to_json(&record), Durability::Synced)
            .map_err(|source| files("write", &record.name, source))?;
        for old in old {
            self.unlink(&old.id)?;
        }
        self.tell(&record.id, Action::Create);
        Ok(record.id)
    }

    /// The secret that `text` names: its name, its id, or the beginning of no other's id.
    ///
    /// # Errors
    ///
    /// [`SecretError::Missing`]; what is wrong with a record that may be the one.
    pub fn find(&self, text: &str) -> Result<SecretRecord, SecretError> {
        let list = self.list()?;
        let all = list.secrets;
        let exact = |one: &&SecretRecord| one.name == text || one.id == text;
        if let Some(found) = all.iter().find(exact) {
            return Ok(found.clone());
        }
        let mut like = all
            .into_iter()
            .filter(|one| !text.is_empty() && one.id.starts_with(text));
        match (like.next(), like.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(list
                .damaged
                .into_iter()
                .next()
                .unwrap_or_else(|| missing(text))),
        }
    }

    /// Every secret whose record reads, by name, and what is wrong with the others: one damaged
    /// record must not hide the rest.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn list(&self) -> Result<SecretList, SecretError> {
        let mut list = self.records()?;
        // The last of a name is the newest.
        let all = &mut list.secrets;
        all.reverse();
        all.dedup_by(|older, newest| older.name == newest.name);
        all.reverse();
        Ok(list)
    }

    /// The records of one name, the newest last: one, but for a replacement that was killed
    /// between the two files.
    fn called(&self, name: &str) -> Result<Vec<SecretRecord>, SecretError> {
        let mut all = self.records()?.secrets;
        all.retain(|one| one.name == name);
        Ok(all)
    }

    /// Every record, by name, the newest of a name last.
    fn records(&self) -> Result<SecretList, SecretError> {
        let mut list = SecretList::default();
        for loaded in self.load_all()? {
            match loaded {
                Ok(record) => list.secrets.push(record),
                Err(error) => list.damaged.push(error),
            }
        }
        let all = &mut list.secrets;
        all.sort_by(|one, other| (&one.name, one.updated).cmp(&(&other.name, other.updated)));
        Ok(list)
    }

    /// What is wrong with the files: those that cannot be read.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn check(&self) -> Result<Vec<SecretError>, SecretError> {
        Ok(self.records()?.damaged)
    }

    fn load_all(
        &self,
    ) -> Result<impl Iterator<Item = Result<SecretRecord, SecretError>>, SecretError> {
        let entries = match fs::read_dir(self.dirs.secrets()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(
                read.called(|| "readdir(secrets)")
                    .map_err(|source| files("list", "this user", source))?,
            ),
        };
        let paths = entries.into_iter().flatten().flatten();
        let paths = paths.map(|entry| entry.path());
        let records = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
        Ok(records.filter_map(|path| {
            // None: removed since.
            let bytes = read(&path, "this user").transpose()?;
            Some(bytes.and_then(|bytes| parse(&path, &bytes)))
        }))
    }

    /// Removes the secret that `text` names; the value is its id. One whose record is damaged is
    /// named by its id.
    ///
    /// # Errors
    ///
    /// [`SecretError::Missing`], or what the disk says.
    pub fn remove(&self, text: &str) -> Result<String, SecretError> {
        let _lock = self.lock()?;
        let id = match self.find(text) {
            Ok(record) => {
                for one in self.called(&record.name)? {
                    self.unlink(&one.id)?;
                }
                record.id
            }
            Err(SecretError::Record { .. }) if is_id(text) && self.path(text).exists() => {
                self.unlink(text)?;
                text.to_owned()
            }
            Err(error) => return Err(error),
        };
        self.tell(&id, Action::Remove);
        Ok(id)
    }

    fn tell(&self, id: &str, action: Action) {
        self.dirs.events.write(&[Event::of_secret(id, action)]);
    }

    /// Gives a new container its copies.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn give(&self, id: &ContainerId, given: &[GivenSecret]) -> Result<(), SecretError> {
        let bytes = serde_json::to_vec(given).expect("a secret has no key that is not a text");
        let path = self.dirs.container(id).join(COPIES);
        atomic::write_new_file(&path, &bytes, Durability::Unsynced)
            .map_err(|source| files("write", id.as_str(), source))
    }

    /// The copies that a container has.
    ///
    /// # Errors
    ///
    /// A file that is not there or none of ours.
    pub fn given(&self, id: &ContainerId) -> Result<Vec<GivenSecret>, SecretError> {
        let path = self.dirs.container(id).join(COPIES);
        match read(&path, id.as_str())? {
            Some(bytes) => parse(&path, &bytes),
            None => Err(SecretError::Record {
                path,
                reason: "the file is gone; make the container anew".to_owned(),
            }),
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.dirs.secrets().join(format!("{id}.json"))
    }

    fn lock(&self) -> Result<DirectoryLock, SecretError> {
        let take = || -> SysResult<Option<DirectoryLock>> {
            let path = self.dirs.secrets();
            private_directories()
                .create(&path)
                .called(|| "mkdir(secrets)")?;
            DirectoryLock::take(&path, Contention::Wait)
        };
        take()
            .map(|lock| lock.expect("who waits gets it"))
            .map_err(|source| files("lock", "this user", source))
    }

    fn unlink(&self, id: &str) -> Result<(), SecretError> {
        fs::remove_file(self.path(id))
            .called(|| format!("unlink(secrets/{id}.json)"))
            .map_err(|source| files("remove", "this user", source))
    }
}

/// The copies in a container's directory.
const COPIES: &str = "secrets.json";

fn is_valid(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && !name.contains(['=', '/', ',', '\0'])
}

fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn missing(name: &str) -> SecretError {
    SecretError::Missing {
        name: name.to_owned(),
    }
}

fn new_id() -> String {
    let number = u128::from_ne_bytes(random_bytes());
    format!("{number:032x}")[..ID_LENGTH].to_owned()
}

fn read(path: &std::path::Path, place: &str) -> Result<Option<Vec<u8>>, SecretError> {
    match read_document(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error)
            .called(|| format!("open({})", path.display()))
            .map_err(|source| files("read", place, source)),
    }
}

/// The reason tells where the text is wrong, and quotes nothing of it.
fn parse<T: for<'de> Deserialize<'de>>(
    path: &std::path::Path,
    bytes: &[u8],
) -> Result<T, SecretError> {
    serde_json::from_slice(bytes).map_err(|error| SecretError::Record {
        path: path.to_owned(),
        reason: format!("not a record of secrets (column {})", error.column()),
    })
}

fn files(action: &'static str, place: &str, source: SysError) -> SecretError {
    SecretError::Files {
        action,
        place: place.to_owned(),
        source,
    }
}

fn to_json(record: &SecretRecord) -> Vec<u8> {
    serde_json::to_vec_pretty(record).expect("a secret has no key that is not a text")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn new(name: &str, data: &[u8], same_name: SameName) -> NewSecret {
        NewSecret {
            name: name.to_owned(),
            data: SecretData::new(data.to_vec()),
            labels: BTreeMap::new(),
            driver_options: BTreeMap::new(),
            same_name,
        }
    }

    #[test]
    fn a_name_is_one_secrets_and_its_file_one_users() {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("d"), directory.path().join("r"));
        let secrets = Secrets::open(&dirs);
        assert_eq!(secrets.list().unwrap().secrets, []);
        let first = secrets.create(new("a b", b"1", SameName::Refuse)).unwrap();
        assert_eq!(first.len(), ID_LENGTH);
        let mode = fs::metadata(secrets.path(&first)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let taken = secrets.create(new("a b", b"2", SameName::Refuse));
        assert!(matches!(taken, Err(SecretError::InUse { .. })));
        let kept = secrets.create(new("a b", b"2", SameName::Keep)).unwrap();
        assert_eq!(kept, first);
        let second = secrets.create(new("a b", b"2", SameName::Replace)).unwrap();
        assert_ne!(second, first);
        let found = secrets.find(&second[..9]).unwrap();
        assert_eq!(found.data.reveal(), b"2");
        assert_eq!(format!("{:?}", found.data), "SecretData(…)");
        assert!(secrets.find("").is_err() && secrets.find(&first).is_err());
        assert_eq!(secrets.remove("a b").unwrap(), second);
        assert_eq!(secrets.list().unwrap().secrets, []);
    }

    #[test]
    fn a_replacement_that_was_killed_leaves_nothing_for_long() {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("d"), directory.path().join("r"));
        let secrets = Secrets::open(&dirs);
        let left_by = |data: &[u8]| {
            let id = secrets.create(new("a", data, SameName::Replace)).unwrap();
            let bytes = fs::read(secrets.path(&id)).unwrap();
            move |secrets: &Secrets| {
                atomic::write_new_file(&secrets.path(&id), &bytes, Durability::Unsynced).unwrap();
            }
        };
        // As many as there may be: what lists them first is chance.
        let older: Vec<_> = (0..9).map(|n| left_by(&[n])).collect();
        let newest = secrets.create(new("a", b"new", SameName::Replace)).unwrap();
        for again in &older {
            again(&secrets);
        }
        assert_eq!(secrets.find("a").unwrap().id, newest);
        assert_eq!(secrets.list().unwrap().secrets.len(), 1);
        let last = secrets
            .create(new("a", b"last", SameName::Replace))
            .unwrap();
        let files = || fs::read_dir(dirs.secrets()).unwrap().count();
        assert_eq!((secrets.find("a").unwrap().id, files()), (last, 1));
        for again in older {
            again(&secrets);
        }
        secrets.remove("a").unwrap();
        assert_eq!(files(), 0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's files survive no crash")]
    fn a_damaged_record_hides_no_other_and_is_removed_by_its_id() {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("d"), directory.path().join("r"));
        let secrets = Secrets::open(&dirs);
        let make = |name| secrets.create(new(name, b"1", SameName::Refuse));
        let [sound, damaged] = ["sound", "damaged"].map(|name| make(name).unwrap());
        fs::write(secrets.path(&damaged), "{").unwrap();
        let list = secrets.list().unwrap();
        assert_eq!((list.secrets.len(), list.damaged.len()), (1, 1));
        assert_eq!(secrets.find("sound").unwrap().id, sound);
        let of_record = |result| matches!(result, Err(SecretError::Record { .. }));
        assert!(of_record(secrets.find("damaged").map(drop)));
        assert!(of_record(secrets.remove("damaged").map(drop)));
        assert!(matches!(make("sound"), Err(SecretError::InUse { .. })));
        assert_eq!(secrets.remove(&damaged).unwrap(), damaged);
        assert_eq!(secrets.remove("sound").unwrap(), sound);
        assert!(matches!(
            secrets.remove(&damaged),
            Err(SecretError::Missing { .. })
        ));
    }

    #[test]
    fn names_and_sizes_have_bounds() {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("d"), directory.path().join("r"));
        let secrets = Secrets::open(&dirs);
        for name in ["", "a=b", "a/b", "a,b", "a\0", &"x".repeat(254)] {
            let made = secrets.create(new(name, b"1", SameName::Refuse));
            assert!(
                matches!(made, Err(SecretError::InvalidName { .. })),
                "{name}"
            );
        }
        for size in [0, SIZE_MAX] {
            let made = secrets.create(new("a", &vec![0; size], SameName::Refuse));
            assert!(matches!(made, Err(SecretError::Size)), "{size}");
        }
        assert_eq!(secrets.list().unwrap().secrets, []);
    }
}
