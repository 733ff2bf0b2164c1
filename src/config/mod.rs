// SPDX-License-Identifier: Apache-2.0 OR MIT
//! containers.conf, storage.conf and the files about registries: what exists is read, what is
//! unknown is ignored. Where no file exists this costs a handful of refused opens.
//!
//! | file | searched in, later ones over earlier ones |
//! |---|---|
//! | containers.conf | /usr/share/containers, /etc/containers and its .conf.d, ~/.config/containers and its .conf.d; `CONTAINERS_CONF` replaces them all, `CONTAINERS_CONF_OVERRIDE` comes last |
//! | CDI files | /etc/cdi and /var/run/cdi, or those that `cdi_spec_dirs` of containers.conf names |
//! | hooks.d | /usr/share/containers/oci/hooks.d and /etc/containers/oci/hooks.d, or those that `hooks_dir` of containers.conf names |
//! | mounts.conf | the first of ~/.config/containers, /etc/containers and /usr/share/containers that has one |
//! | storage.conf | /usr/share/containers, else /etc/containers; ~/.config/containers on top; `CONTAINERS_STORAGE_CONF` replaces them all |

pub mod auth_files;
pub mod cdi;
pub mod certificates;
pub mod containers_conf;
pub mod credentials;
mod document;
pub mod hooks_d;
pub mod mounts_conf;
pub mod policy;
pub mod registries;
pub mod storage_conf;

use std::path::PathBuf;

use crate::sys::SysError;

/// Why a file that exists was not read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be opened, or a file named by a variable does not exist.
    #[error("read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
    /// The file is not TOML.
    #[error("configuration file {}, line {line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What the parser said.
        reason: String,
    },
}

/// A value that was ignored: one wrong key must not keep every command from working.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "configuration file {}: {key} must be {expected}, not {found}; it is ignored",
    path.display()
)]
pub struct Ignored {
    /// The file.
    pub path: PathBuf,
    /// The key with its section: `engine.stop_timeout`.
    pub key: String,
    /// What the key can hold, in words.
    pub expected: &'static str,
    /// What it holds, in words.
    pub found: &'static str,
}
