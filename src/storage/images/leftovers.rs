// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files that no image names: what processes left that were killed between two of the steps in
//! which an image is kept or removed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::{ImageRecord, Images};
use crate::oci::Digest;
use crate::state::atomic::is_half_written;
use crate::storage::error::StorageError;
use crate::storage::layers::list;
use crate::storage::{blobs, names};

impl Images {
    /// Removes documents that none of `records`, which are all there are, names, names of no
    /// image, and half-written files. The caller holds the lock under which all of them are
    /// written.
    pub(super) fn remove_leftovers(&self, records: &[ImageRecord]) -> Result<(), StorageError> {
        let ids: HashSet<&Digest> = records.iter().map(|record| &record.id).collect();
        let manifests = records.iter().flat_map(|record| &record.manifests);
        let documents: HashSet<&str> = manifests
            .chain(ids.iter().copied())
            .map(Digest::hex)
            .collect();
        names::retain(&self.names_directory(), |image| ids.contains(image))?;
        remove_where(&blobs::directory(&self.dirs), |name| {
            !documents.contains(name)
        })?;
        remove_where(&self.dirs.images(), is_half_written)?;
        remove_where(&self.names_directory(), is_half_written)
    }
}

/// Removes the files of a directory that are `superfluous` by their names.
fn remove_where(directory: &Path, superfluous: impl Fn(&str) -> bool) -> Result<(), StorageError> {
    for path in list(directory).map_err(StorageError::call("collect images"))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !superfluous(&name) {
            continue;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StorageError::file("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
