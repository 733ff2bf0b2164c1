// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cgroup of a pod, from its request to its end. Where it is made: `engine::cgroup`.

use std::fs;

use crate::engine::Engine;
use crate::engine::cgroup::{PodCgroup, directory, place_of_pod};
use crate::engine::launch::PrepareError;
use crate::state::StateError;
use crate::state::id::PodId;
use crate::state::pod::PodsLock;
use crate::state::record::ContainerRecord;
use crate::state::tree::remove_tree;

impl Engine {
    /// The cgroup that a container shares with others of its pod, if there is to be one.
    pub(in crate::engine) fn cgroup_of_pod(
        &self,
        record: &ContainerRecord,
    ) -> Result<Option<PodCgroup>, PrepareError> {
        let Some(id) = &record.resolved.pod else {
            return Ok(None);
        };
        let request = &record.request;
        if request.cgroup_parent.is_some() || request.cgroups.as_deref() == Some("disabled") {
            return Ok(None);
        }
        let pod = match self.pods().load(id) {
            // What it held is gone with it.
            Err(StateError::NoSuchPod { .. }) => return Ok(None),
            pod => pod?,
        };
        let Some(cgroup) = PodCgroup::of(&pod, self.dirs.pod_run(id))? else {
            return Ok(None);
        };
        self.dirs.make_pod_run(id)?;
        Ok(Some(cgroup))
    }

    /// Removes the record of a pod that has no containers, and what was its own.
    pub(super) fn forget_pod(&self, lock: &PodsLock, id: &PodId) -> Result<(), StateError> {
        let run_directory = self.dirs.pod_run(id);
        if run_directory.exists() {
            // A start that was killed may have left it empty.
            let place = place_of_pod(&run_directory);
            drop(
                place
                    .and_then(|place| directory(&place))
                    .map(fs::remove_dir),
            );
            drop(remove_tree(&run_directory));
        }
        self.pods().remove(lock, id)
    }
}
