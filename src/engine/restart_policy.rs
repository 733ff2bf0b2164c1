// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--restart`: whether a container that has ended comes back, and after which pause.

use std::time::Duration;

/// Whether a container comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    /// It does not.
    No,
    /// After a failure, so many times at most.
    OnFailure {
        /// `None` is without end.
        retries: Option<u32>,
    },
    /// After every end that its user has not asked for, and when the machine starts.
    Always,
    /// The same; but when the machine starts, not one that its user has stopped.
    UnlessStopped,
}

impl RestartPolicy {
    /// Reads a policy of a record, where anything else was refused.
    pub(super) fn of(typed: Option<&str>) -> Self {
        let typed = typed.unwrap_or_default().to_ascii_lowercase();
        let (name, count) = typed.split_once(':').unwrap_or((&typed, "0"));
        match name {
            "always" => Self::Always,
            "unless-stopped" => Self::UnlessStopped,
            "on-failure" => Self::OnFailure {
                retries: count.parse().ok().filter(|count| *count > 0),
            },
            _ => Self::No,
        }
    }

    /// Whether a container that has ended by itself with `code` comes back, after `count` times.
    pub(super) fn brings_back(self, code: i32, count: u32) -> bool {
        match self {
            Self::No => false,
            Self::OnFailure { retries } => {
                code != 0 && retries.is_none_or(|retries| count < retries)
            }
            Self::Always | Self::UnlessStopped => true,
        }
    }

    /// Whether it is started with the machine.
    pub(super) fn starts_on_boot(self, stopped_by_user: bool) -> bool {
        match self {
            Self::No | Self::OnFailure { .. } => false,
            Self::Always => true,
            Self::UnlessStopped => !stopped_by_user,
        }
    }
}

/// The pauses between the runs of one container: none before the first, then longer each time that
/// it ends soon, as Docker has them.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    quick_ends: u32,
}

/// The first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// Who runs that long has not ended soon.
const LONG_RUN: Duration = Duration::from_secs(10);

impl BackOff {
    /// The pause after a run of that length.
    pub(super) fn after(&mut self, run: Duration) -> Duration {
        if run >= LONG_RUN {
            self.quick_ends = 0;
        }
        self.quick_ends += 1;
        match self.quick_ends {
            1 => Duration::ZERO,
            ends => {
                let doubled = 1 << (ends - 2).min(16);
                (PAUSE * doubled).min(PAUSE_MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_bring_back_by_code_and_count() {
        let cases = [
            (None, 1, 0, false),
            (Some("no"), 1, 0, false),
            (Some("never"), 1, 0, false),
            (Some("always"), 0, 99, true),
            (Some("unless-stopped"), 0, 99, true),
            (Some("on-failure"), 0, 0, false),
            (Some("on-failure"), 1, 99, true),
            (Some("on-failure:0"), 1, 99, true),
            (Some("on-failure:2"), 137, 1, true),
            (Some("on-failure:2"), 137, 2, false),
            (Some("On-Failure:2"), 0, 0, false),
        ];
        for (typed, code, count, expected) in cases {
            let policy = RestartPolicy::of(typed);
            assert_eq!(policy.brings_back(code, count), expected, "{typed:?}");
        }
        assert!(RestartPolicy::Always.starts_on_boot(true));
        assert!(RestartPolicy::UnlessStopped.starts_on_boot(false));
        assert!(!RestartPolicy::UnlessStopped.starts_on_boot(true));
        assert!(!RestartPolicy::OnFailure { retries: None }.starts_on_boot(false));
    }

    #[test]
    fn pauses_grow_to_a_minute_and_start_anew_after_a_long_run() {
        let mut back_off = BackOff::default();
        let quick = Duration::from_secs(1);
        let pauses: Vec<_> = (0..5).map(|_| back_off.after(quick).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800]);
        let last = (0..40).map(|_| back_off.after(quick)).last();
        assert_eq!(last, Some(PAUSE_MAX));
        assert_eq!(back_off.after(LONG_RUN), Duration::ZERO);
        assert_eq!(back_off.after(quick), PAUSE);
    }
}
