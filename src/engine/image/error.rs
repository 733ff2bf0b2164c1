// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong with an image.

use std::path::PathBuf;

use super::filter_error::ImageFilterError;
use super::pulled::{PullCause, PullFailure};
use crate::engine::access::AccessError;
use crate::engine::error::EngineError;
use crate::oci::ReferenceError;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::storage::StorageError;
use crate::storage::archive::ArchiveError;

/// What is wrong with a `--change`. The words are podman's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid change {change:?} - {reason}")]
pub struct ChangeError {
    /// As typed.
    pub change: String,
    /// What is wrong with it.
    pub reason: String,
}

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
    /// `--change` of a commit, in the words that its scripts know.
    #[error("applying changes: processing change {change:?}: {reason}")]
    Instruction {
        /// The instruction.
        change: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--config` that does not read.
    #[error("--config: the container configuration does not read")]
    Config {
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The archive has no image of that name.
    #[error("no image {name:?} is in the archive")]
    NotInArchive {
        /// As typed.
        name: String,
    },
    /// An archive could not be written.
    #[error("save: {words}")]
    Save {
        /// Why, with every cause.
        words: String,
    },
    /// There are no layers that the changes could be put on.
    #[error("cannot commit a container that uses an exploded rootfs")]
    NoImageBelow,
    /// A text that is no image name.
    #[error("normalizing name {name:?}")]
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
    /// `--filter` that cannot be used.
    #[error(transparent)]
    Filter(#[from] ImageFilterError),
    /// A container could not be looked at or removed.
    #[error(transparent)]
    Container(#[from] EngineError),
    /// Containers are made from it.
    #[error(
        "image used by {container}: image is in use by a container: consider listing external \
         containers and force-removing image"
    )]
    InUse {
        /// One of them.
        container: ContainerId,
    },
    /// An id does not say which of several names is meant.
    #[error(
        "unable to delete image \"{id}\" by ID with more than one tag ([{}]): please force removal",
        names.join(" ")
    )]
    SeveralNames {
        /// The image.
        id: String,
        /// Its names.
        names: Vec<String>,
    },
    /// The configuration of registries cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A registry did not give or take an image.
    #[error("{}", .0.words)]
    Transfer(PullFailure),
    /// An image without a name is pushed to nowhere.
    #[error("{image} has no name of its own; say where to push it: push {image} REGISTRY/NAME")]
    NoDestination {
        /// As typed.
        image: String,
    },
    /// All tags, and one.
    #[error("tag can't be used with --all-tags/-a")]
    TagWithAllTags,
    /// A URL did not give its file.
    #[error("{words}")]
    Download {
        /// What was asked for, and why it did not come.
        words: String,
    },
}

impl ImageError {
    /// Docker's words, where its users search for others.
    pub fn docker_message(&self) -> Option<String> {
        match self {
            Self::Storage(StorageError::NoSuchImage { name }) => {
                Some(format!("No such image: {name}"))
            }
            Self::Transfer(failure) => failure.docker_message(),
            Self::InUse { container } => Some(format!(
                "conflict: unable to remove image: container {} is using it (must be forced)",
                container.short()
            )),
            Self::SeveralNames { id, .. } => Some(format!(
                "conflict: unable to delete {} (must be forced) - image is referenced in \
                 multiple repositories",
                &id[..12]
            )),
            _ => None,
        }
    }

    /// Whether the registry speaks plain HTTP where HTTPS was wanted.
    pub fn is_plain_http(&self) -> bool {
        match self {
            Self::Transfer(failure) => failure.cause == PullCause::PlainHttp,
            Self::Access(error) => error.is_plain_http(),
            _ => false,
        }
    }

    /// Whether it only says that the image is in use.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse { .. })
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
