// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Starting a container: the one place that joins runtime and monitor. The command prepares
//! everything as data, forks the monitor, and hears from it over one line:
//!
//! ```text
//! w<words>    what the user should know
//! s<pid>      the program runs
//! f<json>     it could not be started, and why
//! e<code>     a run of it has ended, and another follows
//! x<code>     it has ended and everything is cleaned up
//! ```

mod attendant;
mod bridges;
mod cdi;
mod default_mounts;
mod error;
mod health_clock;
mod hooks;
mod ids;
mod life;
mod overlays;
mod passwd;
mod places;
mod ports;
mod prepare;
mod prepared;
mod process;
mod run;
mod time_zone;
mod variables;

use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

pub use attendant::{OverlayServer, RootDevice, install_overlay_server};
pub(super) use attendant::{serve_mount, start_overlay_server};
pub(super) use bridges::{host_of, own_of, resolvers_of};
pub use error::PrepareError;
pub use prepare::container_filter;

use prepared::Prepared;

use super::attach::{
    AttachError, AttachOutcome, Ending, Endpoint, LocalStreams, MonitorControl, Pump, SignalGate,
    SignalProxy, pump,
};
use super::connect::ConnectError;
use super::error::EngineError;
use super::oci_runtime::FlagsError;
use super::terminal::DetachKeys;
use super::volume::Filling;
use super::{Engine, Report, recovery};
use crate::monitor::protocol::{AttachedStreams, Framing};
use crate::runtime::failure::StageFailure;
use crate::runtime::holder_ahead::HolderAhead;
use crate::runtime::subid::holder_map;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::store::{ContainerLock, Store};
use crate::sys::channel::Channel;
use crate::sys::process::{CloneRequest, Forked, clone3};
use crate::sys::steps::step;
use crate::sys::{Called, SysError};

/// How a container is started.
#[derive(Debug)]
pub enum StartMode {
    /// The command returns when the program runs.
    Detached,
    /// The command carries the container's streams until it ends or the user leaves.
    Foreground(Foreground),
}

/// What a start in the foreground attaches.
#[derive(Debug)]
pub struct Foreground {
    /// Which of the user's streams take part.
    pub streams: AttachedStreams,
    /// What the user types to leave.
    pub detach_keys: DetachKeys,
    /// Whether signals go to the container.
    pub signal_proxy: SignalProxy,
}

/// How a start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOutcome {
    /// It runs, and the command has nothing more to do with it.
    Started,
    /// It ran already.
    AlreadyRunning,
    /// It was attached to.
    Attached(AttachOutcome),
}

/// Why a container did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
    /// What was asked for cannot be had on this host.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A stage of the start, with its exit code.
    #[error(transparent)]
    Stage(#[from] StageFailure),
    /// The user's streams.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The infra container of its pod.
    #[error("start the infra container of its pod")]
    Infra(#[source] Box<EngineError>),
    /// It is frozen.
    #[error("unable to start container {id}: it is paused; unpause it instead")]
    Paused {
        /// Which.
        id: ContainerId,
    },
    /// It runs on another machine.
    #[error("unable to start container {id}: it is in use on another machine")]
    Elsewhere {
        /// Which.
        id: ContainerId,
    },
    /// A call on the way.
    #[error("start container {id}")]
    Call {
        /// Which.
        id: ContainerId,
        /// What the kernel said.
        source: SysError,
    },
}

/// A container that this process has just made.
#[derive(Debug)]
pub(super) struct NewContainer {
    /// Nobody else may start or remove it first.
    pub(super) lock: ContainerLock,
    /// Whether its record is on the disk.
    pub(super) on_disk: RecordOnDisk,
    /// The way into the user's namespace.
    pub(super) holder: HolderAhead,
}

/// Whether a container's record outlives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordOnDisk {
    /// It does, or it need not.
    Synced,
    /// It does not yet.
    Pending,
}

impl StartError {
    /// 125, 126 or 127.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stage(failure) | Self::Prepare(PrepareError::User(failure)) => failure.code,
            // As podman, whose runtime is asked for them.
            Self::Prepare(PrepareError::Port(_) | PrepareError::PortOfContainer { .. }) => 126,
            Self::State(_)
            | Self::Prepare(_)
            | Self::Attach(_)
            | Self::Infra(_)
            | Self::Paused { .. }
            | Self::Elsewhere { .. }
            | Self::Call { .. } => 125,
        }
    }
}

impl Engine {
    /// Starts a container that does not run.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; the container stays as it was.
    pub fn start(
        &self,
        id: &ContainerId,
        mode: StartMode,
        report: &dyn Report,
    ) -> Result<StartOutcome, StartError> {
        self.start_new(id, None, mode, report)
    }

    /// As [`Engine::start`], for a container that this process has made and holds. Its record may
    /// still have to reach the disk: that takes milliseconds, in which the monitor starts it.
    pub(super) fn start_new(
        &self,
        id: &ContainerId,
        new: Option<NewContainer>,
        mode: StartMode,
        report: &dyn Report,
    ) -> Result<StartOutcome, StartError> {
        use crate::state::liveness::Observed;
        let store = Store::open(self.dirs.clone())?;
        let is_old = new.is_none();
        let mut new = match new {
            Some(new) => new,
            None => NewContainer {
                lock: store.lock(id)?,
                on_disk: RecordOnDisk::Synced,
                holder: HolderAhead::later(),
            },
        };
        let (state, observed) = store.observe(id)?;
        match observed {
            Observed::Created | Observed::Exited => {}
            Observed::Lost(loss) => {
                recovery::settle(&store, &new.lock, id, (state, loss), report)?;
            }
            Observed::Running | Observed::Restarting => return Ok(StartOutcome::AlreadyRunning),
            Observed::Paused => return Err(StartError::Paused { id: id.clone() }),
            Observed::Elsewhere => return Err(StartError::Elsewhere { id: id.clone() }),
        }
        let record = store.load(id)?;
        step(|| format!("prepare the start of container {id}"));
        self.start_infra(&record, report)
            .map_err(|error| StartError::Infra(Box::new(error)))?;
        if is_old {
            new.holder = HolderAhead::begin(&holder_map(), &self.dirs.run_root);
        }
        self.check_runtime_flags().map_err(|error| match error {
            FlagsError::Config(error) => StartError::Prepare(ConnectError::from(error).into()),
            FlagsError::Flag(failure) => failure.into(),
        })?;
        let prepared = self.prepare(&store, record, report)?;
        let joined = prepared.joined_monitor.and_then(HolderAhead::of_monitor);
        new.holder = joined.unwrap_or(new.holder);
        step(|| {
            let launch = &prepared.launch;
            format!("fork the monitor: {:?}, {:?}", launch.root, launch.maps)
        });
        let delivery = new.holder.delivery();
        let (started, filling) = Started::fork(prepared, &mut new.holder, &mode)?;
        if let Some(delivery) = delivery {
            delivery.hand_over();
        }
        let synced = match new.on_disk {
            RecordOnDisk::Synced => Ok(()),
            RecordOnDisk::Pending => store.sync(id),
        };
        if let Err(failure) = hear_of_start(&started.line, report) {
            reap(started.monitor);
            return Err(failure.into());
        }
        // The container runs all the same.
        if let Err(error) = synced {
            report.warning(&crate::runtime::failure::chain(&error));
        }
        // What the container leaves may go with it, and its volumes among that.
        drop(filling);
        drop(new);
        match mode {
            StartMode::Detached => Ok(StartOutcome::Started),
            StartMode::Foreground(foreground) => {
                self.carry(started, foreground).map(StartOutcome::Attached)
            }
        }
    }

    fn carry(&self, started: Started, foreground: Foreground) -> Result<AttachOutcome, StartError> {
        let Some((stream, gate)) = started.session else {
            // The container has the caller's own streams: there is nothing to carry.
            let code = self.hear_of_end(&started.id, &started.line, started.monitor)?;
            return Ok(AttachOutcome::Exited(code));
        };
        let ending = pump(Pump {
            endpoint: Endpoint::Socket {
                stream,
                framing: started.framing,
            },
            local: LocalStreams::of_process(foreground.streams).map_err(AttachError::Streams)?,
            control: &started.control,
            signals: &gate,
            detach_keys: foreground.detach_keys,
            process: None,
        })?;
        Ok(match ending {
            Ending::Ended => {
                let code = self.hear_of_end(&started.id, &started.line, started.monitor)?;
                AttachOutcome::Exited(code)
            }
            Ending::Detached => AttachOutcome::Detached,
            Ending::OutputClosed => AttachOutcome::OutputClosed,
            Ending::Interrupted(signal) => AttachOutcome::Interrupted(signal),
        })
    }

    /// The exit code from the monitor, or from the record when the monitor was killed.
    fn hear_of_end(
        &self,
        id: &ContainerId,
        line: &Channel,
        monitor: i32,
    ) -> Result<i32, StartError> {
        let call = |source| StartError::Call {
            id: id.clone(),
            source,
        };
        let message = line.receive().map_err(call)?;
        let (kind, code) = message.bytes.split_at(message.bytes.len().min(1));
        let code = String::from_utf8_lossy(code).parse().ok();
        if let (b"e", Some(code)) = (kind, code) {
            return Ok(code);
        }
        reap(monitor);
        if let (b"x", Some(code)) = (kind, code) {
            return Ok(code);
        }
        let store = Store::open(self.dirs.clone())?;
        let state = store.read_state(id)?;
        Ok(state.exit_code.unwrap_or(KILLED))
    }
}

/// The command's side of a start.
struct Started {
    id: ContainerId,
    monitor: i32,
    line: Channel,
    /// The stream of a foreground container, and the signals held back for it.
    session: Option<(OwnedFd, SignalGate)>,
    framing: Framing,
    control: MonitorControl,
}

impl Started {
    /// Forks the monitor, which never comes back from here. What comes with it is kept until the
    /// program runs.
    fn fork(
        mut prepared: Prepared,
        holder: &mut HolderAhead,
        mode: &StartMode,
    ) -> Result<(Self, Filling), StartError> {
        let id = prepared.record.id.clone();
        let call = |source| StartError::Call {
            id: id.clone(),
            source,
        };
        let (line, monitor_line) = Channel::pair().map_err(call)?;
        let (session, client) = match mode {
            StartMode::Foreground(foreground) if !prepared.is_passthrough() => {
                // Made early, so that no signal between here and the pump is lost.
                let gate = SignalGate::hold(foreground.signal_proxy);
                let gate = gate.map_err(AttachError::Signals)?;
                let (ours, theirs) = stream_pair().map_err(call)?;
                (Some((ours, gate)), Some((theirs, foreground.streams)))
            }
            StartMode::Foreground(_) | StartMode::Detached => (None, None),
        };
        let monitor = match clone3(&CloneRequest::default()).map_err(call)? {
            Forked::Child => process::monitor(&mut prepared, holder, &monitor_line, client),
            Forked::Parent { pid, .. } => pid,
        };
        let started = Self {
            id: id.clone(),
            monitor,
            line,
            session,
            framing: prepared.framing(),
            control: MonitorControl {
                run_directory: prepared.run_directory,
            },
        };
        Ok((started, prepared.filling))
    }
}

/// Waits until the monitor is gone: when the command returns nothing is left.
fn reap(monitor: i32) {
    let monitor = nix::unistd::Pid::from_raw(monitor);
    while nix::sys::wait::waitpid(monitor, None) == Err(nix::errno::Errno::EINTR) {}
}

/// The code of a container that died with its monitor, by SIGKILL.
const KILLED: i32 = 137;

/// Both ends of a stream for the command in the foreground.
fn stream_pair() -> Result<(OwnedFd, OwnedFd), SysError> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::Stream, None, flags)
        .called(|| "socketpair(SOCK_STREAM)")
}

fn hear_of_start(line: &Channel, report: &dyn Report) -> Result<(), StageFailure> {
    loop {
        let message = line
            .receive()
            .map_err(|error| StageFailure::setup(error.to_string()))?;
        return match message.bytes.split_first() {
            Some((b'w', words)) => {
                report.warning(&String::from_utf8_lossy(words));
                continue;
            }
            Some((b's', _)) => Ok(()),
            Some((b'f', json)) => Err(serde_json::from_slice(json)
                .unwrap_or_else(|_| StageFailure::setup(String::from_utf8_lossy(json)))),
            _ => Err(StageFailure::setup(
                "the monitor was killed while the container was started",
            )),
        };
    }
}
