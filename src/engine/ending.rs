// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of running containers: the signal, the grace, SIGKILL, and the wait until the monitor
//! has recorded the exit and is gone. Many containers end at once, in one poll loop.
//!
//! Nobody holds a container's lock while waiting: the monitor needs it to record the exit.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::error::EngineError;
use super::events::emit_of;
use super::{Report, cgroup, recovery, signal};
use crate::state::StateError;
use crate::state::events::Action;
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::{ContainerState, ProcessIdentity, Resolved, Status};
use crate::state::store::Store;
use crate::sys::pidfd::{Pidfd, WaitOutcome};
use crate::sys::poll::{Interest, PollSet};

/// How long a container may take to end after SIGKILL, and its monitor after it.
const LAST_PATIENCE: Duration = Duration::from_mins(1);

/// The time between the stop signal and SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// So long; zero sends SIGKILL at once.
    For(Duration),
    /// SIGKILL is never sent.
    Forever,
}

impl Grace {
    /// Reads seconds as people give them: a negative number is for ever.
    pub fn from_seconds(seconds: i64) -> Self {
        u64::try_from(seconds).map_or(Self::Forever, |seconds| {
            Self::For(Duration::from_secs(seconds))
        })
    }

    fn duration(self) -> Option<Duration> {
        match self {
            Self::For(duration) => Some(duration),
            Self::Forever => None,
        }
    }
}

/// How a container is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// A signal first, and SIGKILL when the grace is over; `None` waits for ever.
    Ask {
        /// The number of the signal.
        signal: i32,
        /// How long it may take.
        grace: Option<Duration>,
    },
    /// SIGKILL at once.
    Kill,
}

impl Request {
    /// The stop signal of the container's record and the grace of the caller; an option of the
    /// caller goes before the record.
    pub(super) fn stop(resolved: &Resolved, signal: Option<i32>, grace: Option<Grace>) -> Self {
        let own_signal = match resolved.stop_signal {
            0 => libc::SIGTERM,
            signal => signal,
        };
        let own_grace = Grace::For(Duration::from_secs(resolved.stop_timeout_seconds));
        Self::Ask {
            signal: signal.unwrap_or(own_signal),
            grace: grace.unwrap_or(own_grace).duration(),
        }
    }
}

/// What comes after the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing; a container of `--rm` is removed.
    Nothing,
    /// The same, of `kill`.
    Killed,
    /// It is removed, with all that it wrote.
    Removal,
    /// It is started again.
    Restart,
    /// Its monitor starts it again.
    Revival,
}

impl After {
    /// What is told when it was asked to end.
    fn action(self) -> Action {
        match self {
            Self::Nothing | Self::Removal | Self::Revival => Action::Stop,
            Self::Killed => Action::Kill,
            Self::Restart => Action::Restart,
        }
    }
}

/// A container on its way out.
#[derive(Debug)]
pub(super) struct Ending {
    id: ContainerId,
    name: String,
    request: Request,
    asked_at: Instant,
    killed_at: Option<Instant>,
    container: Option<Watched>,
    container_ended_at: Option<Instant>,
    monitor: Option<Watched>,
    /// Of one that is to be removed: its overlay, until it is taken.
    root: Option<OwnedFd>,
}

#[derive(Debug)]
struct Watched {
    pid: i32,
    pidfd: Pidfd,
}

/// Asks a container to end; `None` when it does not run. What a dead monitor left undone is done
/// on the way.
pub(super) fn begin(
    store: &Store,
    (id, name): (&ContainerId, &str),
    request: Request,
    after: After,
    report: &dyn Report,
) -> Result<Option<Ending>, EngineError> {
    let lock = store.lock(id)?;
    let (mut state, observed) = store.observe(id)?;
    match observed {
        Observed::Created | Observed::Exited => return Ok(None),
        Observed::Lost(loss) => {
            recovery::settle(store, &lock, id, (state, loss), report)?;
            return Ok(None);
        }
        Observed::Elsewhere => return Err(elsewhere(id, &state)),
        Observed::Running | Observed::Paused | Observed::Restarting => {}
    }
    if after == After::Revival && (state.stopped_by_user || state.is_stopping()) {
        // Its user wants it to end.
        return Ok(None);
    }
    state.stopped_by_user = after != After::Revival;
    state.restarting = after == After::Restart;
    state.revived = after == After::Revival;
    state.stopping = ProcessIdentity::of(own_pid()).ok();
    store.write_state(id, &state)?;
    let container = watch(id, state.container)?;
    let root = match (after, &container) {
        (After::Removal, Some(container)) => overlay_of(&state, container),
        _ => None,
    };
    let mut ending = Ending {
        id: id.clone(),
        name: name.to_owned(),
        request,
        asked_at: Instant::now(),
        killed_at: None,
        container,
        container_ended_at: None,
        monitor: match after {
            // It goes on.
            After::Revival => None,
            After::Nothing | After::Killed | After::Removal | After::Restart => {
                watch(id, state.monitor)?
            }
        },
        root,
    };
    if observed == Observed::Restarting {
        ending.end_pause()?;
        return Ok(Some(ending));
    }
    ending.ask()?;
    emit_of(store, id, after.action());
    if state.status == Status::Paused && request != Request::Kill {
        // A frozen process handles no signal but SIGKILL.
        thaw(store, id, &mut state)?;
    }
    Ok(Some(ending))
}

/// Waits until every one of `endings` is over; the results are in their order.
pub(super) fn finish(
    store: &Store,
    endings: Vec<Ending>,
    report: &dyn Report,
) -> Vec<Result<(), EngineError>> {
    let mut results: Vec<Option<Result<(), EngineError>>> = endings.iter().map(|_| None).collect();
    let mut endings = endings;
    loop {
        for (ending, result) in endings.iter_mut().zip(&mut results) {
            if result.is_none() {
                *result = ending.advance(store, report).transpose();
            }
        }
        let waiting = || {
            let pairs = endings.iter().zip(&results);
            pairs
                .filter(|(_, result)| result.is_none())
                .map(|(ending, _)| ending)
        };
        if waiting().next().is_none() {
            break;
        }
        wait_for_any(&waiting().collect::<Vec<_>>());
        endings.iter_mut().for_each(Ending::look);
    }
    results
        .into_iter()
        .map(|result| result.expect("all are over"))
        .collect()
}

impl Ending {
    /// The container and its root, of one that is to be removed and lies on the kernel's overlay.
    ///
    /// While it is held the overlay outlives the container. The kernel syncs the whole file system
    /// that an overlay writes to before it lets the overlay go, in the process whose end takes it
    /// away: milliseconds on a quiet disk, and on a busy one as long as it takes to write what all
    /// others have written, for the sake of files that are removed the next moment.
    pub(super) fn take_root(&mut self) -> Option<(ContainerId, OwnedFd)> {
        let root = self.root.take()?;
        Some((self.id.clone(), root))
    }

    fn ask(&mut self) -> Result<(), EngineError> {
        match self.request {
            Request::Ask { signal, grace } if grace != Some(Duration::ZERO) => self.send(signal),
            Request::Ask { .. } | Request::Kill => {
                self.killed_at = Some(self.asked_at);
                self.send(libc::SIGKILL)
            }
        }
    }

    /// Tells a monitor that waits to start its container again not to: the end is on record.
    fn end_pause(&self) -> Result<(), EngineError> {
        match &self.monitor {
            Some(monitor) => send_signal(&self.id, &monitor.pidfd, libc::SIGTERM),
            None => Ok(()),
        }
    }

    fn send(&self, signal: i32) -> Result<(), EngineError> {
        let Some(container) = &self.container else {
            return Ok(());
        };
        send_signal(&self.id, &container.pidfd, signal)
    }

    /// When there is something to do although nothing has happened.
    fn deadline(&self) -> Option<Instant> {
        if let Some(ended_at) = self.container_ended_at {
            return Some(ended_at + LAST_PATIENCE);
        }
        if let Some(killed_at) = self.killed_at {
            return Some(killed_at + LAST_PATIENCE);
        }
        match self.request {
            Request::Ask { grace, .. } => grace.map(|grace| self.asked_at + grace),
            Request::Kill => Some(self.asked_at),
        }
    }

    /// Sees who has ended.
    fn look(&mut self) {
        if self.container.as_ref().is_some_and(Watched::has_ended) {
            self.container = None;
        }
        if self.monitor.as_ref().is_some_and(Watched::has_ended) {
            self.monitor = None;
        }
        if self.container.is_none() && self.container_ended_at.is_none() {
            self.container_ended_at = Some(Instant::now());
        }
    }

    /// Does what is due; `Some` when it is over.
    fn advance(&mut self, store: &Store, report: &dyn Report) -> Result<Option<()>, EngineError> {
        self.look();
        if self.container.is_none() && self.monitor.is_none() {
            return settle_after(store, &self.id, report).map(Some);
        }
        if self
            .deadline()
            .is_none_or(|deadline| Instant::now() < deadline)
        {
            return Ok(None);
        }
        match (&self.container, &self.monitor) {
            (Some(container), _) if self.killed_at.is_some() => Err(EngineError::Unkillable {
                id: self.id.clone(),
                pid: container.pid,
                seconds: LAST_PATIENCE.as_secs(),
            }),
            (None, Some(monitor)) => Err(EngineError::MonitorStuck {
                id: self.id.clone(),
                pid: monitor.pid,
                seconds: LAST_PATIENCE.as_secs(),
            }),
            (Some(_), _) | (None, None) => self.resort_to_kill(report).map(|()| None),
        }
    }

    fn resort_to_kill(&mut self, report: &dyn Report) -> Result<(), EngineError> {
        self.killed_at = Some(Instant::now());
        if let Request::Ask {
            signal,
            grace: Some(grace),
        } = self.request
        {
            report.remark(&format!(
                "StopSignal {} failed to stop container {} in {} seconds, resorting to SIGKILL",
                signal::name(signal),
                self.name,
                grace.as_secs()
            ));
        }
        self.send(libc::SIGKILL)
    }
}

impl Watched {
    fn has_ended(&self) -> bool {
        matches!(
            self.pidfd.wait(Some(Duration::ZERO)),
            Ok(WaitOutcome::Ended)
        )
    }
}

/// Sends `signal` to the first process of the container that `state` describes; one that has just
/// ended is no error.
pub(super) fn signal_container(
    id: &ContainerId,
    state: &ContainerState,
    signal: i32,
) -> Result<(), EngineError> {
    match watch(id, state.container)? {
        Some(container) => send_signal(id, &container.pidfd, signal),
        None => Ok(()),
    }
}

fn send_signal(id: &ContainerId, pidfd: &Pidfd, signal: i32) -> Result<(), EngineError> {
    match pidfd.send_signal(signal) {
        Err(error) if error.errno != Errno::ESRCH => Err(EngineError::SendSignal {
            id: id.clone(),
            source: error,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The refusal to touch what runs on another machine.
pub(super) fn elsewhere(id: &ContainerId, state: &ContainerState) -> EngineError {
    EngineError::Elsewhere {
        id: id.clone(),
        machine: state.place.machine.clone(),
    }
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

fn watch(
    id: &ContainerId,
    identity: Option<ProcessIdentity>,
) -> Result<Option<Watched>, EngineError> {
    let Some(identity) = identity else {
        return Ok(None);
    };
    let pidfd = identity.open_pidfd().map_err(|source| EngineError::Watch {
        id: id.clone(),
        source,
    })?;
    Ok(pidfd.map(|pidfd| Watched {
        pid: identity.pid,
        pidfd,
    }))
}

fn overlay_of(state: &ContainerState, container: &Watched) -> Option<OwnedFd> {
    if state.storage_engine != "kernel" {
        return None;
    }
    let path = format!("/proc/{}/root", container.pid);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(path.as_str(), flags, Mode::empty()).ok()?;
    // Of one that has ended the number may be another's.
    (!container.has_ended()).then_some(root)
}

fn thaw(store: &Store, id: &ContainerId, state: &mut ContainerState) -> Result<(), EngineError> {
    cgroup::thaw(&state.cgroup_path).map_err(|source| EngineError::Freeze {
        action: "unpause",
        id: id.clone(),
        source,
    })?;
    state.status = Status::Running;
    Ok(store.write_state(id, state)?)
}

/// Both processes are gone: makes sure that the exit is on record, also when the monitor was
/// killed before it could write it.
fn settle_after(store: &Store, id: &ContainerId, report: &dyn Report) -> Result<(), EngineError> {
    let settled = store.lock(id).and_then(|lock| {
        let (state, observed) = store.observe(id)?;
        match observed {
            Observed::Lost(loss) => recovery::settle(store, &lock, id, (state, loss), report),
            Observed::Created
            | Observed::Running
            | Observed::Paused
            | Observed::Restarting
            | Observed::Exited
            | Observed::Elsewhere => Ok(()),
        }
    });
    match settled {
        // It was to be removed with its end, or somebody else did.
        Ok(()) | Err(StateError::NoSuchContainer { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until one of the processes ends or something is due.
fn wait_for_any(endings: &[&Ending]) {
    let mut set = PollSet::new();
    for ending in endings {
        for watched in ending.container.iter().chain(&ending.monitor) {
            set.watch(&watched.pidfd, Interest::Read, ());
        }
    }
    let next = endings.iter().filter_map(|ending| ending.deadline()).min();
    let timeout = next.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    // A refused call only means that everybody is looked at once more.
    drop(set.wait(timeout));
}
