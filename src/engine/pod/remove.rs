// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removing pods: their containers first, the record last. Killed in between, it leaves a pod with
//! fewer containers, which can be removed.

use super::select::PodSelection;
use super::{PodStatus, listed::ListedPod, members, members_of};
use crate::engine::error::EngineError;
use crate::engine::filter::status_word;
use crate::engine::remove::{Dependents, RemoveOptions, Running};
use crate::engine::selection::{Chosen, Missing, Scope, Selection};
use crate::engine::stop::Grace;
use crate::engine::{Engine, Report};
use crate::state::StateError;
use crate::state::id::{ContainerId, PodId};
use crate::state::pod::Pods;
use crate::state::record::PodRole;
use crate::state::store::Store;
use crate::state::summary::ContainerSummary;

/// How often containers may be put into a pod while it is removed.
const ATTEMPTS: u32 = 20;

/// How `pod rm` removes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PodRemoval {
    /// What becomes of running containers; an infra container is always ended.
    pub running: Running,
}

/// What became of one pod.
#[derive(Debug)]
pub struct RemovedPod {
    /// The pod.
    pub id: PodId,
    /// Why it is still there.
    pub result: Result<(), RemovePodError>,
}

/// Why a pod is still there.
#[derive(Debug, thiserror::Error)]
pub enum RemovePodError {
    /// The store refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// The containers could not be looked at.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Containers that stay.
    #[error("not all containers could be removed from pod {pod}: removing pod containers")]
    Containers {
        /// The pod.
        pod: PodId,
        /// Which, and why.
        errors: Vec<(ContainerId, EngineError)>,
    },
}

impl Engine {
    /// Removes the pods of `selection` with their containers. One that somebody else removes
    /// meanwhile is no error.
    ///
    /// # Errors
    ///
    /// As [`Engine::pod`] for a word that means no pod; what goes wrong with one pod is in its
    /// result.
    pub fn remove_pods(
        &self,
        selection: &PodSelection,
        options: PodRemoval,
        report: &dyn Report,
    ) -> Result<Vec<RemovedPod>, StateError> {
        let ids = self.select_pods(selection)?;
        let removed = ids.into_iter().map(|id| RemovedPod {
            result: self.remove_pod(&id, options, report),
            id,
        });
        Ok(removed.collect())
    }

    /// Removes every pod of which nothing runs, or nothing but its infra container.
    ///
    /// # Errors
    ///
    /// A store that cannot be read.
    pub fn prune_pods(&self, report: &dyn Report) -> Result<Vec<RemovedPod>, StateError> {
        let store = self.store()?;
        let mut members = members(&store)?;
        let mut removed = Vec::new();
        for record in self.pods().list()?.pods {
            let own = members.remove(&record.id).unwrap_or_default();
            let pod = ListedPod::read(&store, record, own);
            if matches!(pod.status, PodStatus::Exited | PodStatus::Stopped) {
                removed.push(RemovedPod {
                    result: self.remove_pod(&pod.record.id, PodRemoval::default(), report),
                    id: pod.record.id,
                });
            }
        }
        Ok(removed)
    }

    /// Takes back a pod that was made for a container which could not be made.
    pub(in crate::engine) fn discard_pod(&self, id: &PodId, report: &dyn Report) {
        let options = PodRemoval {
            running: Running::Kill,
        };
        // Why the container could not be made is told, not why the pod stays.
        drop(self.remove_pod(id, options, report));
    }

    fn remove_pod(
        &self,
        id: &PodId,
        options: PodRemoval,
        report: &dyn Report,
    ) -> Result<(), RemovePodError> {
        let store = self.store()?;
        for _ in 0..ATTEMPTS {
            let members = members_of(&store, id)?;
            refuse_running(&store, id, &members, options.running)?;
            self.remove_members(id, &members, options.running, report)?;
            let pods = self.pods();
            let lock = pods.lock()?;
            // Now nobody puts a container into it any more.
            if members_of(&store, id)?.is_empty() {
                return Ok(self.forget_pod(&lock, id)?);
            }
        }
        let mut errors = Vec::new();
        for member in members_of(&store, id)? {
            let id = member.id;
            errors.push((id.clone(), EngineError::KeepsStarting { id }));
        }
        let pod = id.clone();
        Err(RemovePodError::Containers { pod, errors })
    }

    /// Removes those of `pods` that have no container any more.
    pub(in crate::engine) fn drop_empty_pods(&self, pods: &[PodId]) -> Result<(), StateError> {
        let store = self.store()?;
        for id in pods {
            let lock = self.pods().lock()?;
            if members_of(&store, id)?.is_empty() {
                self.forget_pod(&lock, id)?;
            }
        }
        Ok(())
    }

    /// The infra container goes last: the others need what it holds to end in peace.
    fn remove_members(
        &self,
        pod: &PodId,
        members: &[ContainerSummary],
        running: Running,
        report: &dyn Report,
    ) -> Result<(), RemovePodError> {
        let (infra, others): (Vec<_>, Vec<_>) = members
            .iter()
            .partition(|member| member.resolved.role == PodRole::Infra);
        let of_infra = match running {
            Running::Refuse => Running::Stop(Grace::from_seconds(INFRA_GRACE_SECONDS)),
            running => running,
        };
        let mut errors = Vec::new();
        for (group, running) in [(others, running), (infra, of_infra)] {
            if group.is_empty() || !errors.is_empty() {
                continue;
            }
            let selection = named(group.iter().map(|member| member.id.clone()));
            let options = RemoveOptions {
                running,
                dependents: Dependents::Remove,
                ..RemoveOptions::default()
            };
            for item in self.remove_containers(&selection, options, report)? {
                if let (Err(error), Some(id)) = (item.result, ContainerId::parse(&item.typed)) {
                    errors.push((id, error));
                }
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        let pod = pod.clone();
        Err(RemovePodError::Containers { pod, errors })
    }
}

/// Our own program ends at once.
const INFRA_GRACE_SECONDS: i64 = 10;

pub(super) fn named(ids: impl Iterator<Item = ContainerId>) -> Selection {
    Selection {
        scope: Scope::Named,
        words: ids.map(|id| id.to_string()).collect(),
        filters: Vec::new(),
        missing: Missing::Ignore,
    }
}

/// Nothing is removed of a pod that cannot be removed as a whole.
fn refuse_running(
    store: &Store,
    pod: &PodId,
    members: &[ContainerSummary],
    running: Running,
) -> Result<(), RemovePodError> {
    if running != Running::Refuse {
        return Ok(());
    }
    let mut errors = Vec::new();
    for member in members {
        if member.resolved.role == PodRole::Infra {
            continue;
        }
        let Ok((state, observed)) = store.observe(&member.id) else {
            continue;
        };
        if observed.is_attended() {
            let id = member.id.clone();
            let status = status_word(&state, observed);
            errors.push((id.clone(), EngineError::NotRemovable { id, status }));
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    let pod = pod.clone();
    Err(RemovePodError::Containers { pod, errors })
}

/// An infra container is only removed with its pod: `rm` refuses it, and `rm --depend` takes the
/// whole pod. The second value is the pods that are to go.
pub(in crate::engine) fn keep_infra(
    store: &Store,
    chosen: Vec<Chosen>,
    dependents: Dependents,
) -> Result<(Vec<Chosen>, Vec<PodId>), StateError> {
    let pods = Pods::new(store.dirs());
    let mut kept = Vec::new();
    let mut leaving = Vec::new();
    for one in chosen {
        match (&one.id, pod_of_infra(store, &pods, &one)) {
            (Ok(_), Some(pod)) if dependents == Dependents::Remove => {
                let others = members_of(store, &pod)?.into_iter().skip(1);
                kept.extend(others.map(|member| Chosen {
                    typed: member.id.to_string(),
                    id: Ok(member.id),
                }));
                leaving.push(pod);
                kept.push(one);
            }
            (Ok(id), Some(pod)) => {
                let id = Err(EngineError::InfraOfPod {
                    id: id.clone(),
                    pod,
                });
                kept.push(Chosen { id, ..one });
            }
            (_, _) => kept.push(one),
        }
    }
    Ok((kept, leaving))
}

/// The pod whose infra container `one` is; none where that pod is gone.
fn pod_of_infra(store: &Store, pods: &Pods, one: &Chosen) -> Option<PodId> {
    let summary = store.load_summary(one.id.as_ref().ok()?).ok()?;
    let infra = summary.resolved.role == PodRole::Infra;
    summary.resolved.pod.filter(|pod| infra && pods.exists(pod))
}
