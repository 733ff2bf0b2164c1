// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Copies of files and directories between two trees, as a tar stream from one to the other.
//!
//! # Security
//!
//! Either tree may belong to a hostile container that changes it meanwhile (CVE-2018-15664,
//! CVE-2019-14271). A path is resolved below a descriptor of its root, links end inside it, magic
//! links are refused, and what is found is opened below its directory and never followed. Nothing
//! of the tree is executed or loaded.

mod look;
mod receive;
mod send;

pub use look::{Look, LookedKind, look};
pub use receive::{Conflict, Links, Placement, receive};
pub use send::{Owners, Top, send};

use crate::storage::tar::{TarError, printable};
use crate::sys::SysError;

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Something is in the way.
    #[error("error creating {path:?}: {call}: {reason}")]
    Create {
        /// The path in the destination.
        path: String,
        /// The call.
        call: String,
        /// What the kernel said.
        reason: String,
    },
    /// A file of the source cannot be read.
    #[error("read {path:?}: {call}: {reason}")]
    Read {
        /// The path in the source.
        path: String,
        /// The call.
        call: String,
        /// What the kernel said.
        reason: String,
    },
    /// A name is deeper than archives can say.
    #[error("{path:?} is longer than the 4095 bytes that a path may have")]
    PathTooLong {
        /// The beginning of it.
        path: String,
    },
    /// The stream is no archive.
    #[error("source must be a (compressed) tar archive when copying from stdin")]
    NoArchive,
    /// The stream cannot be read.
    #[error("the archive: {words}")]
    Archive {
        /// What is wrong with it.
        words: String,
    },
    /// The stream cannot be written.
    #[error("write the archive: {source}")]
    Write {
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
}

impl TransferError {
    fn create(path: &[u8], error: &SysError) -> Self {
        Self::Create {
            path: printable(path),
            call: error.call.clone(),
            reason: reason(error),
        }
    }

    fn read(path: &[u8], error: &SysError) -> Self {
        Self::Read {
            path: printable(path),
            call: error.call.clone(),
            reason: reason(error),
        }
    }
}

impl From<TarError> for TransferError {
    fn from(error: TarError) -> Self {
        Self::Archive {
            words: crate::storage::error::chain(&error),
        }
    }
}

/// What the kernel said, as scripts know it.
fn reason(error: &SysError) -> String {
    error.errno.desc().to_lowercase()
}

#[cfg(test)]
mod tests;
