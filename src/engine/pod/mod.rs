// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pods: containers that share namespaces, and what is done to all of them at once. What they
//! share is held by their infra container, an ordinary one whose program is ours and whose user
//! namespace the others join. A container's record says which pod it is in; the pod knows no more
//! than its infra container.

mod check;
mod create;
mod filter;
mod inspect;
mod join;
mod list;
mod listed;
pub(super) mod pause;
mod place;
mod remove;
mod select;
mod spec;
mod verbs;

pub use inspect::PodDocument;
pub use join::JoinError;
pub(super) use join::Membership;
pub use list::PodListRequest;
pub use listed::{ListedPod, PodMember, PodStatus};
pub(super) use remove::keep_infra;
pub use remove::{PodRemoval, RemovePodError, RemovedPod};
pub use select::{PodScope, PodSelection};
pub use spec::{InfraSpec, PodCreateError, PodSpec};
pub use verbs::{PodAction, PodOutcome};

use std::collections::BTreeMap;

use super::Engine;
use super::selection::Chosen;
use crate::state::StateError;
use crate::state::id::{ContainerId, PodId};
use crate::state::pod::{PodRecord, Pods, SharedNamespace};
use crate::state::record::PodRole;
use crate::state::store::Store;
use crate::state::summary::ContainerSummary;

impl Engine {
    fn pods(&self) -> Pods {
        Pods::new(&self.dirs)
    }

    /// The pod that `name` means.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchPod`] and [`StateError::AmbiguousPod`].
    pub fn pod(&self, name: &str) -> Result<PodRecord, StateError> {
        let pods = self.pods();
        pods.load(&pods.resolve(name)?)
    }
}

/// Containers in the order in which they end: the infra containers when the others have, for what
/// they hold is of use until then.
pub(super) fn infra_last(store: &Store, chosen: Vec<Chosen>) -> [Vec<Chosen>; 2] {
    let is_infra = |one: &Chosen| one.id.as_ref().is_ok_and(|id| is_infra(store, id));
    let (infra, others) = chosen.into_iter().partition(is_infra);
    [others, infra]
}

/// Whether a container holds what those of its pod share.
pub(super) fn is_infra(store: &Store, id: &ContainerId) -> bool {
    let summary = store.load_summary(id);
    summary.is_ok_and(|summary| summary.resolved.role == PodRole::Infra)
}

/// Whether the containers of a pod see each other's processes.
fn shares_pids(pod: &PodRecord) -> bool {
    pod.request.shared.contains(&SharedNamespace::Pid)
}

/// The containers of all pods: the infra container first, then the others in the order in which
/// they were made. One that goes away or cannot be read is nobody's.
fn members(store: &Store) -> Result<BTreeMap<PodId, Vec<ContainerSummary>>, StateError> {
    let mut members: BTreeMap<PodId, Vec<ContainerSummary>> = BTreeMap::new();
    for id in store.list()? {
        if let Ok(summary) = store.load_summary(&id)
            && let Some(pod) = summary.resolved.pod.clone()
        {
            members.entry(pod).or_default().push(summary);
        }
    }
    for containers in members.values_mut() {
        containers.sort_by_cached_key(|one| {
            let later = one.resolved.role != PodRole::Infra;
            (later, one.created, one.id.clone())
        });
    }
    Ok(members)
}

/// The containers of one pod, in the order of [`members`].
fn members_of(store: &Store, pod: &PodId) -> Result<Vec<ContainerSummary>, StateError> {
    Ok(members(store)?.remove(pod).unwrap_or_default())
}
