// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `container cleanup`: finishes what a killed monitor left undone. Every verb does the same for
//! the containers that it meets; this one does nothing else.

use super::error::EngineError;
use super::remove::{self, Leftovers};
use super::selection::{Chosen, ItemResult, Scope, Selection};
use super::{Engine, ending, recovery};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::store::Store;

/// What becomes of a container after its clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCleanup {
    /// It stays.
    Keep,
    /// It is removed.
    Remove,
}

impl Engine {
    /// Finishes the clean-up of the containers of `selection`. With all, those that run are left
    /// out.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; [`EngineError::Busy`] in the result of one that runs.
    pub fn clean_up(
        &self,
        selection: &Selection,
        after: AfterCleanup,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let store = self.store()?;
        let mut leftovers = Leftovers::default();
        let mut results = Vec::new();
        for Chosen { typed, id } in self.select(selection)? {
            let result = id.and_then(|id| clean_up(&store, &id, after, &mut leftovers));
            let left_out = matches!(
                (selection.scope, &result),
                (Scope::All, Err(EngineError::Busy { .. }))
            );
            if !left_out {
                results.push(ItemResult { typed, result });
            }
        }
        results.extend(leftovers.remove(&self.dirs));
        Ok(results)
    }
}

fn clean_up(
    store: &Store,
    id: &ContainerId,
    after: AfterCleanup,
    leftovers: &mut Leftovers,
) -> Result<(), EngineError> {
    let lock = store.lock(id)?;
    let (state, observed) = store.observe(id)?;
    match observed {
        Observed::Created | Observed::Exited => {}
        Observed::Lost(loss) => recovery::settle(store, &lock, id, state, loss)?,
        Observed::Elsewhere => return Err(ending::elsewhere(id, &state)),
        Observed::Running | Observed::Paused => {
            return Err(EngineError::Busy { id: id.clone() });
        }
    }
    match after {
        AfterCleanup::Keep => Ok(()),
        AfterCleanup::Remove => remove::remove_ended(store, &lock, id, leftovers),
    }
}
