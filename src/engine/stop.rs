// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `stop`: the container's own stop signal, a grace, then SIGKILL. Returns when the exit is on
//! record, so that what follows sees a stopped container.

pub use super::ending::Grace;
use super::ending::{self, After, Ending, Request};
use super::error::EngineError;
use super::remove::{self, Leftovers};
use super::selection::{Chosen, ItemResult, Selection};
use super::{Dialect, Engine, Report, pod};
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::liveness::{Loss, Observed};
use crate::state::store::Store;

/// How `stop` asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct StopOptions {
    /// How long the container may take; its own time where nothing is given.
    pub grace: Option<Grace>,
    /// The signal in place of its own.
    pub signal: Option<i32>,
}

impl Engine {
    /// Stops the containers of `selection`, all at the same time. One that does not run is no
    /// error.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; what goes wrong with one container is in its result.
    pub fn stop(
        &self,
        selection: &Selection,
        options: StopOptions,
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let store = self.store()?;
        let mut results = Vec::new();
        for group in pod::infra_last(&store, self.select(selection)?) {
            results.extend(self.stop_together(&store, group, options, report));
        }
        Ok(results)
    }

    fn stop_together(
        &self,
        store: &Store,
        chosen: Vec<Chosen>,
        options: StopOptions,
        report: &dyn Report,
    ) -> Vec<ItemResult> {
        let mut endings = Vec::new();
        let begun: Vec<_> = chosen
            .into_iter()
            .map(|Chosen { typed, id }| {
                let begun =
                    id.and_then(|id| self.begin_stop(store, &id, options, &mut endings, report));
                (typed, begun)
            })
            .collect();
        let ended = ending::finish(store, endings, report);
        let mut ended = ended.into_iter();
        let mut leftovers = Leftovers::default();
        let mut results = Vec::new();
        for (typed, begun) in begun {
            let result = begun.and_then(|begun| match begun {
                Begun::NotRunning => Ok(()),
                Begun::Asked { remove } => {
                    ended.next().expect("one for each that was asked")?;
                    remove_if_asked(store, remove, &mut leftovers)
                }
            });
            results.push(ItemResult { typed, result });
        }
        results.extend(leftovers.remove(&self.dirs));
        results
    }

    fn begin_stop(
        &self,
        store: &Store,
        id: &ContainerId,
        options: StopOptions,
        endings: &mut Vec<Ending>,
        report: &dyn Report,
    ) -> Result<Begun, EngineError> {
        let record = store.load(id)?;
        let request = Request::stop(&record.resolved, options.signal, options.grace);
        let (_, observed) = store.observe(id)?;
        let begun = (id, record.name.as_str());
        let ending = ending::begin(store, begun, request, After::Nothing, report)?;
        let Some(ending) = ending else {
            let unseen = observed == Observed::Lost(Loss::MonitorGone);
            return match self.dialect {
                // Who stops it wants its exit code: that there is none is told once.
                Dialect::Podman if unseen => Err(EngineError::MonitorKilled { id: id.clone() }),
                Dialect::Podman | Dialect::Docker => Ok(Begun::NotRunning),
            };
        };
        endings.push(ending);
        let remove = record.request.auto_remove.then(|| id.clone());
        Ok(Begun::Asked { remove })
    }
}

/// What became of the request to stop.
enum Begun {
    /// There is nothing to wait for.
    NotRunning,
    /// The end is awaited; with `--rm` the container goes with it.
    Asked { remove: Option<ContainerId> },
}

/// The monitor removes a container of `--rm`; one that was killed could not.
fn remove_if_asked(
    store: &Store,
    id: Option<ContainerId>,
    leftovers: &mut Leftovers,
) -> Result<(), EngineError> {
    let Some(id) = id else {
        return Ok(());
    };
    match store.lock(&id) {
        Ok(lock) => remove::remove_ended(store, &lock, &id, leftovers),
        Err(StateError::NoSuchContainer { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_negative_time_is_for_ever() {
        assert_eq!(Grace::from_seconds(-1), Grace::Forever);
        assert_eq!(Grace::from_seconds(0), Grace::For(Duration::ZERO));
        assert_eq!(Grace::from_seconds(3), Grace::For(Duration::from_secs(3)));
    }
}
