// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which containers use which images.

use std::collections::HashMap;

use crate::oci::Digest;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::record::MountKind;
use crate::state::store::Store;
use crate::state::summary::ContainerSummary;

/// Containers by the id of their image.
#[derive(Debug, Default)]
pub(super) struct ImageUsers(HashMap<String, Vec<ContainerId>>);

/// The image that it was made of, and those that are mounted in it.
fn images_of(summary: &ContainerSummary) -> impl Iterator<Item = &str> {
    let mounts = summary.mounts().iter();
    let mounted = mounts.filter(|mount| mount.kind == MountKind::Image);
    let mounted = mounted.map(|mount| mount.source.as_str());
    mounted.chain([summary.resolved.image_id.as_str()])
}

impl ImageUsers {
    pub(super) fn read(store: &Store) -> Result<Self, StateError> {
        let mut users: HashMap<String, Vec<ContainerId>> = HashMap::new();
        for id in store.list()? {
            match store.load_summary(&id) {
                Ok(summary) => {
                    for image in images_of(&summary) {
                        let list = users.entry(image.to_owned()).or_default();
                        if !list.contains(&id) {
                            list.push(id.clone());
                        }
                    }
                }
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
