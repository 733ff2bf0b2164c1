// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `rename`: another name for a container, whatever it is doing.

use super::Engine;
use super::error::EngineError;
use super::events::emit_of;
use crate::state::events::Action;

impl Engine {
    /// Gives the container that `word` means the name `new`.
    ///
    /// # Errors
    ///
    /// [`EngineError::State`]: no such container, a name that is in use or that cannot be one.
    pub fn rename(&self, word: &str, new: &str) -> Result<(), EngineError> {
        let store = self.store()?;
        let id = store.resolve(word)?;
        let _lock = store.lock(&id)?;
        store.rename(&id, new)?;
        emit_of(&store, &id, Action::Rename);
        Ok(())
    }
}
