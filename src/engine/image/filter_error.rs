// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a filter of images cannot be used.

use crate::engine::quantity::NoMoment;
use crate::storage::StorageError;

/// Why a filter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageFilterError {
    /// Not `KEY=VALUE`.
    #[error(
        "invalid image filter {filter:?}: must be in the format \"filter=value or filter!=value\""
    )]
    NoValue {
        /// What was typed.
        filter: String,
    },
    /// Nobody knows the key.
    #[error("unsupported image filter {key:?}")]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// Not true or false.
    #[error("non-boolean value {value:?} for {key} filter: invalid syntax")]
    NoBool {
        /// The key.
        key: String,
        /// What was typed.
        value: String,
    },
    /// Not a time.
    #[error(transparent)]
    Moment(#[from] NoMoment),
    /// `before` or `since` names no image.
    #[error("could not find local image for filter filter {key:?}={value:?}")]
    NoImage {
        /// The key.
        key: String,
        /// What was typed.
        value: String,
        /// Why not.
        source: Box<StorageError>,
    },
}
