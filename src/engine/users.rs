// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which containers name which volume, network or other thing in their records.

use std::collections::BTreeMap;

use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::store::Store;
use crate::state::summary::ContainerSummary;

/// Containers by the name of what they use.
#[derive(Debug, Default)]
pub(super) struct Users(BTreeMap<String, Vec<ContainerId>>);

impl Users {
    /// Reads who uses what, of which a container's summary has the names by `used`.
    ///
    /// # Errors
    ///
    /// The store cannot be listed.
    pub(super) fn read(
        store: &Store,
        used: impl Fn(&ContainerSummary) -> Vec<String>,
    ) -> Result<Self, StateError> {
        let mut users = Self::default();
        store.read_records_ahead(&store.list()?, |id, ahead| {
            // One that goes meanwhile uses nothing any more.
            let Ok(summary) = store.summary_ahead(id, &ahead) else {
                return;
            };
            for name in used(&summary) {
                let list = users.0.entry(name).or_default();
                if !list.contains(id) {
                    list.push(id.clone());
                }
            }
        });
        Ok(users)
    }

    /// Who uses `name`.
    pub(super) fn of(&self, name: &str) -> Vec<ContainerId> {
        self.0.get(name).cloned().unwrap_or_default()
    }
}
