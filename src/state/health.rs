// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Health checks: what was asked for, and what that resolved to.

use serde::{Deserialize, Serialize};

use crate::oci::Healthcheck;

/// `--health-*`; durations are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthRequest {
    /// `--health-cmd`, in the words of an image; `NONE` is none.
    pub test: Option<Vec<String>>,
    /// `--health-interval`.
    pub interval: Option<Interval>,
    /// `--health-timeout`.
    pub timeout: Option<i64>,
    /// `--health-start-period`.
    pub start_period: Option<i64>,
    /// `--health-start-interval`.
    pub start_interval: Option<i64>,
    /// `--health-retries`.
    pub retries: Option<i64>,
    /// `--health-startup-*`.
    pub startup: Option<StartupCheck>,
    /// `--health-on-failure`.
    pub on_failure: Option<OnFailure>,
    /// `--health-log-destination`.
    pub log_destination: Option<String>,
    /// `--health-max-log-count`.
    pub max_log_count: Option<u32>,
    /// `--health-max-log-size`.
    pub max_log_size: Option<u32>,
}

/// The time between two checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// Nobody checks by the clock.
    Disabled,
    /// So many nanoseconds.
    Every(i64),
}

/// What is done about a container that has become unhealthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Nothing.
    #[default]
    None,
    /// It is killed.
    Kill,
    /// It is stopped and started again.
    Restart,
    /// It is stopped.
    Stop,
}

impl OnFailure {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

/// The check that is made until a container has started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartupCheck {
    /// Its command and its times; with `retries`, so many failures start the container again.
    pub check: Healthcheck,
    /// So many successes in a row end it; 0 is one.
    pub successes: u32,
}

/// How the health of a container is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthSettings {
    /// The check. An interval of 0 is none: nobody checks by the clock.
    pub check: Healthcheck,
    /// The check before that one.
    pub startup: Option<StartupCheck>,
    /// What is done about a failure.
    pub on_failure: OnFailure,
    /// `local`, `events_logger`, or a directory.
    pub log_destination: String,
    /// So many results are kept; 0 is all.
    pub max_log_count: u32,
    /// So many bytes of an output are kept; 0 is all.
    pub max_log_size: u32,
}

const SECOND: i64 = 1_000_000_000;

impl HealthSettings {
    /// What `asked` makes of the check of an image; `None` where there is none.
    pub fn resolve(asked: &HealthRequest, image: Option<&Healthcheck>) -> Option<Self> {
        let mut check = match &asked.test {
            Some(test) => Healthcheck {
                test: test.clone(),
                ..Healthcheck::default()
            },
            None => image?.clone(),
        };
        if matches!(
            check.test.first().map(String::as_str),
            None | Some("" | "NONE")
        ) {
            return None;
        }
        let or = |asked: Option<i64>, own: i64, default: i64| match (asked, own) {
            (Some(asked), _) => asked,
            (None, 0) => default,
            (None, own) => own,
        };
        check.interval = match asked.interval {
            Some(Interval::Disabled) => 0,
            Some(Interval::Every(interval)) => interval,
            None => or(None, check.interval, 30 * SECOND),
        };
        check.timeout = or(asked.timeout, check.timeout, 30 * SECOND);
        check.start_period = or(asked.start_period, check.start_period, 0);
        check.start_interval = or(asked.start_interval, check.start_interval, 0);
        check.retries = or(asked.retries, check.retries, 3);
        Some(Self {
            check,
            startup: asked.startup.clone(),
            on_failure: asked.on_failure.unwrap_or_default(),
            log_destination: asked
                .log_destination
                .clone()
                .unwrap_or_else(|| "local".to_owned()),
            max_log_count: asked.max_log_count.unwrap_or(5),
            max_log_size: asked.max_log_size.unwrap_or(500),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(test: &[&str], interval: i64, retries: i64) -> Healthcheck {
        Healthcheck {
            test: test.iter().map(|word| (*word).to_owned()).collect(),
            interval,
            retries,
            ..Healthcheck::default()
        }
    }

    #[test]
    fn flags_go_before_the_image_and_both_before_defaults() {
        let asked = HealthRequest {
            timeout: Some(SECOND),
            ..HealthRequest::default()
        };
        let of_image = image(&["CMD", "true"], 5 * SECOND, 0);
        let resolved = HealthSettings::resolve(&asked, Some(&of_image)).unwrap();
        let check = &resolved.check;
        assert_eq!(check.test, ["CMD", "true"]);
        assert_eq!((check.interval, check.timeout), (5 * SECOND, SECOND));
        assert_eq!((check.retries, check.start_period), (3, 0));
        assert_eq!((resolved.max_log_count, resolved.max_log_size), (5, 500));

        let asked = HealthRequest {
            test: Some(vec!["CMD-SHELL".to_owned(), "ls".to_owned()]),
            interval: Some(Interval::Disabled),
            ..HealthRequest::default()
        };
        let resolved = HealthSettings::resolve(&asked, Some(&of_image)).unwrap();
        assert_eq!(resolved.check.test, ["CMD-SHELL", "ls"]);
        assert_eq!(resolved.check.interval, 0);
        assert_eq!(resolved.check.timeout, 30 * SECOND);
    }

    #[test]
    fn no_check_is_none() {
        let asked = HealthRequest::default();
        assert_eq!(HealthSettings::resolve(&asked, None), None);
        for test in [&[][..], &["NONE"], &[""]] {
            let check = image(test, 0, 0);
            assert_eq!(HealthSettings::resolve(&asked, Some(&check)), None);
        }
    }
}
