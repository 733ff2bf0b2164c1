// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pause` and `unpause`: all processes of a container's cgroup stand still, or go on.

use super::error::EngineError;
use super::events::emit_of;
use super::selection::{Chosen, ItemResult, Scope, Selection};
use super::{Engine, cgroup, ending};
use crate::state::events::Action;
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::{ContainerState, Status};
use crate::state::store::Store;

/// Which way the freezer is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freezer {
    /// `pause`.
    Pause,
    /// `unpause`.
    Unpause,
}

impl Freezer {
    fn action(self) -> Action {
        match self {
            Self::Pause => Action::Pause,
            Self::Unpause => Action::Unpause,
        }
    }
}

impl Engine {
    /// Freezes or thaws the containers of `selection`. With all, those for which there is nothing
    /// to do are left out.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; [`EngineError::NoCgroup`] in the result of one that was started
    /// where no cgroup could be made.
    pub fn set_frozen(
        &self,
        selection: &Selection,
        freezer: Freezer,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let store = self.store()?;
        let mut results = Vec::new();
        for Chosen { typed, id } in self.select(selection)? {
            let result = id.and_then(|id| {
                turn(&store, &id, freezer)?;
                emit_of(&store, &id, freezer.action());
                Ok(())
            });
            let nothing_to_do = result.as_ref().is_err_and(is_improper_state);
            if selection.scope != Scope::All || !nothing_to_do {
                results.push(ItemResult { typed, result });
            }
        }
        Ok(results)
    }
}

fn is_improper_state(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::NotPausable { .. }
            | EngineError::AlreadyPaused { .. }
            | EngineError::NotPaused { .. }
    )
}

pub(super) fn turn(store: &Store, id: &ContainerId, freezer: Freezer) -> Result<(), EngineError> {
    let _lock = store.lock(id)?;
    let (mut state, observed) = store.observe(id)?;
    check(id, &state, observed, freezer)?;
    if state.cgroup_path.is_empty() {
        return Err(EngineError::NoCgroup { id: id.clone() });
    }
    let (turned, status, action) = match freezer {
        Freezer::Pause => (cgroup::freeze(&state.cgroup_path), Status::Paused, "pause"),
        Freezer::Unpause => (cgroup::thaw(&state.cgroup_path), Status::Running, "unpause"),
    };
    turned.map_err(|source| EngineError::Freeze {
        action,
        id: id.clone(),
        source,
    })?;
    state.status = status;
    Ok(store.write_state(id, &state)?)
}

fn check(
    id: &ContainerId,
    state: &ContainerState,
    observed: Observed,
    freezer: Freezer,
) -> Result<(), EngineError> {
    let id = || id.clone();
    match (freezer, observed) {
        (Freezer::Pause, Observed::Running) | (Freezer::Unpause, Observed::Paused) => Ok(()),
        (_, Observed::Elsewhere) => Err(ending::elsewhere(&id(), state)),
        (Freezer::Pause, Observed::Paused) => Err(EngineError::AlreadyPaused { id: id() }),
        (
            Freezer::Pause,
            Observed::Created | Observed::Restarting | Observed::Exited | Observed::Lost(_),
        ) => Err(EngineError::NotPausable { id: id() }),
        (
            Freezer::Unpause,
            Observed::Running
            | Observed::Created
            | Observed::Restarting
            | Observed::Exited
            | Observed::Lost(_),
        ) => Err(EngineError::NotPaused { id: id() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::liveness::Loss;

    #[test]
    fn the_freezer_turns_only_from_the_other_state() {
        let id = ContainerId::from_random(&[7; 32]);
        let state = ContainerState::default();
        let cases = [
            (Freezer::Pause, Observed::Running, ""),
            (Freezer::Unpause, Observed::Paused, ""),
            (Freezer::Pause, Observed::Paused, "is already paused"),
            (
                Freezer::Pause,
                Observed::Exited,
                "is not running, can't pause",
            ),
            (
                Freezer::Pause,
                Observed::Lost(Loss::Rebooted),
                "is not running",
            ),
            (
                Freezer::Unpause,
                Observed::Running,
                "is not paused, can't unpause",
            ),
            (Freezer::Pause, Observed::Elsewhere, "runs elsewhere"),
        ];
        for (freezer, observed, words) in cases {
            match check(&id, &state, observed, freezer) {
                Ok(()) => assert_eq!(words, "", "{freezer:?} {observed:?}"),
                Err(error) => assert!(error.to_string().contains(words), "{error}"),
            }
        }
    }
}
