// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `exec`: a further program in a running container. The command itself holds the program's
//! streams; no monitor stands between, and a detached program has a small waiter of its own.

pub(super) mod sessions;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};
use oci_spec::runtime::{Capabilities, LinuxCapabilities, Process};

use super::attach::{
    AttachError, AttachOutcome, Ending, Endpoint, LocalStreams, ProcessControl, Pump, SignalGate,
    SignalProxy, pump,
};
use sessions::SessionFiles;

use super::groups;
use super::launch::{PrepareError, container_filter};
use super::pipes::{Input, piped};
use super::secret;
use super::spec::{SecurityError, SecurityOptions, bounding_set, session_process};
use super::terminal::{DetachKeys, size_of};
use super::{Dialect, Engine, cgroup};
use crate::monitor::protocol::AttachedStreams;
use crate::runtime::exec::{Running, Session, start};
use crate::runtime::failure::StageFailure;
use crate::runtime::launch::{Filter, LineEnds, ProgramIo, UserChoice};
use crate::state::StateError;
use crate::state::events::{Action, Event};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::{ContainerRecord, ContainerState};
use crate::state::secrets::{GivenSecret, SecretError};
use crate::state::store::Store;
use crate::sys::channel::Channel;
use crate::sys::pidfd::Pidfd;
use crate::sys::process::{CloneRequest, Forked, clone3, close_all_but, exit_now, show_arguments};
use crate::sys::steps::step;
use crate::sys::stream::{drop_standard_streams, open_null};
use crate::sys::{Called, Ignored, SysError, SysResult};

/// What is executed, and how.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// Program and arguments.
    pub command: Vec<String>,
    /// More environment, over the container's.
    pub env: Vec<(String, String)>,
    /// `USER[:GROUP]`; the container's when `None`.
    pub user: Option<String>,
    /// Working directory; the container's when `None`.
    pub workdir: Option<String>,
    /// A terminal of its own.
    pub tty: bool,
    /// Standard input is passed on.
    pub interactive: bool,
    /// Every capability.
    pub privileged: bool,
    /// The caller's descriptors that are passed, beside the standard streams.
    pub preserved_fds: Vec<i32>,
}

/// Why nothing was executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its secrets.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The container does not run.
    #[error("can only create exec sessions on running containers: container state improper")]
    NotRunning {
        /// Which.
        id: ContainerId,
    },
    /// The container is frozen.
    #[error("container {id} is paused, unpause it before exec: container state improper")]
    Paused {
        /// Which.
        id: ContainerId,
    },
    /// Its options no longer read.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// Its filter cannot be made.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A stage on the way, with its exit code.
    #[error(transparent)]
    Stage(#[from] StageFailure),
    /// The user's streams.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A call on the way.
    #[error("exec in container {id}")]
    Call {
        /// Which.
        id: ContainerId,
        /// What the kernel said.
        source: SysError,
    },
}

impl ExecError {
    /// 125, 126 or 127.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stage(failure) => failure.code,
            Self::State(_)
            | Self::Secret(_)
            | Self::NotRunning { .. }
            | Self::Paused { .. }
            | Self::Security(_)
            | Self::Prepare(_)
            | Self::Attach(_)
            | Self::Call { .. } => 125,
        }
    }
}

/// A container that was found running, and what a session in it needs.
pub(super) struct Target {
    record: ContainerRecord,
    pidfd: Pidfd,
    pid: i32,
    cgroup: Option<OwnedFd>,
}

impl Engine {
    /// Executes a program and carries its streams until it ends or the user leaves.
    ///
    /// # Errors
    ///
    /// See [`ExecError`].
    pub fn exec(
        &self,
        id: &ContainerId,
        request: &ExecRequest,
        detach_keys: DetachKeys,
    ) -> Result<AttachOutcome, ExecError> {
        let call = |source| ExecError::Call {
            id: id.clone(),
            source,
        };
        let target = self.exec_target(id)?;
        step(|| format!("execute a program in container {id}"));
        let signals = SignalGate::hold(SignalProxy::Forward).map_err(AttachError::Signals)?;
        let (io, endpoint) = streams(request).map_err(call)?;
        let running = self.begin(&target, request, io)?;
        self.emit(&[Event::of_container(&target.record, Action::Exec)]);
        let process = Pidfd::open(running.pid).map_err(call)?;
        let (endpoint, master) = match (endpoint, running.console) {
            (_, Some(master)) => {
                let copy = master
                    .try_clone()
                    .called(|| "dup(terminal)")
                    .map_err(call)?;
                (Endpoint::Terminal { master }, Some(copy))
            }
            (endpoint, None) => (endpoint, None),
        };
        let streams = AttachedStreams {
            stdin: request.interactive,
            stdout: true,
            stderr: true,
        };
        let control = ProcessControl { process, master };
        let ending = pump(Pump {
            endpoint,
            local: LocalStreams::of_process(streams).map_err(AttachError::Streams)?,
            control: &control,
            signals: &signals,
            detach_keys,
            process: Some(control.process.as_fd()),
        })?;
        Ok(match ending {
            Ending::Ended => {
                let code = reap(running.pid);
                self.emit(&[exec_died(&target.record, code)]);
                AttachOutcome::Exited(code)
            }
            Ending::Detached => {
                keep_terminal(&control, &signals).map_err(call)?;
                AttachOutcome::Detached
            }
            Ending::OutputClosed => AttachOutcome::OutputClosed,
            Ending::Interrupted(signal) => AttachOutcome::Interrupted(signal),
        })
    }

    /// Executes a program and returns when it runs, with the id of the session.
    ///
    /// # Errors
    ///
    /// See [`ExecError`].
    pub fn exec_detached(
        &self,
        id: &ContainerId,
        request: &ExecRequest,
    ) -> Result<String, ExecError> {
        let call = |source| ExecError::Call {
            id: id.clone(),
            source,
        };
        let target = self.exec_target(id)?;
        let (line, waiter_line) = Channel::pair().map_err(call)?;
        // It looks like the id of a container, and is none.
        let session = ContainerId::random().map_err(call)?.as_str().to_owned();
        match clone3(&CloneRequest::default()).map_err(call)? {
            Forked::Child => self.wait_for_session(&target, request, &session, &waiter_line),
            Forked::Parent { .. } => {}
        }
        drop(waiter_line);
        let message = line.receive().map_err(call)?;
        match message.bytes.split_first() {
            Some((b's', _)) => Ok(session),
            Some((_, json)) => {
                let failure = serde_json::from_slice::<StageFailure>(json)
                    .unwrap_or_else(|_| StageFailure::setup(String::from_utf8_lossy(json)));
                Err(self.detached_failure(failure).into())
            }
            None => Err(StageFailure::setup("the session ended before its program ran").into()),
        }
    }

    /// Podman keeps 126 and 127 for who waits for the program.
    fn detached_failure(&self, failure: StageFailure) -> StageFailure {
        match self.dialect {
            Dialect::Podman => StageFailure::setup(failure.message),
            Dialect::Docker => failure,
        }
    }

    /// The process beside a detached session: its parent, so that somebody reaps it.
    fn wait_for_session(
        &self,
        target: &Target,
        request: &ExecRequest,
        session: &str,
        line: &Channel,
    ) -> ! {
        use std::os::fd::AsRawFd;
        setsid().ignored();
        // As the monitor's: the command's may hold a secret.
        let root = self.dirs.data_root.to_string_lossy();
        let container = target.record.id.as_str();
        show_arguments(&["coracle", "session", "--root", &root, container, session]);
        let mut kept = vec![line.as_fd().as_raw_fd(), target.pidfd.as_fd().as_raw_fd()];
        kept.extend(target.cgroup.as_ref().map(AsRawFd::as_raw_fd));
        kept.extend(&request.preserved_fds);
        let begun = quiet_streams(&kept)
            .map_err(|error| ExecError::Stage(StageFailure::setup(error.to_string())))
            .and_then(|io| self.begin(target, request, io));
        match begun {
            Ok(running) => {
                let container = self.dirs.container(&target.record.id);
                // Who looks for it finds none: the program runs all the same.
                let files = SessionFiles::write(&container, session, running.pid).ok();
                self.emit(&[Event::of_container(&target.record, Action::Exec)]);
                drop(line.send(b"s", None));
                drop(close_all_but(&[]));
                let code = reap(running.pid);
                self.emit(&[exec_died(&target.record, code).with("execID", session)]);
                if let Some(files) = files {
                    files.remove();
                }
                exit_now(code)
            }
            Err(error) => {
                let code = error.exit_code();
                let failure = StageFailure::with_code(code, error.to_string());
                let mut bytes = vec![b'f'];
                bytes.extend(serde_json::to_vec(&failure).unwrap_or_default());
                drop(line.send(&bytes, None));
                exit_now(1)
            }
        }
    }

    pub(super) fn exec_target(&self, id: &ContainerId) -> Result<Target, ExecError> {
        let store = Store::open(self.dirs.clone())?;
        let (state, observed) = store.observe(id)?;
        match observed {
            Observed::Running => {}
            Observed::Paused => return Err(ExecError::Paused { id: id.clone() }),
            Observed::Created
            | Observed::Restarting
            | Observed::Exited
            | Observed::Lost(_)
            | Observed::Elsewhere => {
                return Err(ExecError::NotRunning { id: id.clone() });
            }
        }
        let record = store.load(id)?;
        Self::open_target(id, record, &state)
    }

    fn open_target(
        id: &ContainerId,
        record: ContainerRecord,
        state: &ContainerState,
    ) -> Result<Target, ExecError> {
        let gone = || ExecError::NotRunning { id: id.clone() };
        let process = state.container.ok_or_else(gone)?;
        let pidfd = process
            .open_pidfd()
            .map_err(|source| ExecError::Call {
                id: id.clone(),
                source,
            })?
            .ok_or_else(gone)?;
        // Where that fails, so does the fork into the cgroup, in the kernel's own words.
        drop(cgroup::come_near(&state.cgroup_path));
        let cgroup = cgroup::open(&state.cgroup_path);
        Ok(Target {
            record,
            pidfd,
            pid: process.pid,
            cgroup,
        })
    }

    pub(super) fn begin(
        &self,
        target: &Target,
        request: &ExecRequest,
        io: ProgramIo,
    ) -> Result<Running, ExecError> {
        let given = self.secrets_of(&target.record)?;
        let security = SecurityOptions::parse(&target.record.request.security_opt)?;
        let bounding = bounding_set(&target.record, self.dialect);
        let seccomp = if request.privileged {
            Filter::default()
        } else {
            container_filter(&target.record, &security, &bounding)?.into()
        };
        let session = Session {
            namespaces: None,
            personality: None,
            container: target.pidfd.as_fd(),
            pid: target.pid,
            process: self.session_process(&target.record, request, &security, &given),
            user: UserChoice::Lookup {
                user: Self::session_user(&target.record, request),
                additional_groups: groups::added(&target.record.request),
            },
            groups: groups::policy_in(&target.record.request, target.pid),
            seccomp: &seccomp,
            cgroup: target.cgroup.as_ref().map(AsFd::as_fd),
            preserved_fds: &request.preserved_fds,
        };
        Ok(start(&session, io)?)
    }

    fn session_user(record: &ContainerRecord, request: &ExecRequest) -> String {
        request
            .user
            .clone()
            .unwrap_or_else(|| Self::program_user(record))
    }

    fn session_process(
        &self,
        record: &ContainerRecord,
        request: &ExecRequest,
        security: &SecurityOptions,
        given: &[GivenSecret],
    ) -> Process {
        let mut process = session_process(record, self.dialect, security, request.tty);
        process.set_args(Some(request.command.clone()));
        let mut environment = process.env().clone().unwrap_or_default();
        secret::set_variables(&mut environment, &secret::environment(given));
        secret::set_variables(&mut environment, &request.env);
        process.set_env(Some(environment));
        if let Some(workdir) = &request.workdir {
            process.set_cwd(PathBuf::from(workdir));
        }
        if request.privileged {
            process.set_capabilities(Some(every_capability()));
        }
        process
    }
}

fn exec_died(record: &ContainerRecord, code: i32) -> Event {
    Event::of_container(record, Action::ExecDied).with_exit_code(code)
}

fn every_capability() -> LinuxCapabilities {
    let names = crate::runtime::capability::NAMES.iter();
    let all: Capabilities = names
        .filter_map(|name| name.strip_prefix("CAP_")?.parse().ok())
        .collect();
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(all.clone()));
    sets.set_effective(Some(all.clone()));
    sets.set_permitted(Some(all));
    sets.set_inheritable(Some(Capabilities::new()));
    sets.set_ambient(Some(Capabilities::new()));
    sets
}

fn streams(request: &ExecRequest) -> SysResult<(ProgramIo, Endpoint)> {
    let none = Endpoint::Pipes {
        stdin: None,
        stdout: None,
        stderr: None,
    };
    if request.tty {
        let size = |fd: BorrowedFd<'_>| size_of(fd).map(|size| (size.rows, size.columns));
        let size = size(std::io::stdin().as_fd()).or_else(|| size(std::io::stdout().as_fd()));
        let lines = LineEnds::Screen;
        return Ok((ProgramIo::Terminal { size, lines }, none));
    }
    let (program, ours) = piped(Input::of(request.interactive))?;
    let endpoint = Endpoint::Pipes {
        stdin: ours.stdin,
        stdout: Some(ours.stdout),
        stderr: Some(ours.stderr),
    };
    Ok((program, endpoint))
}

/// Lets go of every stream of the caller's, and gives the program none.
fn quiet_streams(kept: &[i32]) -> SysResult<ProgramIo> {
    let mut kept = kept.to_vec();
    kept.extend([0, 1, 2]);
    close_all_but(&kept)?;
    drop_standard_streams()?;
    let null = open_null()?;
    let copy = || null.try_clone().called(|| "dup(\"/dev/null\")");
    Ok(ProgramIo::Streams {
        stdin: copy()?,
        stdout: copy()?,
        stderr: copy()?,
    })
}

/// Leaves a process behind that reads the terminal of a session from which the user has detached:
/// when the last one who has it open goes, the session is hung up.
fn keep_terminal(control: &ProcessControl, signals: &SignalGate) -> SysResult<()> {
    use std::os::fd::AsRawFd;
    let Some(master) = &control.master else {
        return Ok(());
    };
    let Forked::Child = clone3(&CloneRequest::default())? else {
        return Ok(());
    };
    setsid().ignored();
    let process = control.process.as_fd();
    let kept = [master.as_fd(), signals.as_fd(), process].map(|kept| kept.as_raw_fd());
    if let (Ok(_), Ok(master)) = (quiet_streams(&kept), master.try_clone()) {
        let endpoint = Endpoint::Terminal { master };
        // Nobody can be told how it ends.
        drop(pump(Pump {
            endpoint,
            local: LocalStreams::default(),
            control,
            signals,
            detach_keys: DetachKeys::default(),
            process: Some(process),
        }));
    }
    exit_now(0)
}

/// Waits for our child and turns its end into an exit code.
pub(super) fn reap(pid: i32) -> i32 {
    loop {
        match waitpid(Pid::from_raw(pid), None) {
            Ok(WaitStatus::Exited(_, code)) => return code,
            Ok(WaitStatus::Signaled(_, signal, _)) => return 128 + signal as i32,
            Err(nix::errno::Errno::EINTR) | Ok(_) => {}
            Err(_) => return 255,
        }
    }
}
