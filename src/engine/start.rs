// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `start` of several containers, or of one that is attached to.

use super::error::EngineError;
use super::launch::{Foreground, StartError, StartMode, StartOutcome};
use super::remove::{self, Leftovers};
use super::selection::{Chosen, ItemResult, Scope, Selection};
use super::{Engine, Report};
use crate::state::id::ContainerId;
use crate::state::store::Store;

impl Engine {
    /// Starts the containers of `selection` in the background. One that runs is no error; with
    /// all it is left out.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; what goes wrong with one container is in its result.
    pub fn start_all(
        &self,
        selection: &Selection,
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let mut results = Vec::new();
        for Chosen { typed, id } in self.select(selection)? {
            let started = id.and_then(|id| self.start_one(&id, StartMode::Detached, report));
            let left_out = selection.scope == Scope::All
                && matches!(started, Ok(StartOutcome::AlreadyRunning));
            if !left_out {
                let result = started.map(drop);
                results.push(ItemResult { typed, result });
            }
        }
        Ok(results)
    }

    /// Starts the one container of `selection` and attaches to it.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`], and [`EngineError::Start`].
    pub fn start_attached(
        &self,
        selection: &Selection,
        foreground: Foreground,
        report: &dyn Report,
    ) -> Result<StartOutcome, EngineError> {
        let chosen = self.select(selection)?.into_iter().next();
        let id = chosen.ok_or(EngineError::NoLatest)?.id?;
        self.start_one(&id, StartMode::Foreground(foreground), report)
    }

    pub(super) fn start_one(
        &self,
        id: &ContainerId,
        mode: StartMode,
        report: &dyn Report,
    ) -> Result<StartOutcome, EngineError> {
        self.start(id, mode, report).map_err(|source| {
            self.remove_unstartable(id, &source);
            match source {
                StartError::State(error) => error.into(),
                source => EngineError::Start {
                    id: id.clone(),
                    exit_code: source.exit_code(),
                    source: Box::new(source),
                },
            }
        })
    }

    /// A container of `--rm` that cannot be started is as good as ended.
    fn remove_unstartable(&self, id: &ContainerId, error: &StartError) {
        let Ok(store) = self.store() else {
            return;
        };
        if !matches!(error, StartError::Stage(_) | StartError::Prepare(_)) {
            return;
        }
        let Ok(lock) = store.lock(id) else {
            return;
        };
        if is_idle_and_goes(&store, id) {
            let mut leftovers = Leftovers::default();
            // The start has failed, and that is what the user is told.
            drop(remove::remove_ended(&store, &lock, id, &mut leftovers));
            drop(leftovers.remove(&self.dirs));
        }
    }
}

fn is_idle_and_goes(store: &Store, id: &ContainerId) -> bool {
    let goes = store
        .load(id)
        .is_ok_and(|record| record.request.auto_remove);
    let idle = store
        .observe(id)
        .is_ok_and(|(_, observed)| !observed.is_up());
    goes && idle
}
