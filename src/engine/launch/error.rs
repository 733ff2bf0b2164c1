// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stands in the way of a start before its fork.

use std::path::PathBuf;

use crate::config::cdi::CdiError;
use crate::config::hooks_d::HookError;
use crate::engine::connect::ConnectError;
use crate::engine::hybrid::HybridError;
use crate::engine::limits::LimitError;
use crate::engine::maps::MapError;
use crate::engine::namespaces::NamespaceError;
use crate::engine::network::JoinNetworkError;
use crate::engine::spec::SecurityError;
use crate::engine::volume::VolumeFailure;
use crate::network::listeners::ListenError;
use crate::runtime::failure::StageFailure;
use crate::state::StateError;
use crate::state::secrets::SecretError;
use crate::storage::StorageError;
use crate::sys::SysError;

impl From<LimitError> for PrepareError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error.into())
    }
}

/// What was asked for and cannot be had on this host.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// `--userns`, `--uidmap`.
    #[error(transparent)]
    Map(#[from] MapError),
    /// `--pid`, `--ipc`, `--uts`, `--network`.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// `--security-opt`.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// A system call filter that cannot be used.
    #[error("seccomp profile {}: {reason}", path.display())]
    Seccomp {
        /// The profile.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of hooks.d.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// `--device` of a vendor's name.
    #[error(transparent)]
    Cdi(#[from] CdiError),
    /// `--sdnotify`.
    #[error("make the notify socket in {}", path.display())]
    NotifySocket {
        /// The container's run directory.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// `--network`, `--add-host`.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Networks by name.
    #[error(transparent)]
    Network(#[from] JoinNetworkError),
    /// A published port.
    #[error(transparent)]
    Port(#[from] ListenError),
    /// A published port that another container has.
    #[error("container {container} has the port already")]
    PortOfContainer {
        /// Its name.
        container: String,
        /// What cannot be bound.
        source: ListenError,
    },
    /// A published port, in docker's words.
    #[error("driver failed programming external connectivity on endpoint {container}: {words}")]
    Endpoint {
        /// The container's name.
        container: String,
        /// What cannot be bound, and why.
        words: String,
    },
    /// Sockets that were passed to the command.
    #[error("give the container the sockets of LISTEN_FDS")]
    Activation(#[source] SysError),
    /// The image's layers.
    #[error(transparent)]
    Image(#[from] StorageError),
    /// A map under which the kernel's overlay cannot serve the root.
    #[error(
        "this id map leaves out the caller's own id: only the FUSE overlay can serve the root, \
         and /dev/fuse cannot be used (`coracle doctor` says why) or another engine was asked for"
    )]
    NeedsFuse,
    /// The engine that was asked for.
    #[error(transparent)]
    Hybrid(#[from] HybridError),
    /// The user of the program.
    #[error(transparent)]
    User(#[from] StageFailure),
    /// A limit that this host cannot hold.
    #[error(transparent)]
    Limit(StageFailure),
    /// A directory or file of the container's own.
    #[error("prepare {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
    /// A volume.
    #[error(transparent)]
    Volume(#[from] VolumeFailure),
    /// Secrets.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
}
