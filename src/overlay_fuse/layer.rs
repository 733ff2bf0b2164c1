// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One layer: its root and what must be looked for in it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::dir::{Dir, Type};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::OverlayError;
use crate::layer_format::{self, LayerOwners};
use crate::sys::xattr::Place;

/// A layer of the stack.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) root: Arc<OwnedFd>,
    /// Files may carry ownership metadata.
    pub(super) metadata: bool,
    /// Marks may be plain files named `.wh.`.
    pub(super) dot_wh: bool,
    /// Files here belong to others, who alone may open them without touching the access time.
    pub(super) refuses_noatime: bool,
    /// Its owners on disk are translated.
    pub(super) mapped: bool,
    /// The map by which its files are owned, if it is an upper layer that has one.
    pub(super) owners: Option<LayerOwners>,
    /// The upper layer cannot share blocks with this one.
    pub(super) refuses_clones: bool,
}

impl Layer {
    /// Opens a layer's root.
    pub(super) fn open(path: &Path) -> Result<Self, OverlayError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open(path, flags, Mode::empty()).map_err(|source| OverlayError::OpenLayer {
            path: path.to_owned(),
            source,
        })?;
        let place = Place::Directory(root.as_fd());
        let metadata = layer_format::has_ownership_metadata(place);
        let owners = layer_format::read_layer_owners(place).map_err(|source| {
            let path = path.to_owned();
            OverlayError::OpenLayer { path, source }
        })?;
        Ok(Self {
            root: Arc::new(root),
            metadata,
            dot_wh: false,
            refuses_noatime: false,
            mapped: true,
            owners,
            refuses_clones: false,
        })
    }
}

/// What getdents(2) says of one name.
#[derive(Debug)]
pub(super) struct RawEntry {
    pub(super) name: CString,
    pub(super) ino: u64,
    pub(super) kind: Option<Type>,
}

/// Reads a directory of a layer, without `.` and `..`.
pub(super) fn read_directory(directory: &OwnedFd) -> nix::Result<Vec<RawEntry>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut opened = Dir::openat(directory, c".", flags, Mode::empty())?;
    let mut entries = Vec::new();
    for entry in opened.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if is_dot(name) {
            continue;
        }
        entries.push(RawEntry {
            name: name.to_owned(),
            ino: entry.ino(),
            kind: entry.file_type(),
        });
    }
    Ok(entries)
}

/// Which names a directory of a lower layer has, in eight bytes a name.
#[derive(Debug)]
pub(super) struct NameSet(Box<[u64]>);

impl NameSet {
    /// The set of what a listing has.
    pub(super) fn of(entries: &[RawEntry]) -> Self {
        let mut hashes: Vec<u64> = entries.iter().map(|entry| hash(&entry.name)).collect();
        hashes.sort_unstable();
        Self(hashes.into_boxed_slice())
    }

    /// Whether the name can be there; if not, it need not be looked for.
    pub(super) fn may_have(&self, name: &CStr) -> bool {
        self.0.binary_search(&hash(name)).is_ok()
    }
}

/// FNV-1a. Names that collide are looked for in vain, and that is all.
fn hash(name: &CStr) -> u64 {
    name.to_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

fn is_dot(name: &CStr) -> bool {
    name == c"." || name == c".."
}
