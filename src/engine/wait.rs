// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `wait`: until a container is in a state that was asked for. Nothing is polled where the kernel
//! can tell: the monitor answers with the exit code, also for a container that is removed with its
//! end, and a watch on the container's directory tells of every other change.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::error::EngineError;
use super::selection::{Chosen, Selection};
use super::{Dialect, Engine};
use crate::monitor::protocol::{self, Connection, Request};
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::ContainerState;
use crate::state::store::Store;
use crate::sys::pidfd::Pidfd;
use crate::sys::poll::{Interest, PollSet};

/// What is printed where there is no exit code.
const NO_CODE: i32 = -1;

/// The exit code of a container that nobody saw ending.
const LOST_EXIT_CODE: i32 = 128 + 9;

/// What `wait` waits for.
#[derive(Debug, Clone)]
pub struct WaitOptions {
    /// One of these is enough.
    pub conditions: Vec<Condition>,
    /// How often to look where nothing tells of a change.
    pub interval: Duration,
    /// Whether all must get there.
    pub until: Until,
}

/// How many containers must get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All, one after the other.
    All,
    /// The first; the others are forgotten.
    First,
}

/// A state to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `stopped` or `exited`: it does not run (any more).
    Ended,
    /// The same, and nothing starts it again: what docker waits for.
    Over,
    /// `created` or `configured`.
    Created,
    /// `initialized`: between `init` and `start`; no container stays there.
    Initialized,
    /// `running`.
    Running,
    /// `paused`.
    Paused,
    /// `stopping`.
    Stopping,
    /// `removing`: it is gone.
    Removing,
    /// `healthy`: its last check says so.
    Healthy,
    /// `unhealthy`: its last checks say so.
    Unhealthy,
}

/// What `wait` prints for one container.
#[derive(Debug)]
pub struct Waited {
    /// The exit code; -1 for other conditions, and for what is missing and ignored.
    pub result: Result<i32, EngineError>,
}

impl Condition {
    /// Reads the name of a state.
    ///
    /// # Errors
    ///
    /// [`EngineError::Condition`] for other words.
    pub fn parse(name: &str) -> Result<Self, EngineError> {
        match name {
            "stopped" | "exited" => Ok(Self::Ended),
            "created" | "configured" => Ok(Self::Created),
            "initialized" => Ok(Self::Initialized),
            "running" => Ok(Self::Running),
            "paused" => Ok(Self::Paused),
            "stopping" => Ok(Self::Stopping),
            "removing" => Ok(Self::Removing),
            "healthy" => Ok(Self::Healthy),
            "unhealthy" => Ok(Self::Unhealthy),
            _ => Err(EngineError::Condition {
                condition: name.to_owned(),
            }),
        }
    }

    /// What a health check has to say.
    fn health(self) -> Option<&'static str> {
        match self {
            Self::Healthy => Some("healthy"),
            Self::Unhealthy => Some("unhealthy"),
            Self::Ended
            | Self::Over
            | Self::Created
            | Self::Initialized
            | Self::Running
            | Self::Paused
            | Self::Stopping
            | Self::Removing => None,
        }
    }

    fn holds(self, state: &ContainerState, observed: Observed) -> bool {
        match self {
            Self::Ended => !observed.is_up() && observed != Observed::Elsewhere,
            Self::Over => !observed.is_attended() && observed != Observed::Elsewhere,
            Self::Created => observed == Observed::Created,
            Self::Initialized | Self::Removing | Self::Healthy | Self::Unhealthy => false,
            Self::Running => observed == Observed::Running && !state.is_stopping(),
            Self::Paused => observed == Observed::Paused,
            Self::Stopping => observed.is_up() && state.is_stopping(),
        }
    }
}

impl Engine {
    /// Waits until the containers of `selection` are in one of the states of `options`.
    ///
    /// A selection that ignores what is missing has -1 for it.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; what goes wrong with one container is in its result.
    pub fn wait(
        &self,
        selection: &Selection,
        options: &WaitOptions,
    ) -> Result<Vec<Waited>, EngineError> {
        let store = self.store()?;
        let options = &self.in_its_words(options);
        let chosen = self.select(&Selection {
            missing: super::selection::Missing::Report,
            ..selection.clone()
        })?;
        let ignores = selection.missing == super::selection::Missing::Ignore;
        if options.until == Until::First {
            return Ok(vec![wait_first(&store, chosen, options, ignores)]);
        }
        let wait = |one: Chosen| match one.id {
            Ok(id) => wait_any(&store, vec![Waiter::new(id)], options),
            Err(error) if ignores && error.is_missing() => Ok(NO_CODE),
            Err(error) => Err(error),
        };
        let waited = chosen.into_iter().map(|one| Waited { result: wait(one) });
        Ok(waited.collect())
    }
}

impl Engine {
    /// Podman's `wait` is over with a run, docker's when no other follows.
    fn in_its_words(&self, options: &WaitOptions) -> WaitOptions {
        let mut options = options.clone();
        if self.dialect == Dialect::Docker {
            for condition in &mut options.conditions {
                if *condition == Condition::Ended {
                    *condition = Condition::Over;
                }
            }
        }
        options
    }
}

fn wait_first(store: &Store, chosen: Vec<Chosen>, options: &WaitOptions, ignores: bool) -> Waited {
    let mut waiters = Vec::new();
    for one in chosen {
        match one.id {
            Ok(id) => waiters.push(Waiter::new(id)),
            Err(error) if ignores && error.is_missing() => {}
            Err(error) => return Waited { result: Err(error) },
        }
    }
    let result = if waiters.is_empty() {
        Ok(NO_CODE)
    } else {
        wait_any(store, waiters, options)
    };
    Waited { result }
}

/// A container that is waited for, and what tells of its changes.
#[derive(Debug)]
struct Waiter {
    id: ContainerId,
    /// Asked for the exit code; answers when the container has ended.
    monitor: Option<Connection>,
    /// Ends when the monitor is killed.
    monitor_pidfd: Option<Pidfd>,
}

/// Waits until one of `waiters` is in a state that was asked for.
fn wait_any(
    store: &Store,
    mut waiters: Vec<Waiter>,
    options: &WaitOptions,
) -> Result<i32, EngineError> {
    let watch = Watch::new(store, &waiters);
    loop {
        for waiter in &mut waiters {
            if let Some(code) = waiter.look(store, options)? {
                return Ok(code);
            }
        }
        let mut set = PollSet::new();
        for waiter in &waiters {
            waiter.register(&mut set);
        }
        let timeout = watch.register(&mut set, options.interval);
        set.wait(timeout).map_err(|source| EngineError::Watch {
            id: waiters[0].id.clone(),
            source,
        })?;
        watch.drain();
    }
}

impl Waiter {
    fn new(id: ContainerId) -> Self {
        Self {
            id,
            monitor: None,
            monitor_pidfd: None,
        }
    }

    /// The exit code, or -1 for other conditions, once it is time.
    fn look(&mut self, store: &Store, options: &WaitOptions) -> Result<Option<i32>, EngineError> {
        let wants = |condition| options.conditions.contains(&condition);
        if let Some(code) = self.answered()
            && (!wants(Condition::Over) || !is_attended(store, &self.id))
        {
            return Ok(Some(code));
        }
        if !store.exists(&self.id) {
            if let Some(code) = self.last_words() {
                return Ok(Some(code));
            }
            return self.gone(wants(Condition::Removing));
        }
        let (state, observed) = store.observe(&self.id)?;
        let ends = [Condition::Ended, Condition::Over];
        if ends
            .iter()
            .any(|end| wants(*end) && end.holds(&state, observed))
        {
            return Ok(Some(code_of(&state, observed)));
        }
        let holds = |condition: &Condition| condition.holds(&state, observed);
        if options.conditions.iter().any(holds) || self.is_as_well_as_wanted(store, options)? {
            return Ok(Some(NO_CODE));
        }
        if observed.is_attended() {
            self.attend(store, &state, options);
        } else {
            self.monitor = None;
            self.monitor_pidfd = None;
        }
        Ok(None)
    }

    fn is_as_well_as_wanted(
        &self,
        store: &Store,
        options: &WaitOptions,
    ) -> Result<bool, EngineError> {
        let words = options
            .conditions
            .iter()
            .filter_map(|condition| condition.health());
        let mut words = words.peekable();
        let Some(condition) = words.peek() else {
            return Ok(false);
        };
        if store.load_summary(&self.id)?.resolved.health.is_none() {
            return Err(EngineError::NoHealthcheck {
                condition: (*condition).to_owned(),
                id: self.id.clone(),
            });
        }
        let status = store.read_health(&self.id).status;
        Ok(words.any(|word| word == status))
    }

    fn gone(&self, wanted: bool) -> Result<Option<i32>, EngineError> {
        if wanted {
            return Ok(Some(NO_CODE));
        }
        Err(EngineError::State(StateError::NoSuchContainer {
            name: self.id.to_string(),
        }))
    }

    /// The exit code that the monitor has sent, if it has.
    fn answered(&mut self) -> Option<i32> {
        let connection = self.monitor.as_ref()?;
        let mut set = PollSet::new();
        set.watch(connection, Interest::Read, ());
        set.wait(Some(Duration::ZERO)).ok()?;
        set.next_ready(0)?;
        let code = protocol::exit_code(connection).ok();
        // Killed before it could answer: the record says what is known.
        self.monitor = None;
        code
    }

    /// The exit code of a container that is gone with its end: its monitor removes it first, and
    /// answers those who wait with the last thing that it does.
    fn last_words(&mut self) -> Option<i32> {
        let connection = self.monitor.take()?;
        protocol::exit_code(&connection).ok()
    }

    /// Sees to it that the end of the container, and that of its monitor, wake us.
    fn attend(&mut self, store: &Store, state: &ContainerState, options: &WaitOptions) {
        if self.monitor_pidfd.is_none() {
            let monitor = state.monitor.as_ref();
            self.monitor_pidfd = monitor.and_then(|monitor| monitor.open_pidfd().ok().flatten());
        }
        let end = |condition: &Condition| [Condition::Ended, Condition::Over].contains(condition);
        if self.monitor.is_none() && options.conditions.iter().any(end) {
            self.monitor = ask_for_exit(store, &self.id);
        }
    }

    fn register(&self, set: &mut PollSet<()>) {
        if let Some(monitor) = &self.monitor {
            set.watch(monitor, Interest::Read, ());
        }
        if let Some(pidfd) = &self.monitor_pidfd {
            set.watch(pidfd, Interest::Read, ());
        }
    }
}

fn is_attended(store: &Store, id: &ContainerId) -> bool {
    store
        .observe(id)
        .is_ok_and(|(_, observed)| observed.is_attended())
}

/// A connection on which the exit code will come; `None` when the run root was cleared or the
/// container has just ended.
fn ask_for_exit(store: &Store, id: &ContainerId) -> Option<Connection> {
    let connection = Connection::open(&store.dirs().container_run(id)).ok()?;
    connection.send(&Request::Wait).ok()?;
    Some(connection)
}

fn code_of(state: &ContainerState, observed: Observed) -> i32 {
    let unknown = match observed {
        Observed::Lost(_) => LOST_EXIT_CODE,
        Observed::Created
        | Observed::Running
        | Observed::Paused
        | Observed::Restarting
        | Observed::Exited
        | Observed::Elsewhere => 0,
    };
    state.exit_code.unwrap_or(unknown)
}

/// Tells of changes in the containers' directories.
struct Watch(Option<Inotify>);

impl Watch {
    /// Without a watch, when the user has used up its number of them, the interval is what counts.
    fn new(store: &Store, waiters: &[Waiter]) -> Self {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let Ok(inotify) = Inotify::init(flags) else {
            return Self(None);
        };
        let changes = AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_DELETE_SELF;
        let watched = waiters.iter().all(|waiter| {
            let directory = store.dirs().container(&waiter.id);
            inotify.add_watch(&directory, changes).is_ok()
        });
        Self(watched.then_some(inotify))
    }

    /// Adds the watch to `set`; the value is how long to wait at most.
    fn register(&self, set: &mut PollSet<()>, interval: Duration) -> Option<Duration> {
        let Some(inotify) = &self.0 else {
            return Some(interval);
        };
        set.watch(inotify.as_fd(), Interest::Read, ());
        None
    }

    fn drain(&self) {
        if let Some(inotify) = &self.0 {
            while inotify.read_events().is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::liveness::Loss;

    #[test]
    fn conditions_hold_in_their_states() {
        let state = ContainerState::default();
        let cases = [
            ("stopped", Observed::Created, true),
            ("exited", Observed::Exited, true),
            ("exited", Observed::Lost(Loss::MonitorGone), true),
            ("exited", Observed::Running, false),
            ("exited", Observed::Elsewhere, false),
            ("running", Observed::Running, true),
            ("running", Observed::Paused, false),
            ("paused", Observed::Paused, true),
            ("created", Observed::Created, true),
            ("configured", Observed::Exited, false),
            ("removing", Observed::Exited, false),
            ("stopping", Observed::Running, false),
            ("exited", Observed::Restarting, true),
            ("running", Observed::Restarting, false),
        ];
        for (name, observed, expected) in cases {
            let condition = Condition::parse(name).unwrap();
            assert_eq!(
                condition.holds(&state, observed),
                expected,
                "{name} {observed:?}"
            );
        }
        assert!(!Condition::Over.holds(&state, Observed::Restarting));
        assert!(Condition::Over.holds(&state, Observed::Exited));
        assert!(Condition::parse("asleep").is_err());
    }
}
