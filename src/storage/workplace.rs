// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the files of layers are written and removed: in this process, or in a child inside the
//! user's id map. Which one is the engine's to say, since entering a namespace is the runtime's.

use std::path::PathBuf;

use super::error::StorageError;
use super::unpack::Ownership;
use crate::state::tree::{RemoveTreeError, remove_trees};

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

/// Removes trees here, and in `workplace` what holds files of other ids. What stays is told.
pub(super) fn remove_all(paths: &[PathBuf], workplace: &dyn Workplace) -> Vec<StorageError> {
    let (mut left, mut foreign) = (Vec::new(), Vec::new());
    for error in remove_trees(paths) {
        match error {
            RemoveTreeError::NeedsNamespace { path } => foreign.push(path),
            RemoveTreeError::Refused { path, source } => left.push(StorageError::LeftBehind {
                path,
                words: source.to_string(),
            }),
        }
    }
    if foreign.is_empty() {
        return left;
    }
    let mut work = || {
        let errors = remove_trees(&foreign);
        let stayed: Vec<(usize, String)> = errors
            .iter()
            .map(|error| words_of(error, &foreign))
            .collect();
        serde_json::to_vec(&stayed).expect("numbers and words are text")
    };
    let answer = workplace.run(&mut work).and_then(|answer| {
        serde_json::from_slice::<Vec<(usize, String)>>(&answer).map_err(|error| error.to_string())
    });
    let stayed = answer.unwrap_or_else(|words| vec![(0, words)]);
    left.extend(stayed.into_iter().map(|(at, words)| {
        let path = foreign[at.min(foreign.len() - 1)].clone();
        StorageError::LeftBehind { path, words }
    }));
    left
}

/// Which of `paths` stayed, and why.
fn words_of(error: &RemoveTreeError, paths: &[PathBuf]) -> (usize, String) {
    let (RemoveTreeError::NeedsNamespace { path } | RemoveTreeError::Refused { path, .. }) = error;
    let at = paths.iter().position(|known| known == path);
    (at.unwrap_or_default(), super::error::chain(error))
}

/// Removes a tree here, or in `workplace` where it holds files of other ids.
pub(super) fn remove(path: PathBuf, workplace: &dyn Workplace) -> Result<(), StorageError> {
    let left = remove_all(&[path], workplace).pop();
    left.map_or(Ok(()), Err)
}
