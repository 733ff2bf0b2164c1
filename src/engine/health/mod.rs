// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Health checks: one check of a container, by its user or by its monitor's clock, what it says of
//! the container's health, and what is done about that.

mod change;
mod judgement;
mod probe;

pub use change::{ChangeError, HealthChange, StartupChange};
pub use judgement::Finding;

use judgement::{Circumstances, Judgement, judge};

use super::ending::{self, After, Request};
use super::error::EngineError;
use super::events::as_it_is_called_now;
use super::exec::ExecError;
use super::{Dialect, Engine, Silent};
use crate::state::StateError;
use crate::state::atomic::{self, Durability};
use crate::state::events::{Action, Event};
use crate::state::health::{HealthSettings, OnFailure};
use crate::state::health_log::{Health, HealthResult};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::{ContainerRecord, ContainerState};
use crate::state::store::Store;
use crate::sys::Ignored;

/// A check that was not made.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is nothing to check.
    #[error("container {id} is not running")]
    NotRunning {
        /// Which.
        id: ContainerId,
    },
    /// Nobody has said how.
    #[error("container {id} has no defined healthcheck")]
    NoCheck {
        /// Which.
        id: ContainerId,
    },
    /// The check could not be begun.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// What is to be done about an unhealthy container.
    #[error("act on the failed health check")]
    Act(#[source] Box<EngineError>),
}

impl Engine {
    /// Makes the check of the container `id`, and does what is to be done about its result.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// See [`HealthError`].
    pub fn check_health(&self, id: &ContainerId) -> Result<Finding, HealthError> {
        let store = self.store()?;
        let record = store.load(id)?;
        let Some(settings) = &record.resolved.health else {
            return Err(HealthError::NoCheck { id: id.clone() });
        };
        let (state, observed) = store.observe(id)?;
        if observed != Observed::Running {
            return Err(HealthError::NotRunning { id: id.clone() });
        }
        let passed = store.read_health(id).startup_passed;
        let startup = settings.startup.as_ref().filter(|_| !passed);
        let check = startup.map_or(&settings.check, |startup| &startup.check);
        let stage = match startup {
            Some(_) => Stage::Startup,
            None => Stage::Usual,
        };
        let judgement = match self.probe(id, check, settings.max_log_size) {
            // It has ended since we looked.
            Err(ExecError::NotRunning { .. }) => None,
            probed => self.note(&store, &record, (&state, stage), probed?)?,
        };
        let Some(judgement) = judgement else {
            return Ok(Finding::Stopped);
        };
        act(&store, &record, settings, judgement.action)?;
        Ok(judgement.finding)
    }

    /// Notes a result; `None` where it is one of a run that has ended.
    fn note(
        &self,
        store: &Store,
        record: &ContainerRecord,
        (run, stage): (&ContainerState, Stage),
        result: HealthResult,
    ) -> Result<Option<Judgement>, HealthError> {
        let (id, settings) = (&record.id, &record.resolved.health);
        let lock = match store.lock(id) {
            Err(StateError::NoSuchContainer { .. }) => return Ok(None),
            lock => lock?,
        };
        let (now, observed) = store.observe(id)?;
        let (Some(settings), true) = (settings, now.started_at == run.started_at) else {
            return Ok(None);
        };
        let mut health = store.read_health(id);
        let circumstances = Circumstances {
            startup: stage == Stage::Startup,
            start_period: self.is_in_start_period(settings, &now, &health),
            ended: has_ended(&now, observed),
        };
        let before = health.status.clone();
        let judgement = judge(&mut health, settings, result, circumstances);
        store.write_health(id, &health)?;
        if before != health.status && health.status == "healthy" {
            // A manager that is gone waits for nothing.
            crate::engine::notify::tell_healthy(&record.request).ignored();
        }
        tell(store, record, settings, &health);
        drop(lock);
        Ok(Some(judgement))
    }

    /// Docker's is over with the first success.
    fn is_in_start_period(
        &self,
        settings: &HealthSettings,
        state: &ContainerState,
        health: &Health,
    ) -> bool {
        let (Some(started), period) = (state.started_at, settings.check.start_period) else {
            return false;
        };
        let age = jiff::Timestamp::now().duration_since(started).as_nanos();
        let open = match self.dialect {
            Dialect::Podman => true,
            Dialect::Docker => health.status == "starting",
        };
        open && age < i128::from(period)
    }
}

/// Which check of a container is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Startup,
    Usual,
}

fn act(
    store: &Store,
    record: &ContainerRecord,
    settings: &HealthSettings,
    action: judgement::Action,
) -> Result<(), HealthError> {
    let stop = || Request::stop(&record.resolved, None, None);
    let (request, after) = match (action, settings.on_failure) {
        (judgement::Action::Nothing, _) | (judgement::Action::OnFailure, OnFailure::None) => {
            return Ok(());
        }
        (judgement::Action::Restart, _) | (judgement::Action::OnFailure, OnFailure::Restart) => {
            (stop(), After::Revival)
        }
        (judgement::Action::OnFailure, OnFailure::Kill) => (Request::Kill, After::Killed),
        (judgement::Action::OnFailure, OnFailure::Stop) => (stop(), After::Nothing),
    };
    let whom = (&record.id, record.name.as_str());
    let ended = ending::begin(store, whom, request, after, &Silent).and_then(|ending| {
        let ended = ending::finish(store, ending.into_iter().collect(), &Silent);
        ended.into_iter().collect::<Result<(), _>>()
    });
    match ended {
        // With `--rm` it is gone.
        Ok(()) | Err(EngineError::State(StateError::NoSuchContainer { .. })) => Ok(()),
        Err(error) => Err(HealthError::Act(Box::new(error))),
    }
}

/// Whether a check failed with its container.
fn has_ended(state: &ContainerState, observed: Observed) -> bool {
    !observed.is_up()
        || state.is_stopping()
        || !state.container.is_some_and(|process| process.is_alive())
}

/// Tells who listens: the event log, and the directory that the user has named.
fn tell(store: &Store, record: &ContainerRecord, settings: &HealthSettings, health: &Health) {
    let record = &as_it_is_called_now(store, record);
    let last = health
        .log
        .last()
        .filter(|_| settings.log_destination == "events_logger");
    let event = Event {
        health_status: health.status.clone(),
        health_failing_streak: Some(health.failing_streak),
        health_log: last
            .and_then(|result| serde_json::to_string(result).ok())
            .unwrap_or_default(),
        ..Event::of_container(record, Action::HealthStatus)
    };
    store.dirs().events.write(&[event]);
    if settings.log_destination.starts_with('/') {
        let name = format!("{}-healthcheck.log", record.id);
        let path = std::path::Path::new(&settings.log_destination).join(name);
        let bytes = serde_json::to_vec(health).expect("it holds nothing but data");
        // A directory that has gone is no reason to be unhealthy.
        atomic::replace_file(&path, &bytes, Durability::Unsynced).ignored();
    }
}
