// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the files of layers are written and removed: in this process, or in a child inside the
//! user's id map. Which one is the engine's to say, since entering a namespace is the runtime's.

use std::path::Path;

use super::error::StorageError;
use super::unpack::Ownership;
use crate::state::tree::{RemoveTreeError, remove_tree};

/// Does work where the files of layers can have their owners.
pub trait Workplace {
    /// Whose files are written there.
    fn ownership(&self) -> Ownership;

    /// The id map there, in a form that is equal as long as the map is.
    fn id_map(&self) -> String;

    /// Whether work is done in a child of this process.
    fn is_child(&self) -> bool;

    /// Runs `work` there and returns what it returned. Work in a child sees copies: nothing that
    /// it changes in memory comes back.
    ///
    /// # Errors
    ///
    /// In words: why the work could not be begun, or that it ended without an answer.
    fn run(&self, work: &mut dyn FnMut() -> Vec<u8>) -> Result<Vec<u8>, String>;
}

/// Works in this process: for root, and for users with one id.
#[derive(Debug, Clone)]
pub struct InPlace {
    /// Whose files are written.
    pub ownership: Ownership,
    /// The id map of the user's containers.
    pub id_map: String,
}

impl Workplace for InPlace {
    fn ownership(&self) -> Ownership {
        self.ownership
    }

    fn id_map(&self) -> String {
        self.id_map.clone()
    }

    fn is_child(&self) -> bool {
        false
    }

    fn run(&self, work: &mut dyn FnMut() -> Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(work())
    }
}

/// Removes a tree here, or in `workplace` where it holds files of other ids.
pub(super) fn remove(path: &Path, workplace: &dyn Workplace) -> Result<(), StorageError> {
    match remove_tree(path) {
        Ok(()) => return Ok(()),
        Err(RemoveTreeError::NeedsNamespace { .. }) => {}
        Err(RemoveTreeError::Refused { source, .. }) => {
            return Err(StorageError::LeftBehind {
                path: path.to_owned(),
                words: source.to_string(),
            });
        }
    }
    let mut work = || match remove_tree(path) {
        Ok(()) => Vec::new(),
        Err(error) => super::error::chain(&error).into_bytes(),
    };
    let words = workplace.run(&mut work);
    let words = words.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    match words {
        Ok(words) if words.is_empty() => Ok(()),
        Ok(words) | Err(words) => Err(StorageError::LeftBehind {
            path: path.to_owned(),
            words,
        }),
    }
}
