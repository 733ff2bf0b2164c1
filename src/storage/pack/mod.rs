// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From directories to tar streams: the changes of a container as a layer, or the whole tree that
//! its layers show together.
//!
//! Layers are read as they lie on disk, merged here rather than by a mount: what a running
//! container has mounted over its root cannot get in the way, and owners that are metadata come
//! out as what they mean.
//!
//! # Security
//!
//! A container may change its upper layer meanwhile. Every name is opened below the descriptor of
//! its directory and never followed.

mod changes;
mod layer;
mod merge;
mod stream;

use std::io;

pub use changes::{Against, Change, ChangeKind, changes};
pub(super) use layer::LayerRoot;
pub use stream::{Scope, TreeStream};

use crate::sys::SysError;

/// Why a tree could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A call on one of its files was refused.
    #[error("{path:?}")]
    File {
        /// The path in the tree.
        path: String,
        /// What the kernel said.
        source: SysError,
    },
    /// A name is deeper than archives can say.
    #[error("{path:?} is longer than the 4095 bytes that a path may have")]
    PathTooLong {
        /// The beginning of it.
        path: String,
    },
}

impl From<PackError> for io::Error {
    fn from(error: PackError) -> Self {
        Self::other(crate::storage::error::chain(&error))
    }
}

#[cfg(test)]
mod tests;
