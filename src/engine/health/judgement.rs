// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a check says of a container's health, as Podman has it.

use crate::state::health::{HealthSettings, StartupCheck};
use crate::state::health_log::{Health, HealthResult};

/// What one check has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It succeeded.
    Healthy,
    /// It failed.
    Unhealthy,
    /// It failed, and the container has not started yet.
    Starting,
    /// It failed because the container was ending.
    Stopped,
}

impl Finding {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
            Self::Stopped => "stopped",
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    /// What the user asked for.
    OnFailure,
    /// It does not get started: it is started again.
    Restart,
}

/// The moment of a check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// It is the check of the start.
    pub(super) startup: bool,
    /// Failures do not count yet.
    pub(super) start_period: bool,
    /// The container has ended, or is about to.
    pub(super) ended: bool,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) finding: Finding,
    pub(super) action: Action,
}

/// Notes `result` in `health`.
pub(super) fn judge(
    health: &mut Health,
    settings: &HealthSettings,
    result: HealthResult,
    circumstances: Circumstances,
) -> Judgement {
    let failed = result.exit_code != 0;
    let finding = match circumstances {
        _ if !failed => Finding::Healthy,
        Circumstances { ended: true, .. } => Finding::Stopped,
        Circumstances { startup: true, .. } => Finding::Starting,
        _ => Finding::Unhealthy,
    };
    keep(health, settings, result);
    if finding == Finding::Stopped {
        finding.word().clone_into(&mut health.status);
        let action = Action::Nothing;
        return Judgement { finding, action };
    }
    let startup = settings.startup.as_ref().filter(|_| circumstances.startup);
    let mut action = match startup {
        Some(startup) => note_startup(health, startup, finding),
        None => Action::Nothing,
    };
    if !failed {
        finding.word().clone_into(&mut health.status);
        health.failing_streak = 0;
    } else if !circumstances.startup && !circumstances.start_period {
        health.failing_streak += 1;
        if i64::from(health.failing_streak) >= settings.check.retries {
            Finding::Unhealthy.word().clone_into(&mut health.status);
        }
    }
    if failed && !circumstances.startup && health.status == Finding::Unhealthy.word() {
        action = Action::OnFailure;
    }
    Judgement { finding, action }
}

fn keep(health: &mut Health, settings: &HealthSettings, result: HealthResult) {
    health.log.push(result);
    let kept = usize::try_from(settings.max_log_count).unwrap_or(usize::MAX);
    if kept != 0 && health.log.len() > kept {
        health.log.drain(..health.log.len() - kept);
    }
}

fn note_startup(health: &mut Health, startup: &StartupCheck, finding: Finding) -> Action {
    if finding == Finding::Healthy {
        health.startup_successes += 1;
        health.startup_passed = health.startup_successes >= startup.successes;
        return Action::Nothing;
    }
    health.startup_successes = 0;
    health.startup_failures += 1;
    let retries = startup.check.retries;
    if retries != 0 && i64::from(health.startup_failures) >= retries {
        Action::Restart
    } else {
        Action::Nothing
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::oci::Healthcheck;

    fn settings(retries: i64, startup: Option<(i64, u32)>) -> HealthSettings {
        let of = |retries| Healthcheck {
            retries,
            ..Healthcheck::default()
        };
        HealthSettings {
            check: of(retries),
            startup: startup.map(|(retries, successes)| StartupCheck {
                check: of(retries),
                successes,
            }),
            max_log_count: 2,
            ..HealthSettings::default()
        }
    }

    fn after(
        settings: &HealthSettings,
        codes: &[i32],
        moment: Circumstances,
    ) -> (Health, Judgement) {
        let mut health = Health::starting();
        let mut last = None;
        for code in codes {
            let result = HealthResult {
                start: Timestamp::UNIX_EPOCH,
                end: Timestamp::UNIX_EPOCH,
                exit_code: *code,
                output: String::new(),
            };
            let startup = moment.startup && !health.startup_passed;
            let moment = Circumstances { startup, ..moment };
            last = Some(judge(&mut health, settings, result, moment));
        }
        (health, last.unwrap())
    }

    const USUAL: Circumstances = Circumstances {
        startup: false,
        start_period: false,
        ended: false,
    };

    #[test]
    fn so_many_failures_in_a_row_are_unhealthy() {
        let cases: [(&[i32], &str, u32, Action); 5] = [
            (&[0], "healthy", 0, Action::Nothing),
            (&[1], "starting", 1, Action::Nothing),
            (&[0, 1], "healthy", 1, Action::Nothing),
            (&[0, 1, -1], "unhealthy", 2, Action::OnFailure),
            (&[0, 1, 1, 1, 0], "healthy", 0, Action::Nothing),
        ];
        for (codes, status, streak, action) in cases {
            let (health, judgement) = after(&settings(2, None), codes, USUAL);
            assert_eq!((&*health.status, health.failing_streak), (status, streak));
            assert_eq!(judgement.action, action, "{codes:?}");
            assert!(health.log.len() <= 2);
        }
    }

    #[test]
    fn failures_of_a_start_or_an_end_do_not_count() {
        let starting = Circumstances {
            start_period: true,
            ..USUAL
        };
        let (health, judgement) = after(&settings(1, None), &[1, 1, 1], starting);
        assert_eq!((&*health.status, health.failing_streak), ("starting", 0));
        assert_eq!(judgement.finding, Finding::Unhealthy);
        let ending = Circumstances {
            ended: true,
            ..USUAL
        };
        let (health, judgement) = after(&settings(1, None), &[137], ending);
        assert_eq!((&*health.status, health.failing_streak), ("stopped", 0));
        assert_eq!(judgement.finding, Finding::Stopped);
    }

    #[test]
    fn the_check_of_the_start_comes_first() {
        let moment = Circumstances {
            startup: true,
            ..USUAL
        };
        let (health, judgement) = after(&settings(1, Some((3, 2))), &[1, 0], moment);
        assert!(!health.startup_passed);
        assert_eq!(judgement.finding, Finding::Healthy);
        let (health, _) = after(&settings(1, Some((3, 2))), &[0, 0], moment);
        assert!(health.startup_passed);
        let (_, judgement) = after(&settings(1, Some((3, 2))), &[1, 1, 1], moment);
        assert_eq!(judgement.action, Action::Restart);
        assert_eq!(judgement.finding, Finding::Starting);
        let (_, judgement) = after(&settings(1, Some((0, 0))), &[0, 1], moment);
        assert_eq!(judgement.action, Action::OnFailure);
    }
}
