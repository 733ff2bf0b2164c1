// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a verb of the runtime was refused. Suites and engines look for some of these words.

use std::io;
use std::path::PathBuf;

use crate::engine::attach::AttachError;
use crate::runtime::failure::StageFailure;
use crate::runtime::seccomp::SeccompError;
use crate::sys::SysError;

/// Why a verb of the runtime was refused.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A name that no container can have.
    #[error("invalid container ID format: {id:?}: a dot at its beginning, or an invalid character")]
    Id {
        /// As typed.
        id: String,
    },
    /// The name is taken.
    #[error("container with given ID already exists: {id}")]
    Exists {
        /// Which.
        id: String,
    },
    /// There is none.
    #[error("container does not exist: {id}")]
    Missing {
        /// Which.
        id: String,
    },
    /// A file of ours or of the bundle.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of ours or of the bundle that does not read.
    #[error("{} does not have the expected form", path.display())]
    Form {
        /// Which.
        path: PathBuf,
        /// Where.
        source: serde_json::Error,
    },
    /// A spec that makes no sense or asks for what cannot be had.
    #[error("spec of the bundle: {reason}")]
    Spec {
        /// What and why.
        reason: String,
    },
    /// Its system call filter.
    #[error("spec of the bundle: linux.seccomp")]
    Seccomp(#[from] SeccompError),
    /// A filter of which somebody is to be asked, and nobody said who.
    #[error("cannot use SCMP_ACT_NOTIFY without linux.seccomp.listenerPath")]
    NoListener,
    /// It is not in the state that the verb wants.
    #[error("cannot {verb} container {id}: it is {status}")]
    State {
        /// What was asked for.
        verb: &'static str,
        /// Which.
        id: String,
        /// What it is.
        status: &'static str,
    },
    /// `delete` of one that runs.
    #[error("cannot delete container {id} that is not stopped: {status}")]
    NotStopped {
        /// Which.
        id: String,
        /// What it is.
        status: &'static str,
    },
    /// `kill` of one that has ended.
    #[error("container not running: {id}")]
    NotRunning {
        /// Which.
        id: String,
    },
    /// A terminal and nobody to hold its other end, or the reverse.
    #[error("{0}")]
    Console(&'static str),
    /// A stage of the start, with its exit code.
    #[error(transparent)]
    Stage(#[from] StageFailure),
    /// The caller's streams.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A cgroup.
    #[error("cgroup of container {id}: {reason}")]
    Cgroup {
        /// Whose.
        id: String,
        /// What and why.
        reason: String,
    },
    /// A call on the way.
    #[error(transparent)]
    Call(#[from] SysError),
}

impl BundleError {
    /// What the command ends with: 126 and 127 for a program that cannot run, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stage(failure) if failure.code != 125 => failure.code,
            _ => 1,
        }
    }
}

/// A file of ours or of the bundle was refused.
pub(super) fn file(path: &std::path::Path, source: io::Error) -> BundleError {
    BundleError::File {
        path: path.to_owned(),
        source,
    }
}
