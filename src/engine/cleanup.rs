// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `container cleanup`: finishes what a killed monitor left undone. Every verb does the same for
//! the containers that it meets; this one does nothing else.

use super::error::EngineError;
use super::exec::sessions::{self, Cleared};
use super::remove::{self, Leftovers};
use super::selection::{Chosen, ItemResult, Scope, Selection};
use super::{Engine, Report, ending, recovery};
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
    /// It is removed, and its image unless others use it.
    RemoveWithImage,
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
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let store = self.store()?;
        let mut leftovers = Leftovers::default();
        let mut results = Vec::new();
        let mut images = Vec::new();
        for Chosen { typed, id } in self.select(selection)? {
            let result = id.and_then(|id| {
                images.extend(image_to_go(&store, &id, after));
                clean_up(&store, &id, after, &mut leftovers, report)
            });
            let left_out = matches!(
                (selection.scope, &result),
                (Scope::All, Err(EngineError::Busy { .. }))
            );
            if !left_out {
                results.push(ItemResult { typed, result });
            }
        }
        results.extend(leftovers.remove(&self.dirs));
        for image in images {
            self.remove_its_image(&image, report);
        }
        Ok(results)
    }

    /// Removes what the session `session` of `exec` left in the containers of `selection`.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; a session that runs or is not there is an error of its container.
    pub fn clean_up_session(
        &self,
        selection: &Selection,
        session: &str,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let mut results = Vec::new();
        for Chosen { typed, id } in self.select(selection)? {
            let result = id.and_then(|id| {
                let session = session.to_owned();
                match sessions::clear(&self.dirs, &id, &session) {
                    Cleared::Removed => Ok(()),
                    Cleared::Running => Err(EngineError::SessionRuns { session }),
                    Cleared::Missing => Err(EngineError::NoSuchSession { session }),
                }
            });
            results.push(ItemResult { typed, result });
        }
        Ok(results)
    }
}

/// The image is known as long as the container is there.
fn image_to_go(store: &Store, id: &ContainerId, after: AfterCleanup) -> Option<String> {
    match after {
        AfterCleanup::Keep | AfterCleanup::Remove => None,
        AfterCleanup::RemoveWithImage => Some(store.load(id).ok()?.request.image),
    }
}

fn clean_up(
    store: &Store,
    id: &ContainerId,
    after: AfterCleanup,
    leftovers: &mut Leftovers,
    report: &dyn Report,
) -> Result<(), EngineError> {
    let lock = store.lock(id)?;
    let (state, observed) = store.observe(id)?;
    match observed {
        Observed::Created | Observed::Exited => {}
        Observed::Lost(loss) => recovery::settle(store, &lock, id, (state, loss), report)?,
        Observed::Elsewhere => return Err(ending::elsewhere(id, &state)),
        Observed::Running | Observed::Paused | Observed::Restarting => {
            return Err(EngineError::Busy { id: id.clone() });
        }
    }
    match after {
        AfterCleanup::Keep => Ok(()),
        AfterCleanup::Remove | AfterCleanup::RemoveWithImage => {
            remove::remove_ended(store, &lock, id, leftovers)
        }
    }
}
