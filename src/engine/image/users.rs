// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which containers use which images.

use std::collections::HashMap;

use crate::oci::Digest;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::store::Store;

/// Containers by the id of their image.
#[derive(Debug, Default)]
pub(super) struct ImageUsers(HashMap<String, Vec<ContainerId>>);

impl ImageUsers {
    pub(super) fn read(store: &Store) -> Result<Self, StateError> {
        let mut users: HashMap<String, Vec<ContainerId>> = HashMap::new();
        for id in store.list()? {
            match store.load_summary(&id) {
                Ok(summary) => users.entry(summary.resolved.image_id).or_default().push(id),
                // It went away while we read.
                Err(StateError::NoSuchContainer { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(users))
    }

    pub(super) fn of(&self, image: &Digest) -> &[ContainerId] {
        self.0.get(image.hex()).map_or(&[], Vec::as_slice)
    }

    pub(super) fn are_there(&self, image: &Digest) -> bool {
        !self.of(image).is_empty()
    }
}
