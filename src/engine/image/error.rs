// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong with an image.

use std::path::PathBuf;

use super::changes::ChangeError;
use crate::oci::ReferenceError;
use crate::state::StateError;
use crate::storage::StorageError;
use crate::storage::archive::ArchiveError;

/// Why something could not be done to an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The store of images refused, or knows no such image.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The store of containers refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// An archive with images does not read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// `--change` that cannot be understood.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A text that is no image name.
    #[error("normalizing name {name:?}: {source}")]
    Name {
        /// As typed.
        name: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// The file to read cannot be opened.
    #[error("{call} {}: {reason}", path.display())]
    OpenFile {
        /// `open` or `stat`.
        call: &'static str,
        /// As typed.
        path: PathBuf,
        /// What the kernel said, in Go's words.
        reason: String,
    },
    /// There is no network client yet.
    #[error(
        "import {url}: reading from a URL is not supported yet; download it and import the file"
    )]
    Url {
        /// As typed.
        url: String,
    },
}

impl ImageError {
    /// Docker's words, where its users search for others.
    pub fn docker_message(&self) -> Option<String> {
        match self {
            Self::Storage(StorageError::NoSuchImage { name }) => {
                Some(format!("No such image: {name}"))
            }
            _ => None,
        }
    }

    /// Whether it only says that there is no such image.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Storage(StorageError::NoSuchImage { .. }))
    }
}

/// What the kernel said, in Go's words.
pub(super) fn go_reason(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_lowercase(),
        None => error.to_string(),
    }
}
