// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `restart`: an end as `stop` makes it, and a new start. One that does not run is just started.

use super::ending::{self, After, Ending, Request};
use super::error::EngineError;
use super::launch::StartMode;
use super::selection::{Chosen, ItemResult, Selection};
use super::stop::StopOptions;
use super::{Engine, Report, pod};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::store::Store;

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
        let store = self.store()?;
        let mut ended = Vec::new();
        for group in pod::infra_last(&store, self.select(selection)?) {
            ended.extend(end(&store, group, options, report));
        }
        let mut results = Vec::new();
        for (typed, ended) in ended {
            let result = ended.and_then(|id| {
                self.start_one(&id, StartMode::Detached, report)?;
                Ok(())
            });
            results.push(ItemResult { typed, result });
        }
        Ok(results)
    }
}

/// Ends the containers, all at the same time; with each the word that named it.
fn end(
    store: &Store,
    chosen: Vec<Chosen>,
    options: StopOptions,
    report: &dyn Report,
) -> Vec<(String, Result<ContainerId, EngineError>)> {
    let mut endings = Vec::new();
    let mut begun = Vec::new();
    for Chosen { typed, id } in chosen {
        let ended = id.and_then(|id| {
            let ending = begin(store, &id, options, report)?;
            let was_up = ending.is_some();
            endings.extend(ending);
            Ok((id, was_up))
        });
        begun.push((typed, ended));
    }
    let mut ended = ending::finish(store, endings, report).into_iter();
    let mut result = |begun: Result<(ContainerId, bool), EngineError>| {
        let (id, was_up) = begun?;
        if was_up {
            ended.next().expect("one for each that was asked")?;
        }
        Ok(id)
    };
    let results = begun.into_iter();
    results
        .map(|(typed, begun)| (typed, result(begun)))
        .collect()
}

fn begin(
    store: &Store,
    id: &ContainerId,
    options: StopOptions,
    report: &dyn Report,
) -> Result<Option<Ending>, EngineError> {
    let record = store.load(id)?;
    let (_, observed) = store.observe(id)?;
    if observed == Observed::Paused {
        return Err(EngineError::NotRestartable { id: id.clone() });
    }
    let request = Request::stop(&record.resolved, options.signal, options.grace);
    ending::begin(store, (id, &record.name), request, After::Restart, report)
}
