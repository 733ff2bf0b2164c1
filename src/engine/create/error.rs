// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stands in the way of a new container.

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::config::cdi::CdiError;
use crate::engine::error::EngineError;
use crate::engine::limits::LimitError;
use crate::engine::maps::MapError;
use crate::engine::network::NetworkFailure;
use crate::engine::pod::JoinError;
use crate::engine::signal::SignalError;
use crate::engine::spec::SecurityError;
use crate::engine::volume::VolumeFailure;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::secrets::SecretError;
use crate::storage::StorageError;
use crate::sys::SysError;

/// Why a container could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The store refused.
    #[error(transparent)]
    State(StateError),
    /// Another container has the name, in the words that scripts search for.
    #[error("creating container storage: {0}, or use --replace to instruct Podman to do so.")]
    NameInUse(StateError),
    /// `--network container:NAME` and its like.
    #[error("looking up container to share {kind} namespace with")]
    Donor {
        /// The kind.
        kind: &'static str,
        /// Why there is none.
        source: StateError,
    },
    /// `-v`, `--mount type=volume`, `--volumes-from`.
    #[error(transparent)]
    Volume(#[from] VolumeFailure),
    /// `--device` of a vendor's name, `--gpus`.
    #[error("setting CDI devices")]
    Cdi(#[from] CdiError),
    /// `--network`.
    #[error(transparent)]
    Network(#[from] NetworkFailure),
    /// Limits that fit nowhere.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// `--userns auto`.
    #[error(transparent)]
    Map(#[from] MapError),
    /// `--health-on-failure` of a container without a check.
    #[error("cannot set on-failure action to {action} without a health check")]
    NothingToFail {
        /// The action.
        action: &'static str,
    },
    /// The lock on the ids of containers.
    #[error("reserve ids for the container")]
    Reserve(#[source] SysError),
    /// A container of another tool has the name: `rm` could not tell which one is meant.
    #[error(
        "creating container storage: the container name \"{name}\" is already in use by {id}. You \
         have to remove that container to be able to reuse that name: that name is already in use \
         by an external entity, or use --replace to instruct Podman to do so."
    )]
    ExternalName {
        /// The name.
        name: String,
        /// The container that has it.
        id: ContainerId,
    },
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The container of the same name could not be removed (`--replace`).
    #[error(transparent)]
    Replace(#[from] EngineError),
    /// The image is not there or cannot be used.
    #[error(transparent)]
    Image(#[from] StorageError),
    /// A root file system that is none.
    #[error("rootfs {}: {reason}", path.display())]
    Rootfs {
        /// As typed.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither the image nor the command line names a program.
    #[error("no command or entrypoint provided, and no CMD or ENTRYPOINT from image")]
    NoCommand,
    /// `--security-opt`.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// `--pod`.
    #[error(transparent)]
    Pod(#[from] JoinError),
    /// `--stop-signal`.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// A log driver that is not there.
    #[error("running container create option: invalid log driver: {0}")]
    LogDriver(String),
    /// `--secret`.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// `--cidfile`.
    #[error("container ID file {}: {reason}", path.display())]
    CidFile {
        /// As typed.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<StateError> for CreateError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::NameInUse { .. } => Self::NameInUse(error),
            other => Self::State(other),
        }
    }
}
