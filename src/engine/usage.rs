// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much room a container takes.

use std::fs;
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
                total += metadata.size();
            }
        }
    }
    total
}
