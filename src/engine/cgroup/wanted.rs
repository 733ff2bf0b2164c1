// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cgroups that containers and pods are to have.

use std::path::{Path, PathBuf};

use super::limits::{apply, controllers, settings_of};
use crate::engine::host;
use crate::engine::limits::{LimitError, flags_of};
use crate::runtime::resources::Setting;
use crate::state::id::{ContainerId, PodId};
use crate::state::pod::PodRecord;
use crate::state::record::ContainerRequest;

/// How the names of the cgroups of pods begin.
const PREFIX: &str = "coracle-pod-";

/// The cgroup that a container is to have.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Wanted {
    pub(super) id: ContainerId,
    pub(super) settings: Vec<Setting>,
    /// What settings become where the kernel knows another file.
    pub(super) instead: Vec<Setting>,
    pub(super) parent: Option<String>,
    pub(super) own: OwnCgroup,
    /// The one that it is in, with others.
    pub(super) pod: Option<PodCgroup>,
}

/// Whether a container has a cgroup at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnCgroup {
    Wanted,
    /// `--cgroups split` and `no-conmon`: where the caller is, with the monitor. A service of
    /// systemd knows its main process only there.
    Beside,
    /// `--cgroups disabled`.
    Refused,
}

impl Wanted {
    /// What the container `id` was asked to have, in the cgroup of its pod if that has one.
    pub(in crate::engine) fn of(
        id: &ContainerId,
        request: &ContainerRequest,
        pod: Option<PodCgroup>,
    ) -> Result<Self, LimitError> {
        let own = match request.cgroups.as_deref() {
            Some("disabled") => OwnCgroup::Refused,
            Some("split" | "no-conmon") => OwnCgroup::Beside,
            _ => OwnCgroup::Wanted,
        };
        let (settings, instead) = settings_of(&request.limits)?;
        let parent = match &pod {
            Some(pod) => pod.parent.clone(),
            None => request.cgroup_parent.clone(),
        };
        Ok(Self {
            id: id.clone(),
            settings,
            instead,
            parent,
            own,
            pod,
        })
    }

    /// The controllers that it needs, or its pod.
    pub(super) fn controllers(&self) -> Vec<&str> {
        let of_pod = self.pod.iter().flat_map(|pod| &pod.settings);
        controllers(self.settings.iter().chain(of_pod))
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        name_of(&self.id)
    }

    pub(super) fn lacking(&self, needed: &[&str]) -> LimitError {
        let mut settings = self.settings.clone();
        settings.extend(self.pod.iter().flat_map(|pod| pod.settings.clone()));
        LimitError::Lacking {
            flags: flags_of(&settings),
            lack: host::lack_of_controllers(needed),
        }
    }

    pub(super) fn limit(&self, directory: &Path) -> Result<(), LimitError> {
        apply(directory, &self.settings, &self.instead)
    }
}

/// What a pod asks for.
#[derive(Debug, Clone)]
pub(in crate::engine) struct PodCgroup {
    id: PodId,
    infra: Option<ContainerId>,
    pub(super) settings: Vec<Setting>,
    /// What settings become where the kernel knows another file.
    pub(super) instead: Vec<Setting>,
    /// Below which it is made.
    pub(super) parent: Option<String>,
    pub(super) run_directory: PathBuf,
}

impl PodCgroup {
    /// None where the pod asks for nothing.
    pub(in crate::engine) fn of(
        pod: &PodRecord,
        run_directory: PathBuf,
    ) -> Result<Option<Self>, LimitError> {
        let request = &pod.request;
        if request.limits.is_empty() && request.cgroup_parent.is_none() {
            return Ok(None);
        }
        let (settings, instead) = settings_of(&request.limits)?;
        Ok(Some(Self {
            id: pod.id.clone(),
            infra: pod.infra.clone(),
            settings,
            instead,
            parent: request.cgroup_parent.clone(),
            run_directory,
        }))
    }

    /// Whether the container `id` holds what the others share.
    pub(super) fn is_infra(&self, id: &ContainerId) -> bool {
        self.infra.as_ref() == Some(id)
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        format!("{PREFIX}{}", self.id.short())
    }
}

/// What the cgroup of a container is called, but in a scope of its own.
pub(super) fn name_of(id: &ContainerId) -> String {
    format!("coracle-{}", id.short())
}

/// Whether a cgroup of that name is a pod's.
pub(super) fn is_of_pod(name: &str) -> bool {
    name.starts_with(PREFIX) && !name.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::pod::PodRequest;

    fn wanted(request: &ContainerRequest) -> Wanted {
        Wanted::of(&ContainerId::from_random(&[1; 32]), request, None).unwrap()
    }

    #[test]
    fn only_limits_need_controllers() {
        let mut request = ContainerRequest::default();
        assert_eq!(wanted(&request).controllers(), Vec::<&str>::new());
        request.limits.pids = Some(-1);
        assert_eq!(wanted(&request).controllers(), Vec::<&str>::new());
        request.limits.pids = Some(3);
        request.limits.memory_bytes = Some(1 << 20);
        request.limits.cpuset_cpus = Some("0".to_owned());
        let all = wanted(&request);
        assert_eq!(all.controllers(), ["cpuset", "memory", "pids"]);
    }

    #[test]
    fn a_pod_that_asks_for_nothing_has_none() {
        let pod = |request| PodRecord {
            id: PodId::from_random(&[1; 32]),
            name: "web".to_owned(),
            created: jiff::Timestamp::UNIX_EPOCH,
            request,
            infra: None,
        };
        let of = |request| PodCgroup::of(&pod(request), PathBuf::new()).unwrap();
        assert!(of(PodRequest::default()).is_none());
        let mut limited = PodRequest::default();
        limited.limits.memory_bytes = Some(1 << 20);
        let names: Vec<_> = of(limited)
            .unwrap()
            .settings
            .into_iter()
            .map(|one| one.file)
            .collect();
        assert_eq!(names, ["memory.swap.max", "memory.max"]);
        let placed = PodRequest {
            cgroup_parent: Some("/mine".to_owned()),
            ..PodRequest::default()
        };
        let placed = of(placed).unwrap();
        assert_eq!(placed.parent.as_deref(), Some("/mine"));
        assert!(is_of_pod(&placed.name()));
    }

    #[test]
    fn a_pods_is_told_from_a_containers_and_from_a_scope() {
        assert!(is_of_pod("coracle-pod-0123456789ab"));
        assert!(!is_of_pod("coracle-0123456789ab"));
        assert!(!is_of_pod("coracle-pod-0123456789ab-77.scope"));
    }
}
