// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong with files of containers.

use crate::engine::error::EngineError;
use crate::engine::image::ImageError;
use crate::state::StateError;
use crate::storage::StorageError;

/// Why files could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A container could not be found or used.
    #[error(transparent)]
    Container(#[from] EngineError),
    /// An image could not be found or used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The store refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// The layers of a container cannot be found.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Neither a container nor an image has this name.
    #[error("{name} not found: layer not known")]
    Neither {
        /// As typed.
        name: String,
    },
    /// The container's tree is the machine's own.
    #[error("container {name} shows the machine's own system: there is nothing to {action}")]
    Machine {
        /// As typed.
        name: String,
        /// What was asked for.
        action: &'static str,
    },
    /// What was done where the files' owners have names failed there.
    #[error("{action}: {words}")]
    Work {
        /// What was being done.
        action: String,
        /// Why, with every cause.
        words: String,
    },
}
