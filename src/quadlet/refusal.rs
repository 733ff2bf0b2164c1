// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a file is not shown, installed or removed.

use std::io;
use std::path::PathBuf;

/// What cannot be done with a quadlet file.
#[derive(Debug, thiserror::Error)]
pub enum InstalledError {
    /// No such kind.
    #[error("{extension:?} is not a supported Quadlet file type")]
    Kind {
        /// How its name ends, with the dot.
        extension: String,
    },
    /// There is none of that name.
    #[error("could not locate quadlet {name:?} in any supported quadlet directory")]
    Missing {
        /// The name.
        name: String,
    },
    /// There is one already.
    #[error("a Quadlet with name {name} already exists, refusing to overwrite")]
    Exists {
        /// The name.
        name: String,
    },
    /// It did not come.
    #[error("{words}")]
    Fetch {
        /// Why not.
        words: String,
    },
    /// An address of something that is no web server.
    #[error("files come from paths, and from http:// and https:// addresses")]
    Scheme,
    /// An address without a name that a file could have.
    #[error("its address and its server name no file: {name:?}")]
    Name {
        /// What they name.
        name: String,
    },
    /// Its service runs.
    #[error("quadlet {name} is running and force is not set, refusing to remove")]
    Running {
        /// The name.
        name: String,
    },
    /// systemd did not do what it was asked for.
    #[error("{action}: {words}")]
    Manager {
        /// What that was.
        action: String,
        /// What it said.
        words: String,
    },
    /// What the disk says.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
