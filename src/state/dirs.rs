// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Data root and run root, and every path below them.
//!
//! ```text
//! $XDG_DATA_HOME/coracle/            --root
//!   version                          format of the tree
//!   blobs/sha256/<hex>               manifests, indexes, configurations
//!   layers/<chain id>/               diff/ (unpacked tree), layer.json
//!   images/<id>.json                 configuration digest, layers, names
//!   containers/<id>/                 container.json, state.json, upper/ work/, ctr.log
//!   names/<kind>/<name>              created exclusively: that is the uniqueness of names
//!   tmp/                             everything unfinished; swept under a lock
//! $XDG_RUNTIME_DIR/coracle/          --runroot: sockets, mount points; gone at boot
//!   c/<first 16 digits of id>/       attach.sock and friends of one container
//! ```

use std::path::PathBuf;

use super::id::ContainerId;

/// The two roots of a store. Nothing here touches the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// `--root`.
    pub data_root: PathBuf,
    /// `--runroot`.
    pub run_root: PathBuf,
}

impl Dirs {
    /// `containers/`.
    pub fn containers(&self) -> PathBuf {
        self.data_root.join("containers")
    }

    /// `containers/<id>/`.
    pub fn container(&self, id: &ContainerId) -> PathBuf {
        self.containers().join(id.as_str())
    }

    /// `names/<kind>/`, where kind is `containers`, `volumes`…
    pub fn names(&self, kind: &str) -> PathBuf {
        self.data_root.join("names").join(kind)
    }

    /// `blobs/sha256/`.
    pub fn blobs(&self) -> PathBuf {
        self.data_root.join("blobs/sha256")
    }

    /// `layers/`.
    pub fn layers(&self) -> PathBuf {
        self.data_root.join("layers")
    }

    /// `images/`.
    pub fn images(&self) -> PathBuf {
        self.data_root.join("images")
    }

    /// `tmp/`.
    pub fn tmp(&self) -> PathBuf {
        self.data_root.join("tmp")
    }

    /// The run directory of one container: short, because socket paths end at 107 bytes.
    pub fn container_run(&self, id: &ContainerId) -> PathBuf {
        self.run_root.join("c").join(&id.as_str()[..16])
    }
}
