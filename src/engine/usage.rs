// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much room a container takes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::state::dirs::Dirs;
use crate::state::summary::ContainerSummary;

/// How much room a container takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerSizes {
    /// What it has written itself.
    pub own_bytes: u64,
    /// Its whole root, with the layers of its image.
    pub root_bytes: u64,
}

/// Adds up the files of the container's own layer. What other ids of the user's range have closed
/// to the caller is not counted.
pub(super) fn measure(dirs: &Dirs, summary: &ContainerSummary) -> ContainerSizes {
    let own_bytes = tree_bytes(dirs.container(&summary.id).join("upper"));
    ContainerSizes {
        own_bytes,
        root_bytes: own_bytes,
    }
}

/// The sizes of all regular files and links below `root`.
fn tree_bytes(root: PathBuf) -> u64 {
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
