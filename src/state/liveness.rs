// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container is doing, as opposed to what its last writer knew. Looks at /proc and nothing
//! else, so that the answer is the same with the run root gone.

use super::place::Relation;
use super::record::{ContainerState, Place, Status};

/// What a container is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// Created, never started.
    Created,
    /// It runs.
    Running,
    /// It is frozen.
    Paused,
    /// It has ended, and its monitor is about to start it again.
    Restarting,
    /// It has ended, and its exit code is on record.
    Exited,
    /// It has ended without an exit record; treated as exited.
    Lost(Loss),
    /// It may run on another machine or in another pid namespace: shown, never touched.
    Elsewhere,
}

/// How a container ended without an exit record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Its monitor ended first, by SIGKILL or a crash, and it with its monitor.
    MonitorGone,
    /// Its monitor was killed while it waited to start it again; how it ended is on record.
    NotStartedAgain,
    /// The machine was booted again since.
    Rebooted,
}

impl Loss {
    /// The reason in words, as `inspect` shows it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::MonitorGone => "its monitor was killed and left no exit code",
            Self::NotStartedAgain => "its monitor was killed before it was started again",
            Self::Rebooted => "the machine was restarted while it ran",
        }
    }
}

impl Observed {
    /// Whether it has processes here.
    pub fn is_up(self) -> bool {
        match self {
            Self::Running | Self::Paused => true,
            Self::Created | Self::Restarting | Self::Exited | Self::Lost(_) | Self::Elsewhere => {
                false
            }
        }
    }

    /// Whether it has a monitor here: it runs, or is about to run again.
    pub fn is_attended(self) -> bool {
        self.is_up() || self == Self::Restarting
    }
}

impl ContainerState {
    /// Whether a `stop` waits for its end; one that was killed does not count.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_some_and(|stop| stop.is_alive())
    }
}

/// What the container of `state` is doing now.
///
/// A [`Observed::Lost`] may be out of date already, when the monitor wrote the exit record after
/// `state` was read: [`super::store::Store::observe`] reads it again.
pub fn observe(state: &ContainerState) -> Observed {
    match state.status {
        Status::Created => Observed::Created,
        Status::Exited => Observed::Exited,
        Status::Running | Status::Paused | Status::Restarting => observe_from(state, Place::here()),
    }
}

fn observe_from(state: &ContainerState, here: &Place) -> Observed {
    let up = match state.status {
        Status::Created => return Observed::Created,
        Status::Exited => return Observed::Exited,
        Status::Running => Observed::Running,
        Status::Paused => Observed::Paused,
        Status::Restarting => Observed::Restarting,
    };
    match state.place.relation_to(here) {
        Relation::Elsewhere => Observed::Elsewhere,
        Relation::Rebooted => Observed::Lost(Loss::Rebooted),
        Relation::Here if state.monitor.is_some_and(|monitor| monitor.is_alive()) => up,
        Relation::Here if up == Observed::Restarting => Observed::Lost(Loss::NotStartedAgain),
        Relation::Here => Observed::Lost(Loss::MonitorGone),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::ProcessIdentity;
    use super::*;

    #[test]
    fn a_state_is_judged_by_its_place_and_its_monitor() {
        let here = Place::here();
        let myself = ProcessIdentity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let dead = ProcessIdentity {
            start_time: myself.start_time + 1,
            ..myself
        };
        let rebooted = Place {
            boot_id: "before".to_owned(),
            ..here.clone()
        };
        let nested = Place {
            pid_namespace: 1,
            ..here.clone()
        };
        let cases = [
            (Status::Created, here, None, Observed::Created),
            (Status::Exited, &nested, None, Observed::Exited),
            (Status::Running, here, Some(myself), Observed::Running),
            (Status::Paused, here, Some(myself), Observed::Paused),
            (Status::Restarting, here, Some(myself), Observed::Restarting),
            (
                Status::Restarting,
                here,
                Some(dead),
                Observed::Lost(Loss::NotStartedAgain),
            ),
            (
                Status::Running,
                here,
                Some(dead),
                Observed::Lost(Loss::MonitorGone),
            ),
            (
                Status::Running,
                here,
                None,
                Observed::Lost(Loss::MonitorGone),
            ),
            (
                Status::Running,
                &rebooted,
                Some(myself),
                Observed::Lost(Loss::Rebooted),
            ),
            (Status::Running, &nested, Some(dead), Observed::Elsewhere),
        ];
        for (status, place, monitor, expected) in cases {
            let state = ContainerState {
                status,
                place: place.clone(),
                monitor,
                ..ContainerState::default()
            };
            assert_eq!(observe(&state), expected, "{state:?}");
        }
    }
}
