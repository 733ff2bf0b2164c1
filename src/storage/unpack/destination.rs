// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a layer is unpacked and how, and why it could not be.

use std::io;
use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};

use crate::storage::tar::TarError;
use crate::sys::SysError;

/// Whose the files of a layer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ownership {
    /// The image's own ids, as the writing process's user namespace maps them.
    Mapped,
    /// The caller's: owner, mode and kind are kept as metadata.
    Metadata,
}

/// Why a layer could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error(transparent)]
    Tar(#[from] TarError),
    #[error("member {path:?} leads out of the layer")]
    Escapes { path: String },
    #[error("hard link {path:?} names {target:?}, which is not in the archive before it")]
    NoLinkTarget { path: String, target: String },
    #[error("symbolic link {path:?} has no target")]
    EmptyLink { path: String },
    #[error("symbolic link {path:?} names {target:?}, which can be no target: it holds a NUL")]
    ImpossibleLink { path: String, target: String },
    #[error("member {path:?}")]
    Member { path: String, source: SysError },
    #[error(
        "member {path:?}: the file system of the store gives no file to another id, as some on a \
         network; keep the store on a local disk: graphroot in ~/.config/containers/storage.conf"
    )]
    KeepsOwners { path: String },
    #[error("finish the layer")]
    Finish { source: SysError },
    #[error("keep how the layer's archive was made")]
    Recipe { source: io::Error },
    #[error("read the id map of this process")]
    IdMap { source: io::Error },
}

/// Where a layer is unpacked, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    /// An empty directory.
    pub(crate) root: BorrowedFd<'a>,
    /// Whose the files are.
    pub(crate) ownership: Ownership,
    /// The root directory, unless the stream says otherwise.
    pub(crate) usual_root: RootDirectory,
}

/// Whose a layer's root directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RootDirectory {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
}

impl Default for RootDirectory {
    /// What other tools give a lowest layer that does not say.
    fn default() -> Self {
        Self {
            uid: 0,
            gid: 0,
            mode: 0o555,
        }
    }
}
