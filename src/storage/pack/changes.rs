// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the topmost layers change of those below: the lines of `diff`.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::PathBuf;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::PackError;
use super::layer::{Attributes, LayerRoot};
use super::merge::{Entry, MergedDirectory};
use crate::storage::tar::printable;
use crate::sys::SysResult;

/// A path that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// How.
    pub kind: ChangeKind,
    /// Its absolute path in the tree.
    pub path: Vec<u8>,
}

/// How a path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// It is in both.
    Changed,
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
}

/// What a tree is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// With what lies below it: what it does not have shows through.
    Below,
    /// With another whole tree: what it does not have is gone.
    Other,
}

/// Compares what the layers at `upper` show with what those at `lower` show; both topmost first.
/// Layers that are not there are empty.
///
/// Directories that lie above a change count as changed, as other tools list them.
///
/// # Errors
///
/// [`PackError`] names the file that could not be read.
pub fn changes(
    upper: &[PathBuf],
    lower: &[PathBuf],
    against: Against,
) -> Result<Vec<Change>, PackError> {
    let refused = |source| PackError::File {
        path: "/".to_owned(),
        source,
    };
    let upper = open_stack(upper).map_err(refused)?;
    let lower = open_stack(lower).map_err(refused)?;
    let mut comparison = Comparison {
        upper: &upper,
        lower: &lower,
        against,
        found: BTreeMap::new(),
    };
    let top = MergedDirectory::root(&upper).map_err(refused)?;
    let below = MergedDirectory::root(&lower).map_err(refused)?;
    comparison.directory(&top, Some(&below), b"")?;
    let found = comparison.found.into_iter();
    Ok(found.map(|(path, kind)| Change { kind, path }).collect())
}

fn open_stack(paths: &[PathBuf]) -> SysResult<Vec<LayerRoot>> {
    let opened = paths.iter().map(|path| LayerRoot::open(path));
    opened
        .filter(|layer| !matches!(layer, Err(error) if error.errno == Errno::ENOENT))
        .collect()
}

struct Comparison<'a> {
    upper: &'a [LayerRoot],
    lower: &'a [LayerRoot],
    against: Against,
    found: BTreeMap<Vec<u8>, ChangeKind>,
}

impl Comparison<'_> {
    /// Walks a directory of the upper layers beside the same directory of the lower ones.
    fn directory(
        &mut self,
        upper: &MergedDirectory,
        lower: Option<&MergedDirectory>,
        path: &[u8],
    ) -> Result<(), PackError> {
        let failed = |source| PackError::File {
            path: printable(path),
            source,
        };
        let entries = upper.entries(self.upper).map_err(failed)?;
        let is_opaque = upper.top(self.upper).is_some_and(|(_, _, opaque)| opaque);
        let is_whole = is_opaque || self.against == Against::Other;
        if let (true, Some(lower)) = (is_whole, lower) {
            // What the mark hides and the layer does not have again is gone.
            for (name, entry) in lower.entries(self.lower).map_err(failed)? {
                if matches!(entry, Entry::Present(_)) && !entries.contains_key(&name) {
                    self.note(path, &name, ChangeKind::Deleted);
                }
            }
        }
        for (name, entry) in entries {
            let before = lower.map(|lower| lower.find(self.lower, &name));
            let before = before.transpose().map_err(failed)?.flatten();
            let Entry::Present(found) = entry else {
                if before.is_some() {
                    self.note(path, &name, ChangeKind::Deleted);
                }
                continue;
            };
            let both = before
                .as_ref()
                .filter(|before| before.attributes.is_directory())
                .filter(|_| found.attributes.is_directory());
            match (&before, both) {
                (None, _) => self.note(path, &name, ChangeKind::Added),
                (Some(_), Some(both)) if same(&found.attributes, &both.attributes) => {}
                (Some(before), None) if before.attributes == found.attributes => {}
                (Some(_), _) => self.note(path, &name, ChangeKind::Changed),
            }
            if found.attributes.is_directory() {
                let child = |directory: &MergedDirectory, stack, found| -> SysResult<_> {
                    directory.child(stack, &name, found)
                };
                let above = child(upper, self.upper, &found).map_err(failed)?;
                let below = match (lower, both) {
                    (Some(lower), Some(both)) => {
                        Some(child(lower, self.lower, both).map_err(failed)?)
                    }
                    _ => None,
                };
                let path = joined(path, &name);
                self.directory(&above, below.as_ref(), &path)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, directory: &[u8], name: &CStr, kind: ChangeKind) {
        self.found.insert(joined(directory, name), kind);
        if kind == ChangeKind::Changed {
            return;
        }
        let mut parent = directory;
        while !parent.is_empty() && !self.found.contains_key(parent) {
            self.found.insert(parent.to_vec(), ChangeKind::Changed);
            let slash = parent.iter().rposition(|&byte| byte == b'/');
            parent = &parent[..slash.unwrap_or(0)];
        }
    }
}

/// Whether a directory was only copied up because of what is in it.
fn same(now: &Attributes, before: &Attributes) -> bool {
    let facts = |a: &Attributes| (a.mode, a.uid, a.gid, a.seconds, a.nanoseconds);
    facts(now) == facts(before)
}

fn joined(directory: &[u8], name: &CStr) -> Vec<u8> {
    [directory, b"/", name.to_bytes()].concat()
}
