// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is asked of a new pod, and why it could not be made.

use std::path::PathBuf;

use crate::engine::create::CreateError;
use crate::engine::limits::LimitError;
use crate::state::StateError;
use crate::state::pod::PodRequest;
use crate::state::record::ContainerRequest;

/// What the user asked of a new pod: plain data, complete before anything is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodSpec {
    /// `--name`; one is made up where there is none.
    pub name: Option<String>,
    /// What the record keeps.
    pub request: PodRequest,
    /// The infra container; none with `--infra=false`.
    pub infra: Option<InfraSpec>,
    /// `--pod-id-file`.
    pub id_file: Option<PathBuf>,
}

/// What the user asked of an infra container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InfraSpec {
    /// Its network, names, mounts, maps; the image is empty where our own program is to run.
    pub container: ContainerRequest,
}

/// Why a pod could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PodCreateError {
    /// The store refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its infra container could not be made.
    #[error(transparent)]
    Infra(Box<CreateError>),
    /// Limits that no host can hold.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// `--pod-id-file`.
    #[error("write pod ID to file {}", path.display())]
    IdFile {
        /// As typed.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}
