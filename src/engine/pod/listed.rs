// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A pod, as lists and filters see it. Its state follows from those of its containers.

use crate::engine::filter::status_word;
use crate::state::id::ContainerId;
use crate::state::pod::PodRecord;
use crate::state::record::PodRole;
use crate::state::store::Store;
use crate::state::summary::ContainerSummary;

/// A pod in a list.
#[derive(Debug, Clone)]
pub struct ListedPod {
    /// What it is.
    pub record: PodRecord,
    /// Its containers, the infra container first.
    pub members: Vec<PodMember>,
    /// What it is doing now.
    pub status: PodStatus,
}

/// A container of a pod.
#[derive(Debug, Clone)]
pub struct PodMember {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Its state in podman's words.
    pub status: &'static str,
    /// How often a restart policy started it again.
    pub restart_count: u32,
    /// What it is in the pod.
    pub role: PodRole,
}

/// What a pod is doing, in podman's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodStatus {
    /// Nothing of it ever ran.
    Created,
    /// Some of it runs.
    Degraded,
    /// Of some containers nothing is known.
    Error,
    /// Nothing of it runs any more.
    Exited,
    /// All of it is frozen.
    Paused,
    /// All of it runs.
    Running,
    /// Nothing of it runs, and some of it never did.
    Stopped,
}

impl PodStatus {
    /// The word that podman shows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Degraded => "Degraded",
            Self::Error => "Error",
            Self::Exited => "Exited",
            Self::Paused => "Paused",
            Self::Running => "Running",
            Self::Stopped => "Stopped",
        }
    }

    /// The state of a pod whose containers are in these states.
    fn of<'a>(states: impl Iterator<Item = &'a str>) -> Self {
        let (mut all, mut stopped, mut running, mut paused, mut strange) = (0, 0, 0, 0, 0);
        for state in states {
            all += 1;
            match state {
                "exited" => stopped += 1,
                "running" => running += 1,
                "paused" => paused += 1,
                "created" => {}
                _ => strange += 1,
            }
        }
        match all {
            0 => Self::Created,
            _ if running == all => Self::Running,
            _ if running > 0 => Self::Degraded,
            _ if paused == all => Self::Paused,
            _ if stopped == all => Self::Exited,
            _ if stopped > 0 => Self::Stopped,
            _ if strange > 0 => Self::Error,
            _ => Self::Created,
        }
    }
}

impl ListedPod {
    /// What the store says of a pod with these containers.
    pub(super) fn read(store: &Store, record: PodRecord, members: Vec<ContainerSummary>) -> Self {
        let member = |summary: ContainerSummary| {
            // One that goes away meanwhile is none any more.
            let (state, observed) = store.observe(&summary.id).ok()?;
            Some(PodMember {
                status: status_word(&state, observed),
                id: summary.id,
                name: summary.name,
                restart_count: state.restart_count,
                role: summary.resolved.role,
            })
        };
        let members: Vec<PodMember> = members.into_iter().filter_map(member).collect();
        Self {
            status: PodStatus::of(members.iter().map(|member| member.status)),
            record,
            members,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_from_those_of_the_containers() {
        let cases = [
            ("", PodStatus::Created),
            ("created created", PodStatus::Created),
            ("running running", PodStatus::Running),
            ("running exited", PodStatus::Degraded),
            ("running created", PodStatus::Degraded),
            ("running paused", PodStatus::Degraded),
            ("paused paused", PodStatus::Paused),
            ("exited exited", PodStatus::Exited),
            ("exited created", PodStatus::Stopped),
            ("unknown created", PodStatus::Error),
        ];
        for (states, expected) in cases {
            let status = PodStatus::of(states.split_whitespace());
            assert_eq!(status, expected, "{states}");
        }
    }
}
