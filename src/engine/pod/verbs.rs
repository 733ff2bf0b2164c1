// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is done to all containers of a pod at once, and the end of a pod whose last container has
//! ended.

use super::remove::named;
use super::select::PodSelection;
use super::{PodStatus, listed::ListedPod, members_of};
use crate::config::ConfigError;
use crate::engine::error::EngineError;
use crate::engine::pause::Freezer;
use crate::engine::selection::{ItemResult, Missing, Selection};
use crate::engine::stats::Sample;
use crate::engine::stop::{Grace, StopOptions};
use crate::engine::top::{Processes, TopError, TopRequest};
use crate::engine::{Engine, Report, Silent};
use crate::state::StateError;
use crate::state::events::{Action, Event};
use crate::state::id::{ContainerId, PodId};
use crate::state::pod::{ExitPolicy, PodRecord};
use crate::state::record::{ContainerRecord, PodRole};
use crate::state::store::Store;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodAction {
    /// The infra container starts first.
    Start,
    /// The infra container ends last.
    Stop(Option<Grace>),
    /// A stop and a start.
    Restart,
    /// The signal of this number goes to what runs.
    Kill(i32),
    /// What runs is frozen.
    Pause,
    /// What is frozen goes on.
    Unpause,
}

impl PodAction {
    /// The events of a pod to which it was done.
    fn told(self) -> &'static [Action] {
        match self {
            Self::Start => &[Action::Start],
            Self::Stop(_) => &[Action::Stop],
            Self::Restart => &[Action::Stop, Action::Start],
            Self::Kill(_) => &[Action::Kill],
            Self::Pause => &[Action::Pause],
            Self::Unpause => &[Action::Unpause],
        }
    }
}

/// What became of one pod.
#[derive(Debug)]
pub struct PodOutcome {
    /// The pod.
    pub id: PodId,
    /// Its name.
    pub name: String,
    /// The containers for which it could not be done.
    pub errors: Vec<(ContainerId, EngineError)>,
}

/// The containers of a pod by their parts in it.
struct Parts {
    infra: Vec<ContainerId>,
    others: Vec<ContainerId>,
}

impl Engine {
    /// Does `action` to the containers of the pods of `selection`. Containers for which there is
    /// nothing to do are left out.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// As [`Engine::pod`] for a word that means no pod.
    pub fn act_on_pods(
        &self,
        selection: &PodSelection,
        action: PodAction,
        report: &dyn Report,
    ) -> Result<Vec<PodOutcome>, EngineError> {
        let store = self.store()?;
        let mut outcomes = Vec::new();
        for id in self.select_pods(selection)? {
            let record = match self.pods().load(&id) {
                Err(StateError::NoSuchPod { .. }) => continue,
                record => record?,
            };
            let members = members_of(&store, &id)?;
            let pod = ListedPod::read(&store, record, members);
            let idle = !matches!(pod.status, PodStatus::Paused | PodStatus::Degraded);
            if action == PodAction::Unpause && idle {
                continue;
            }
            let results = self.act_on(&pod, action, report)?;
            let told = action.told().iter();
            let told = told.map(|told| Event::of_pod(id.as_str(), &pod.record.name, *told));
            self.emit(&told.collect::<Vec<_>>());
            let failed = |item: ItemResult| {
                let id = ContainerId::parse(&item.typed)?;
                Some((id, item.result.err()?))
            };
            outcomes.push(PodOutcome {
                id,
                name: pod.record.name.clone(),
                errors: results.into_iter().filter_map(failed).collect(),
            });
        }
        Ok(outcomes)
    }

    fn act_on(
        &self,
        pod: &ListedPod,
        action: PodAction,
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let all = Parts::of(pod, |_| true);
        let running = Parts::of(pod, |status| matches!(status, "running" | "stopping"));
        match action {
            PodAction::Start => self.start_all(&named(all.starting()), report),
            PodAction::Stop(grace) => {
                let options = StopOptions {
                    grace,
                    signal: None,
                };
                self.stop(&named(all.ending()), options, report)
            }
            PodAction::Restart => {
                self.restart(&named(all.starting()), StopOptions::default(), report)
            }
            PodAction::Kill(signal) => {
                let status = |status: &str| matches!(status, "running" | "stopping" | "restarting");
                self.kill(&named(Parts::of(pod, status).ending()), signal, report)
            }
            PodAction::Pause => self.set_frozen(&named(running.ending()), Freezer::Pause),
            PodAction::Unpause => {
                let paused = Parts::of(pod, |status| status == "paused");
                self.set_frozen(&named(paused.starting()), Freezer::Unpause)
            }
        }
    }

    /// The processes of all running containers of a pod, each once.
    ///
    /// # Errors
    ///
    /// As [`Engine::top`].
    pub fn top_of_pod(
        &self,
        selection: &PodSelection,
        words: &[String],
    ) -> Result<Processes, TopError> {
        let missing = |error: StateError| TopError::NoContainer(error.into());
        let pod = self.listed_pod(selection).map_err(missing)?;
        let shares_pids = super::shares_pids(&pod.record);
        let mut all = Processes::default();
        // The infra container comes first, and knows no names of users.
        for member in pod.members.iter().rev() {
            if member.status != "running" || (shares_pids && !all.rows.is_empty()) {
                continue;
            }
            let request = TopRequest {
                container: Some(member.id.to_string()),
                words: words.to_vec(),
            };
            match self.top(&request) {
                Ok(processes) => {
                    all.headings = processes.headings;
                    all.rows.extend(processes.rows);
                }
                Err(TopError::NotRunning { .. } | TopError::Ended { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// What the running containers of pods use, with the ids of their pods.
    ///
    /// # Errors
    ///
    /// A word that means no pod.
    pub fn samples_of_pods(
        &self,
        selection: &PodSelection,
    ) -> Result<Vec<(String, Sample)>, EngineError> {
        let store = self.store()?;
        let mut found = Vec::new();
        for pod in self.select_pods(selection)? {
            let members = super::members_of(&store, &pod)?;
            let words = members.into_iter().map(|member| member.id.to_string());
            let running = Selection {
                words: words.collect(),
                missing: Missing::Ignore,
                ..Selection::default()
            };
            let samples = self.samples(&running)?.into_iter();
            let running = samples.filter(|sample| sample.started_nanoseconds != 0);
            found.extend(running.map(|sample| (pod.to_string(), sample)));
        }
        Ok(found)
    }

    /// The exit policy of pods for which none was named.
    ///
    /// # Errors
    ///
    /// A configuration that cannot be read.
    pub fn exit_policy(&self) -> Result<ExitPolicy, ConfigError> {
        let conf = self.containers_conf()?.engine.pod_exit_policy.as_deref();
        Ok(conf.and_then(ExitPolicy::parse).unwrap_or_default())
    }

    /// Stops the pod of `ended` if nothing but its infra container is left and it is to end then.
    /// In the monitor of `ended`: nobody is there to hear what goes wrong.
    pub(in crate::engine) fn end_pod_of(&self, ended: &ContainerRecord) {
        if let Some(infra) = self.idle_infra(ended) {
            let selection = named(std::iter::once(infra));
            drop(self.stop(&selection, StopOptions::default(), &Silent));
        }
    }

    fn idle_infra(&self, ended: &ContainerRecord) -> Option<ContainerId> {
        let pod = ended.resolved.pod.as_ref()?;
        if ended.resolved.role == PodRole::Infra {
            return None;
        }
        let PodRecord { infra, request, .. } = self.pods().load(pod).ok()?;
        if request.exit_policy != ExitPolicy::Stop {
            return None;
        }
        let store = self.store().ok()?;
        let mut members = members_of(&store, pod).ok()?.into_iter();
        let busy = members.any(|member| {
            let other = member.resolved.role != PodRole::Infra && member.id != ended.id;
            other && is_attended(&store, &member.id)
        });
        infra.filter(|infra| !busy && is_up(&store, infra))
    }
}

fn is_attended(store: &Store, id: &ContainerId) -> bool {
    store
        .observe(id)
        .is_ok_and(|(_, observed)| observed.is_attended())
}

fn is_up(store: &Store, id: &ContainerId) -> bool {
    store
        .observe(id)
        .is_ok_and(|(_, observed)| observed.is_up())
}

impl Parts {
    fn of(pod: &ListedPod, wanted: impl Fn(&str) -> bool) -> Self {
        let of_role = |role| {
            let members = pod.members.iter();
            let those = members.filter(|member| member.role == role && wanted(member.status));
            those.map(|member| member.id.clone()).collect()
        };
        Self {
            infra: of_role(PodRole::Infra),
            others: of_role(PodRole::Member),
        }
    }

    fn starting(&self) -> impl Iterator<Item = ContainerId> + '_ {
        self.infra.iter().chain(&self.others).cloned()
    }

    fn ending(&self) -> impl Iterator<Item = ContainerId> + '_ {
        self.others.iter().chain(&self.infra).cloned()
    }
}
