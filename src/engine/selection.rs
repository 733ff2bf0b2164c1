// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which containers an operation is about: names, ids, their prefixes, all, the latest, those that
//! filters let through. The one place that all verbs use; what is wrong with one container never
//! keeps the others from being handled.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::Engine;
use super::error::EngineError;
use super::filter::{Candidate, FilterKeys, Filters};
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::store::Store;

/// What stood on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Which containers are looked at.
    pub scope: Scope,
    /// Names, ids and prefixes, as typed.
    pub words: Vec<String>,
    /// `KEY=VALUE`, as `ps --filter` has them.
    pub filters: Vec<String>,
    /// What becomes of words that mean no container.
    pub missing: Missing,
}

/// Which containers are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Those that are named.
    #[default]
    Named,
    /// All; with words, those among all that filters let through.
    All,
    /// Those that run.
    Running,
    /// The one that was created last.
    Latest,
}

/// What becomes of words that mean no container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missing {
    /// Each is an error.
    #[default]
    Report,
    /// They are left out.
    Ignore,
}

/// One container of a selection.
#[derive(Debug)]
pub struct Chosen {
    /// The word that named it; its full id where none did.
    pub typed: String,
    /// The container, or why there is none.
    pub id: Result<ContainerId, EngineError>,
}

/// What became of one container.
#[derive(Debug)]
pub struct ItemResult {
    /// The word that named it; its full id where none did.
    pub typed: String,
    /// Whether it was done.
    pub result: Result<(), EngineError>,
}

impl Engine {
    /// Finds the containers that `selection` means, each once, in the order of the words.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood, `--latest` without containers, a store that cannot be
    /// read. A word that means nothing is an error of its own item instead.
    pub fn select(&self, selection: &Selection) -> Result<Vec<Chosen>, EngineError> {
        let store = self.store()?;
        let mut chosen: Vec<Chosen> = match selection.scope {
            Scope::All if selection.words.is_empty() => unnamed(store.list()?),
            Scope::Named | Scope::All => by_words(&store, selection),
            Scope::Running => unnamed(running(&store)?),
            Scope::Latest => unnamed(vec![latest(&store)?]),
        };
        if !selection.filters.is_empty() {
            let filters = Filters::parse(&store, &selection.filters, FilterKeys::All)?;
            chosen.retain(|one| {
                let id = one.id.as_ref();
                id.map_or(true, |id| {
                    filters.let_through(&Candidate::new(&store, id.clone()))
                })
            });
        }
        let mut seen = BTreeSet::new();
        chosen.retain(|one| one.id.as_ref().map_or(true, |id| seen.insert(id.clone())));
        Ok(chosen)
    }

    /// The store of this user.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn store(&self) -> Result<Store, StateError> {
        Store::open(self.dirs.clone())
    }
}

/// Reads the container ids that `--cidfile` names: the first line of each file.
///
/// # Errors
///
/// [`EngineError::IdFile`], but for files that are not there when those are to be ignored.
pub fn read_id_files(paths: &[PathBuf], missing: Missing) -> Result<Vec<String>, EngineError> {
    let mut words = Vec::new();
    for path in paths {
        match fs::read_to_string(path) {
            Ok(text) => words.push(text.lines().next().unwrap_or_default().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && missing == Missing::Ignore => {
            }
            Err(error) => {
                return Err(EngineError::IdFile {
                    path: path.clone(),
                    reason: go_words(&error),
                });
            }
        }
    }
    Ok(words)
}

/// What Go prints for an error of open(2): the kernel's words, in lower case.
fn go_words(error: &io::Error) -> String {
    let Some(number) = error.raw_os_error() else {
        return error.to_string();
    };
    nix::errno::Errno::from_raw(number)
        .desc()
        .to_ascii_lowercase()
}

fn by_words(store: &Store, selection: &Selection) -> Vec<Chosen> {
    let find = |word: &String| Chosen {
        typed: word.clone(),
        id: store.resolve(word).map_err(EngineError::from),
    };
    let ignored = |one: &Chosen| {
        selection.missing == Missing::Ignore && one.id.as_ref().is_err_and(EngineError::is_missing)
    };
    let found = selection.words.iter().map(find);
    found.filter(|one| !ignored(one)).collect()
}

fn unnamed(ids: Vec<ContainerId>) -> Vec<Chosen> {
    let named = |id: ContainerId| Chosen {
        typed: id.to_string(),
        id: Ok(id),
    };
    ids.into_iter().map(named).collect()
}

fn running(store: &Store) -> Result<Vec<ContainerId>, StateError> {
    let mut up = Vec::new();
    for id in store.list()? {
        // One that goes away or cannot be read meanwhile does not run for us.
        if store
            .observe(&id)
            .is_ok_and(|(_, observed)| observed.is_up())
        {
            up.push(id);
        }
    }
    Ok(up)
}

fn latest(store: &Store) -> Result<ContainerId, EngineError> {
    let records = store.list()?;
    let created = |id: &ContainerId| store.load(id).ok().map(|record| record.created);
    records
        .into_iter()
        .filter_map(|id| created(&id).map(|time| (time, id)))
        .max()
        .map(|(_, id)| id)
        .ok_or(EngineError::NoLatest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_files_give_their_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cid");
        let mut written = fs::File::create(&file).unwrap();
        std::io::Write::write_all(&mut written, b"0123\nmore\n").unwrap();
        let missing = directory.path().join("none");
        let paths = [file, missing.clone()];
        let read = read_id_files(&paths, Missing::Ignore).unwrap();
        assert_eq!(read, ["0123"]);
        let error = read_id_files(&paths, Missing::Report).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "reading CIDFile: open {}: no such file or directory",
                missing.display()
            )
        );
    }
}
