// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why what is said of registries cannot be used.

use std::path::PathBuf;

use super::file::FileError;
use crate::config::ConfigError;
use crate::sys::SysError;

/// Why the configuration of registries cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistriesError {
    /// A file that cannot be read, or is not TOML.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file says something that means nothing.
    #[error("loading registries configuration \"{}\"", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What.
        source: FileError,
    },
    /// daemon.json cannot be read.
    #[error("read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
    /// daemon.json is not JSON.
    #[error("configuration file {}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// daemon.json lists something that is no registry.
    #[error(
        "configuration file {}: {value:?} is neither a host, a network nor the URL of a mirror \
         without a path",
        path.display()
    )]
    Daemon {
        /// The file.
        path: PathBuf,
        /// As written.
        value: String,
    },
    /// The search list is there and empty.
    #[error(
        "short-name \"{name}\" did not resolve to an alias and no unqualified-search registries \
         are defined in \"{}\"",
        path.display()
    )]
    NoSearch {
        /// As typed.
        name: String,
        /// The file with the empty list.
        path: PathBuf,
    },
    /// `short-name-mode = "enforcing"` and several registries to search.
    #[error(
        "short-name resolution enforced: \"{name}\" may be any of {}; type one of them",
        candidates.join(", ")
    )]
    Ambiguous {
        /// As typed.
        name: String,
        /// What it may mean.
        candidates: Vec<String>,
    },
    /// `blocked = true`.
    #[error("registry {registry} is blocked in registries.conf")]
    Blocked {
        /// The prefix of the entry.
        registry: String,
    },
    /// What `location` makes of the name is no name.
    #[error("rewriting reference {reference} for location {location}: invalid reference format")]
    Rewrite {
        /// The full name.
        reference: String,
        /// As written.
        location: String,
    },
}
