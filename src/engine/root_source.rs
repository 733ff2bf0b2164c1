// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container's root is made from.

use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::runtime::user;

/// What a root is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootSource {
    /// Layers of an image, topmost first.
    Layers {
        /// Their `diff` directories.
        directories: Vec<PathBuf>,
        /// Whether some owner is kept as metadata, which the FUSE overlay alone shows.
        ids_as_metadata: bool,
    },
    /// A directory of the host, as it is.
    Directory(PathBuf),
    /// A directory of the host below a throw-away upper layer.
    Overlay(PathBuf),
    /// The machine's own system below a throw-away upper layer (`--rootfs /:O`).
    Machine,
}

impl RootSource {
    /// A user database as the topmost directory that has one shows it.
    pub fn database(&self, path: &str) -> String {
        let machine = [PathBuf::from("/")];
        let directories = match self {
            Self::Layers { directories, .. } => &directories[..],
            Self::Directory(path) | Self::Overlay(path) => std::slice::from_ref(path),
            Self::Machine => &machine,
        };
        let read = |directory: &PathBuf| {
            let root = fs::File::open(directory).ok()?;
            Some(user::read_database(root.as_fd(), path)).filter(|text| !text.is_empty())
        };
        directories.iter().find_map(read).unwrap_or_default()
    }
}
