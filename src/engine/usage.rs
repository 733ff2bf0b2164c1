// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much room a container takes.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::oci::Digest;
use crate::state::dirs::Dirs;
use crate::state::id::ContainerId;
use crate::storage::Layers;

/// How much room a container takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerSizes {
    /// What it has written itself.
    pub own_bytes: u64,
    /// Its whole root, with the layers of its image.
    pub root_bytes: u64,
}

/// Adds up the files of the container's own layer and of its image's `layers`. What other ids of
/// the user's range have closed to the caller is not counted.
pub(super) fn measure(dirs: &Dirs, id: &ContainerId, layers: &[String]) -> ContainerSizes {
    let own_bytes = tree_bytes(dirs.container(id).join("upper"));
    let store = Layers::new(dirs);
    let below: u64 = layers
        .iter()
        .filter_map(|text| Digest::parse(text).ok())
        .filter_map(|chain_id| store.read(&chain_id).ok())
        .map(|layer| layer.record.content.size_bytes)
        .sum();
    ContainerSizes {
        own_bytes,
        root_bytes: own_bytes + below,
    }
}

/// The sizes of all regular files and links below `root`.
pub(super) fn tree_bytes(root: PathBuf) -> u64 {
    let mut total = 0;
    walk(root, |metadata| total += metadata.size());
    total
}

/// The room that files below `root` take on the disk, as du(1) counts it: a sparse file takes what
/// is in it, and a file with several names takes it once. Directories are left out.
pub(super) fn disk_bytes(root: PathBuf) -> u64 {
    const BLOCK: u64 = 512;
    let mut total = 0;
    let mut linked = HashSet::new();
    walk(root, |metadata| {
        let is_known = metadata.nlink() > 1 && !linked.insert((metadata.dev(), metadata.ino()));
        if !is_known {
            total += metadata.blocks() * BLOCK;
        }
    });
    total
}

fn walk(root: PathBuf, mut see: impl FnMut(&Metadata)) {
    let mut directories = vec![root];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                directories.push(entry.path());
            } else {
                see(&metadata);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_no_room_and_names_take_it_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let sparse = fs::File::create(path("sparse")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        fs::create_dir(path("below")).unwrap();
        let full = fs::File::create(path("below/full")).unwrap();
        std::io::Write::write_all(&mut &full, &vec![1; 1 << 20]).unwrap();
        full.sync_all().unwrap();
        fs::hard_link(path("below/full"), path("again")).unwrap();
        let taken = disk_bytes(directory.path().to_owned());
        assert!((1 << 20..(1 << 20) + 65_536).contains(&taken), "{taken}");
        assert!(tree_bytes(directory.path().to_owned()) >= (1 << 30) + (2 << 20));
    }
}
