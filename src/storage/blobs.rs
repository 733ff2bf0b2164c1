// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Small documents kept by their digest: configurations and manifests.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::error::StorageError;
use super::layers::make_private;
use crate::oci::Digest;
use crate::state::atomic::read_document;
use crate::state::atomic::{self, Durability};
use crate::state::dirs::Dirs;

/// Keeps `bytes` and returns their digest.
pub(super) fn put(dirs: &Dirs, bytes: &[u8]) -> Result<Digest, StorageError> {
    let digest = Digest::sha256(bytes);
    let path = path(dirs, &digest);
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == bytes.len() as u64) {
        return Ok(digest);
    }
    make_private(&dirs.blobs())
        .and_then(|()| atomic::replace_file(&path, bytes, Durability::Synced))
        .map_err(StorageError::call("keep document"))?;
    Ok(digest)
}

pub(super) fn get(dirs: &Dirs, digest: &Digest) -> Result<Vec<u8>, StorageError> {
    let path = path(dirs, digest);
    read_document(&path).map_err(StorageError::file("read", path))
}

/// A blob that is not there is no failure.
pub(super) fn remove(dirs: &Dirs, digest: &Digest) -> Result<(), StorageError> {
    let path = path(dirs, digest);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StorageError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn directory(dirs: &Dirs) -> PathBuf {
    dirs.blobs()
}

pub(super) fn path(dirs: &Dirs, digest: &Digest) -> PathBuf {
    directory(dirs).join(digest.hex())
}
