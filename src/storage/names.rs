// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of images and artifacts: `names/images/<name>` and `names/artifacts/<name>`, one file each,
//! replaced in one step. The file says which image, or which manifest, has the name.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StorageError;
use super::layers::{list, make_private};
use crate::oci::Digest;
use crate::state::atomic::read_document;
use crate::state::atomic::{self, Durability};
use crate::state::dirs::Dirs;

/// The longest file name that every file system takes.
const FILE_NAME_MAX: usize = 255;

/// What a name's file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NameRecord {
    /// The full name; the file's own name may be too short for it.
    pub(super) name: String,
    /// The id of an image, or the digest of an artifact's manifest.
    pub(super) image: Digest,
    /// When it got the name.
    pub(super) since: Timestamp,
}

/// Where the names of images are.
pub(super) fn of_images(dirs: &Dirs) -> PathBuf {
    dirs.names("images")
}

/// Where those of artifacts are.
pub(super) fn of_artifacts(dirs: &Dirs) -> PathBuf {
    dirs.names("artifacts")
}

/// Gives `name` to `image`, whoever had it before.
pub(super) fn set(directory: &Path, name: &str, image: &Digest) -> Result<(), StorageError> {
    let record = NameRecord {
        name: name.to_owned(),
        image: image.clone(),
        since: Timestamp::now(),
    };
    let bytes = serde_json::to_vec(&record).expect("a record has string keys");
    make_private(directory)
        .and_then(|()| atomic::replace_file(&path(directory, name), &bytes, Durability::Synced))
        .map_err(StorageError::call("give the name"))
}

/// The image that has `name`.
pub(super) fn get(directory: &Path, name: &str) -> Result<Option<Digest>, StorageError> {
    let path = path(directory, name);
    match read_document(&path) {
        // A file that a power cut left empty names nothing.
        Ok(bytes) => Ok(parse(&bytes).map(|record| record.image)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::file("read", path)(error)),
    }
}

/// Whether the name was there.
pub(super) fn remove(directory: &Path, name: &str) -> Result<bool, StorageError> {
    let path = path(directory, name);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StorageError::file("remove", path)(error)),
    }
}

/// Removes the names of images that are not to be kept. What does not read stays: it names nothing.
pub(super) fn retain(
    directory: &Path,
    is_kept: impl Fn(&Digest) -> bool,
) -> Result<(), StorageError> {
    for (image, names) in all(directory)? {
        if is_kept(&image) {
            continue;
        }
        for name in names {
            remove(directory, &name)?;
        }
    }
    Ok(())
}

/// Every name, by image, the oldest first.
pub(super) fn all(directory: &Path) -> Result<BTreeMap<Digest, Vec<String>>, StorageError> {
    let paths = list(directory).map_err(StorageError::call("list names"))?;
    let is_whole = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default();
        !atomic::is_half_written(&name.to_string_lossy())
    };
    // A name may go away while we read.
    let bytes = paths.iter().filter(is_whole);
    let bytes = bytes.filter_map(|path| read_document(path).ok());
    let mut records: Vec<_> = bytes.filter_map(|bytes| parse(&bytes)).collect();
    records.sort_by(|a, b| a.since.cmp(&b.since).then_with(|| a.name.cmp(&b.name)));
    let mut names: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for record in records {
        names.entry(record.image).or_default().push(record.name);
    }
    Ok(names)
}

fn parse(bytes: &[u8]) -> Option<NameRecord> {
    serde_json::from_slice(bytes).ok()
}

fn path(directory: &Path, name: &str) -> PathBuf {
    directory.join(file_name(name))
}

/// `/` cannot stand in a file name; what is too long is told by its digest.
fn file_name(name: &str) -> String {
    let escaped = name.replace('%', "%25").replace('/', "%2F");
    if escaped.len() < FILE_NAME_MAX - ".xxxxxxxxxxxxxxxx.tmp".len() {
        return escaped;
    }
    format!("%{}", Digest::sha256(name.as_bytes()).hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        let long = format!("localhost/{}", "a/".repeat(120));
        for (name, expected) in [
            ("docker.io/library/a:b", "docker.io%2Flibrary%2Fa:b"),
            (
                &long,
                &format!("%{}", Digest::sha256(long.as_bytes()).hex())[..],
            ),
        ] {
            assert_eq!(file_name(name), expected);
            assert!(file_name(name).len() < 230);
        }
    }
}
