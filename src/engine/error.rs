// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong with a container that exists or should: refusals by its state, and calls
//! that the kernel refused. The words that scripts search for are podman's;
//! [`EngineError::docker_message`] has docker's where they differ.

use std::error::Error;
use std::path::PathBuf;

use super::filter::FilterError;
use super::signal::SignalError;
use crate::runtime::failure::StageFailure;
use crate::runtime::userns::UsernsError;
use crate::state::StateError;
use crate::state::id::{ContainerId, PodId};
use crate::sys::SysError;

/// Why something could not be done to a container.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store refused, or knows no such container.
    #[error(transparent)]
    State(#[from] StateError),
    /// It could not be started.
    #[error("unable to start container \"{id}\"")]
    Start {
        /// The container.
        id: ContainerId,
        /// 125, 126 or 127.
        exit_code: u8,
        /// Why: a `StartError`, which starts themselves put below errors of this type.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Not a signal.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// `rm` of what is not there: podman has the words the other way round here.
    #[error("no container with ID or name \"{name}\" found: no such container")]
    NothingToRemove {
        /// What the user typed.
        name: String,
    },
    /// `--latest` with an empty store.
    #[error("no container has been created yet: no such container")]
    NoLatest,
    /// `--cidfile` names what cannot be read.
    #[error("reading CIDFile: open {}: {reason}", path.display())]
    IdFile {
        /// The file.
        path: PathBuf,
        /// What the kernel said, as Go words it.
        reason: String,
    },
    /// `--filter` that cannot be understood.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Only a running container can be signalled.
    #[error(
        "can only kill running containers. {id} is in state {status}: container state improper"
    )]
    NotKillable {
        /// The container.
        id: ContainerId,
        /// What it is doing instead.
        status: &'static str,
    },
    /// Only a running container can be paused.
    #[error("\"{id}\" is not running, can't pause: container state improper")]
    NotPausable {
        /// The container.
        id: ContainerId,
    },
    /// It is paused already.
    #[error("\"{id}\" is already paused: container state improper")]
    AlreadyPaused {
        /// The container.
        id: ContainerId,
    },
    /// Only a paused container can go on.
    #[error("\"{id}\" is not paused, can't unpause: container state improper")]
    NotPaused {
        /// The container.
        id: ContainerId,
    },
    /// A running container is only removed with force.
    #[error(
        "cannot remove container {id} as it is {status} - running or paused containers cannot be \
         removed without force: container state improper"
    )]
    NotRemovable {
        /// The container.
        id: ContainerId,
        /// `running` or `paused`.
        status: &'static str,
    },
    /// Others share its namespaces.
    #[error(
        "container {id} has dependent containers which must be removed before it: {}: container \
         already exists",
        id_list(dependents)
    )]
    HasDependents {
        /// The container.
        id: ContainerId,
        /// Who shares its namespaces.
        dependents: Vec<ContainerId>,
    },
    /// No session of `exec` by that id.
    #[error("no exec session with ID {session} found: no such exec session")]
    NoSuchSession {
        /// As typed.
        session: String,
    },
    /// A session of `exec` whose program runs.
    #[error("exec session {session} is running, refusing to clean up: container state improper")]
    SessionRuns {
        /// As typed.
        session: String,
    },
    /// An infra container goes with its pod.
    #[error(
        "container {id} is the infra container of pod {pod} and cannot be removed without \
         removing the pod"
    )]
    InfraOfPod {
        /// The container.
        id: ContainerId,
        /// Whose it is.
        pod: PodId,
    },
    /// What runs is not cleaned up.
    #[error("container {id} is running or paused, refusing to clean up: container state improper")]
    Busy {
        /// The container.
        id: ContainerId,
    },
    /// A paused container cannot be restarted.
    #[error("unable to restart container {id} in a paused state: container state improper")]
    NotRestartable {
        /// The container.
        id: ContainerId,
    },
    /// A name that is no state to wait for.
    #[error("invalid container status \"{condition}\": invalid argument")]
    Condition {
        /// What the user typed.
        condition: String,
    },
    /// A state of health of a container without a check.
    #[error("cannot use condition \"{condition}\": container {id} has no healthcheck")]
    NoHealthcheck {
        /// Which container.
        id: ContainerId,
        /// What the user typed.
        condition: String,
    },
    /// It runs on another machine, or was started in another pid namespace.
    #[error(
        "container {id} runs elsewhere (machine {machine}): processes there are out of reach from here"
    )]
    Elsewhere {
        /// The container.
        id: ContainerId,
        /// The machine that its record names.
        machine: String,
    },
    /// A signal could not be sent.
    #[error("signal container {id}")]
    SendSignal {
        /// The container.
        id: ContainerId,
        /// What the kernel said.
        source: SysError,
    },
    /// The kernel refused to watch its processes.
    #[error("wait for container {id}")]
    Watch {
        /// The container.
        id: ContainerId,
        /// What the kernel said.
        source: SysError,
    },
    /// The container has ended and its monitor does not.
    #[error(
        "the monitor of container {id} (process {pid}) has not ended {seconds} seconds after the \
         container: `kill -9 {pid}` ends it, then try again"
    )]
    MonitorStuck {
        /// The container.
        id: ContainerId,
        /// The monitor's process id.
        pid: i32,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A container of another tool that is mounted.
    #[error(
        "container {id} is mounted and cannot be removed without using force: container state \
         improper"
    )]
    ExternalMounted {
        /// The container.
        id: ContainerId,
    },
    /// A container of another tool that stays.
    #[error("remove container {id}: {reason}")]
    External {
        /// The container.
        id: ContainerId,
        /// What that tool says.
        reason: String,
    },
    /// `stop` of a container whose monitor was killed: it is down, and nobody saw how it ended.
    /// The words are podman's.
    #[error(
        "container {id} conmon exited prematurely, exit code could not be retrieved: conmon \
         process killed"
    )]
    MonitorKilled {
        /// The container.
        id: ContainerId,
    },
    /// SIGKILL did not end it, as happens in an uninterruptible call of a broken device.
    #[error("container {id} (process {pid}) has not ended {seconds} seconds after SIGKILL")]
    Unkillable {
        /// The container.
        id: ContainerId,
        /// The process id of its first process.
        pid: i32,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Somebody starts it again each time it is ended.
    #[error("container {id} was started again each time that it was ended: something restarts it")]
    KeepsStarting {
        /// The container.
        id: ContainerId,
    },
    /// Its limits cannot be changed so.
    #[error("update container {id}")]
    Update {
        /// Which.
        id: ContainerId,
        /// Why, with what the user can do.
        source: StageFailure,
    },
    /// Freezing needs a cgroup of its own.
    #[error(
        "container {id} has no cgroup of its own, so it cannot be paused: this user was given no \
         cgroup v2 directory when it was started; `coracle doctor` says how to delegate one"
    )]
    NoCgroup {
        /// The container.
        id: ContainerId,
    },
    /// The cgroup could not be frozen or thawed.
    #[error("{action} container {id}")]
    Freeze {
        /// `pause` or `unpause`.
        action: &'static str,
        /// The container.
        id: ContainerId,
        /// What the kernel said.
        source: SysError,
    },
    /// Files of subordinate ids are only removed inside the user's namespace.
    #[error("remove the files of container {id}")]
    Userns {
        /// The container.
        id: ContainerId,
        /// What kept us out.
        source: UsernsError,
    },
    /// The files could not be removed from inside either.
    #[error("remove the files of container {id}: {reason}")]
    Files {
        /// The container.
        id: ContainerId,
        /// What was said inside.
        reason: String,
    },
}

impl EngineError {
    /// Docker's words, where its users search for others.
    pub fn docker_message(&self) -> Option<String> {
        let text = match self {
            Self::State(StateError::NoSuchContainer { name }) | Self::NothingToRemove { name } => {
                format!("No such container: {name}")
            }
            Self::NotKillable { id, .. } => {
                format!("cannot kill container: {id}: container {id} is not running")
            }
            Self::NotPausable { id } => format!("container {id} is not running"),
            Self::AlreadyPaused { id } => format!("container {id} is already paused"),
            Self::NotPaused { id } => format!("container {id} is not paused"),
            Self::NotRemovable { id, status } => format!(
                "cannot remove container {id}: container is {status}: stop the container before \
                 removing or force remove"
            ),
            _ => return None,
        };
        Some(text)
    }

    /// Whether it only says that there is no such container.
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::State(StateError::NoSuchContainer { .. })
                | Self::NothingToRemove { .. }
                | Self::NoLatest
        )
    }
}

fn id_list(ids: &[ContainerId]) -> String {
    let ids: Vec<&str> = ids.iter().map(ContainerId::as_str).collect();
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_the_words_that_its_scripts_search_for() {
        let id = || ContainerId::from_random(&[0xab; 32]);
        let full = id().to_string();
        let cases = [
            (
                EngineError::NotKillable {
                    id: id(),
                    status: "exited",
                },
                format!(
                    "can only kill running containers. {full} is in state exited: container state improper"
                ),
                format!("cannot kill container: {full}: container {full} is not running"),
            ),
            (
                EngineError::NotRemovable {
                    id: id(),
                    status: "running",
                },
                format!(
                    "cannot remove container {full} as it is running - running or paused containers \
                     cannot be removed without force: container state improper"
                ),
                format!(
                    "cannot remove container {full}: container is running: stop the container before \
                     removing or force remove"
                ),
            ),
            (
                EngineError::State(StateError::NoSuchContainer { name: "web".into() }),
                "no container with name or ID \"web\" found: no such container".to_owned(),
                "No such container: web".to_owned(),
            ),
        ];
        for (error, podman, docker) in cases {
            assert_eq!(error.to_string(), podman);
            assert_eq!(error.docker_message().as_ref(), Some(&docker));
        }
    }
}
