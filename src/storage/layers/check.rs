// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is wrong with the records of layers, in words. A layer is brought back by whatever brought
//! it: nothing here changes anything.

use std::path::Path;

use super::{Layers, chain_id, list};
use crate::oci::Digest;
use crate::storage::error::{StorageError, chain};

impl Layers {
    /// Reads the record of every layer of this store, and says what is wrong, one line each.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn check(&self) -> Result<Vec<String>, StorageError> {
        let mut paths = list(&self.dirs.layers()).map_err(StorageError::call("list layers"))?;
        paths.sort();
        let told = paths.iter().flat_map(|path| self.check_one(path));
        Ok(told.collect())
    }

    fn check_one(&self, path: &Path) -> Vec<String> {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(id) = name.and_then(Digest::from_sha256_hex) else {
            return vec![format!("{}: is no layer", path.display())];
        };
        let mut told = Vec::new();
        let mut tell = |what: String| told.push(format!("layer {}: {what}", id.short()));
        match self.read(&id) {
            Err(StorageError::MissingLayer { .. }) => tell("its record is lost".to_owned()),
            Err(error) => tell(chain(&error)),
            Ok(layer) => {
                let parent = layer.record.parent.as_ref();
                if chain_id(parent, &layer.record.diff_id) != id {
                    tell("its record is that of another layer".to_owned());
                }
                if let Some(below) = parent.filter(|below| self.read(below).is_err()) {
                    tell(format!("the layer below it, {}, is missing", below.short()));
                }
            }
        }
        if !path.join("diff").is_dir() {
            tell("its files are missing".to_owned());
        }
        // Removed while we looked.
        if path.exists() { told } else { Vec::new() }
    }
}
