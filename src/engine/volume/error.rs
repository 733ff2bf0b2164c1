// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a command on volumes failed.

use super::kind::OptionError;
use crate::config::ConfigError;
use crate::engine::artifact::ArtifactError;
use crate::engine::error::EngineError;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::volumes::VolumeError;

/// Why a command on volumes failed.
#[derive(Debug, thiserror::Error)]
pub enum VolumeFailure {
    /// The volume itself.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// `--opt`.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// `--driver`.
    #[error(
        "volume {name} uses volume plugin {driver} but it could not be retrieved: no volume plugin \
         with name {driver} available: required plugin missing"
    )]
    Driver {
        /// The volume.
        name: String,
        /// As typed.
        driver: String,
    },
    /// Containers use it.
    #[error("volume {name} is being used by the following container(s): {}: volume is being used",
        users.iter().map(ContainerId::as_str).collect::<Vec<_>>().join(", "))]
    InUse {
        /// Which.
        name: String,
        /// By whom.
        users: Vec<ContainerId>,
    },
    /// `rm` names none.
    #[error("no volume with name \"{name}\" found: no such volume")]
    NothingToRemove {
        /// What was typed.
        name: String,
    },
    /// An artifact that is mounted.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// `--volumes-from` of a container that is not there.
    #[error("looking up container {container:?} for volumes-from")]
    VolumesFrom {
        /// As typed.
        container: String,
        /// Why not.
        source: StateError,
    },
    /// One made for a container.
    #[error("creating named volume {name:?}")]
    Making {
        /// Which.
        name: String,
        /// Why not.
        source: Box<VolumeFailure>,
    },
    /// A filter that nobody understands.
    #[error("{0}")]
    Filter(String),
    /// Files that stay.
    #[error("volume {name}: {reason}")]
    Files {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// What is in it could not be written or taken.
    #[error("{action} volume {name}: {words}")]
    Content {
        /// What was done.
        action: &'static str,
        /// Which.
        name: String,
        /// What stood in the way.
        words: String,
    },
    /// Its files have other owners, whom only a namespace of the user's shows.
    #[error(
        "cannot run command \"podman volume mount\" in rootless mode, must execute `podman unshare` first"
    )]
    NotUnshared,
    /// `--mount type=image`.
    #[error("mount of image {name}: {words}")]
    Image {
        /// As typed.
        name: String,
        /// Why it is not to be had.
        words: String,
    },
    /// containers.conf.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The containers.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The records of containers.
    #[error(transparent)]
    State(#[from] StateError),
}
