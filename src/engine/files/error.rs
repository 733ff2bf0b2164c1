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
    /// No such container, in the words of `cp`.
    #[error("container {name:?} does not exist")]
    NoContainer {
        /// As typed.
        name: String,
    },
    /// Neither end is a container.
    #[error("must specify at least one container source")]
    NoSource,
    /// A path of the host that is not there.
    #[error("{path:?} could not be found on the host: {reason}")]
    NotOnHost {
        /// As typed.
        path: String,
        /// What the kernel said.
        reason: String,
    },
    /// A path in a container that is not there.
    #[error("{path:?} could not be found on container {container}: {reason}")]
    NotInContainer {
        /// As typed.
        path: String,
        /// The container, as typed.
        container: String,
        /// What the kernel said.
        reason: String,
    },
    /// A directory cannot become a file.
    #[error("destination must be a directory when copying a directory")]
    NeedsDirectory,
    /// A stream is put into a directory.
    #[error("destination must be a directory when copying from stdin")]
    StreamNeedsDirectory,
    /// What came on standard input is no archive.
    #[error("{words}")]
    NoArchive {
        /// The sentence.
        words: String,
    },
    /// A device or pipe of the host.
    #[error("invalid destination: {path:?} must be a directory or a regular file")]
    SpecialDestination {
        /// Its path.
        path: String,
    },
    /// Mounts need a namespace of the user's.
    #[error("cannot run command \"{command}\" in rootless mode, must execute `unshare` first")]
    NotUnshared {
        /// The command.
        command: &'static str,
    },
    /// A copy broke off.
    #[error("{action}: {words}")]
    Transfer {
        /// Which half of it.
        action: &'static str,
        /// Why.
        words: String,
    },
}

impl FilesError {
    /// Docker's words, where its users search for others.
    pub fn docker_message(&self) -> Option<String> {
        match self {
            Self::NoContainer { name } => Some(format!("No such container: {name}")),
            Self::NotInContainer {
                path, container, ..
            } => Some(format!(
                "Could not find the file {path} in container {container}"
            )),
            Self::NotOnHost { path, .. } => {
                Some(format!("lstat {path}: no such file or directory"))
            }
            Self::NeedsDirectory => Some("cannot copy directory".to_owned()),
            _ => None,
        }
    }
}

/// What the kernel said, in Go's words.
pub(super) fn go_reason(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_lowercase(),
        None => error.to_string(),
    }
}
