// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `restart`: an end as `stop` makes it, and a new start. One that does not run is just started.

use super::ending::{self, After, Ending, Request};
use super::error::EngineError;
use super::launch::StartMode;
use super::selection::{Chosen, ItemResult, Selection};
use super::stop::StopOptions;
use super::{Engine, Report};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::store::Store;

/// A container with the word that named it.
type Ended = (String, Result<ContainerId, EngineError>);

impl Engine {
    /// Restarts the containers of `selection`: all end at the same time, and are started one after
    /// the other.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; what goes wrong with one container is in its result.
    pub fn restart(
        &self,
        selection: &Selection,
        options: StopOptions,
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let mut results = Vec::new();
        for (typed, ended) in self.end_each(selection, options, report)? {
            let result = ended.and_then(|id| {
                self.start_one(&id, StartMode::Detached, report)?;
                Ok(())
            });
            results.push(ItemResult { typed, result });
        }
        Ok(results)
    }

    /// Ends the containers of `selection` as [`Engine::restart`] does; somebody else starts them.
    pub(super) fn end_to_restart(
        &self,
        selection: &Selection,
        options: StopOptions,
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let ended = self.end_each(selection, options, report)?.into_iter();
        let items = ended.map(|(typed, ended)| ItemResult {
            typed,
            result: ended.map(drop),
        });
        Ok(items.collect())
    }

    /// The containers with the words that named them, all of them ended.
    fn end_each(
        &self,
        selection: &Selection,
        options: StopOptions,
        report: &dyn Report,
    ) -> Result<Vec<Ended>, EngineError> {
        let store = self.store()?;
        let mut endings = Vec::new();
        let mut begun = Vec::new();
        for Chosen { typed, id } in self.select(selection)? {
            let ended = id.and_then(|id| {
                let ending = begin(&store, &id, options)?;
                let was_up = ending.is_some();
                endings.extend(ending);
                Ok((id, was_up))
            });
            begun.push((typed, ended));
        }
        let mut ended = ending::finish(&store, endings, report).into_iter();
        let mut results = Vec::new();
        for (typed, begun) in begun {
            let result = begun.and_then(|(id, was_up)| {
                if was_up {
                    ended.next().expect("one for each that was asked")?;
                }
                Ok(id)
            });
            results.push((typed, result));
        }
        Ok(results)
    }
}

fn begin(
    store: &Store,
    id: &ContainerId,
    options: StopOptions,
) -> Result<Option<Ending>, EngineError> {
    let record = store.load(id)?;
    let (_, observed) = store.observe(id)?;
    if observed == Observed::Paused {
        return Err(EngineError::NotRestartable { id: id.clone() });
    }
    let request = Request::stop(&record.resolved, options.signal, options.grace);
    ending::begin(store, id, &record.name, request, After::Restart)
}
