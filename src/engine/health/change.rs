// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `update` changes about the health checks of a container: pure, on its record.

use crate::oci::Healthcheck;
use crate::state::health::{HealthRequest, HealthSettings, Interval, StartupCheck};
use crate::state::record::ContainerRecord;

/// What becomes different about the checks of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HealthChange {
    /// Nothing.
    #[default]
    Keep,
    /// There are none any more.
    Disable,
    /// What is named; the rest stays as it is.
    Change(Box<CheckChange>),
}

/// What is named of the checks of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckChange {
    /// About the check; its `startup` is not looked at.
    check: HealthRequest,
    /// About the check of the start.
    startup: StartupChange,
}

/// What becomes different about the check of the start; durations are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartupChange {
    /// Its command.
    pub test: Option<Vec<String>>,
    /// The time between two of them.
    pub interval: Option<i64>,
    /// The time after which one has failed.
    pub timeout: Option<i64>,
    /// So many failures start the container again.
    pub retries: Option<i64>,
    /// So many successes in a row end it.
    pub successes: Option<u32>,
}

/// Why the checks stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Times of a check that is not there.
    #[error("healthcheck command is not set")]
    NoCommand,
    /// The same of the check of the start.
    #[error("startup healthcheck command is not set")]
    NoStartupCommand,
}

impl HealthChange {
    /// The change of what is named; the `startup` of `check` is not looked at.
    pub fn of(check: HealthRequest, startup: StartupChange) -> Self {
        Self::Change(Box::new(CheckChange { check, startup }))
    }

    /// Writes it into the record.
    pub(in crate::engine) fn apply(&self, record: &mut ContainerRecord) -> Result<(), ChangeError> {
        let CheckChange { check, startup } = match self {
            Self::Keep => return Ok(()),
            Self::Change(change) if !is_none(change.check.test.as_deref()) => &**change,
            Self::Disable | Self::Change(_) => {
                record.request.health = None;
                record.request.no_healthcheck = true;
                record.resolved.health = None;
                return Ok(());
            }
        };
        let had = record.resolved.health.take();
        let changed = changed(had.as_ref(), check, startup);
        record.resolved.health = changed.clone().unwrap_or(had);
        let Some(settings) = changed? else {
            // Where results are kept may be said before there are any.
            return Ok(());
        };
        let request = record.request.health.get_or_insert_default();
        request.take_up(check);
        request.startup.clone_from(&settings.startup);
        record.request.no_healthcheck = false;
        Ok(())
    }
}

fn is_none(test: Option<&[String]>) -> bool {
    test.is_some_and(|test| test.first().is_some_and(|word| word == "NONE"))
}

/// The settings after the change.
fn changed(
    had: Option<&HealthSettings>,
    check: &HealthRequest,
    startup: &StartupChange,
) -> Result<Option<HealthSettings>, ChangeError> {
    let mut settings = match had {
        Some(had) => had.clone(),
        None if check.test.is_some() => HealthSettings::resolve(check, None).unwrap_or_default(),
        None if check.has_times() => return Err(ChangeError::NoCommand),
        None if *startup != StartupChange::default() => return Err(ChangeError::NoStartupCommand),
        None => return Ok(None),
    };
    settings.take_up(check);
    settings.startup = startup.applied(settings.startup.take())?;
    Ok(Some(settings))
}

const THIRTY_SECONDS: i64 = 30_000_000_000;

impl StartupChange {
    fn applied(&self, had: Option<StartupCheck>) -> Result<Option<StartupCheck>, ChangeError> {
        if *self == Self::default() {
            return Ok(had);
        }
        let mut startup = match (had, &self.test) {
            (Some(had), _) => had,
            (None, None) => return Err(ChangeError::NoStartupCommand),
            (None, Some(_)) => StartupCheck {
                check: Healthcheck {
                    interval: THIRTY_SECONDS,
                    timeout: THIRTY_SECONDS,
                    ..Healthcheck::default()
                },
                successes: 0,
            },
        };
        let check = &mut startup.check;
        check.test = self.test.clone().unwrap_or_else(|| check.test.clone());
        check.interval = self.interval.unwrap_or(check.interval);
        check.timeout = self.timeout.unwrap_or(check.timeout);
        check.retries = self.retries.unwrap_or(check.retries);
        startup.successes = self.successes.unwrap_or(startup.successes);
        Ok(Some(startup))
    }
}

impl HealthRequest {
    /// Whether it is about how a check is made.
    fn has_times(&self) -> bool {
        self.interval.is_some()
            || self.timeout.is_some()
            || self.start_period.is_some()
            || self.start_interval.is_some()
            || self.retries.is_some()
    }

    fn take_up(&mut self, change: &Self) {
        fn set<T: Clone>(field: &mut Option<T>, change: Option<&T>) {
            if let Some(change) = change {
                *field = Some(change.clone());
            }
        }
        set(&mut self.test, change.test.as_ref());
        set(&mut self.interval, change.interval.as_ref());
        set(&mut self.timeout, change.timeout.as_ref());
        set(&mut self.start_period, change.start_period.as_ref());
        set(&mut self.start_interval, change.start_interval.as_ref());
        set(&mut self.retries, change.retries.as_ref());
        set(&mut self.on_failure, change.on_failure.as_ref());
        set(&mut self.log_destination, change.log_destination.as_ref());
        set(&mut self.max_log_count, change.max_log_count.as_ref());
        set(&mut self.max_log_size, change.max_log_size.as_ref());
    }
}

impl HealthSettings {
    fn take_up(&mut self, change: &HealthRequest) {
        fn set<T: Clone>(field: &mut T, change: Option<&T>) {
            if let Some(change) = change {
                field.clone_from(change);
            }
        }
        let interval = change.interval.map(|interval| match interval {
            Interval::Disabled => 0,
            Interval::Every(interval) => interval,
        });
        set(&mut self.check.test, change.test.as_ref());
        set(&mut self.check.interval, interval.as_ref());
        set(&mut self.check.timeout, change.timeout.as_ref());
        set(&mut self.check.start_period, change.start_period.as_ref());
        set(
            &mut self.check.start_interval,
            change.start_interval.as_ref(),
        );
        set(&mut self.check.retries, change.retries.as_ref());
        set(&mut self.on_failure, change.on_failure.as_ref());
        set(&mut self.log_destination, change.log_destination.as_ref());
        set(&mut self.max_log_count, change.max_log_count.as_ref());
        set(&mut self.max_log_size, change.max_log_size.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::id::ContainerId;
    use crate::state::record::{ContainerRequest, Resolved};

    fn record(health: Option<HealthSettings>) -> ContainerRecord {
        ContainerRecord {
            id: ContainerId::from_random(&[1; 32]),
            name: "web".to_owned(),
            created: jiff::Timestamp::UNIX_EPOCH,
            request: ContainerRequest::default(),
            resolved: Resolved {
                health,
                ..Resolved::default()
            },
        }
    }

    fn shell(line: &str) -> Vec<String> {
        vec!["CMD-SHELL".to_owned(), line.to_owned()]
    }

    #[test]
    fn what_is_named_changes_and_the_rest_stays() {
        let command = HealthRequest {
            test: Some(shell("true")),
            interval: Some(Interval::Disabled),
            ..HealthRequest::default()
        };
        let mut record = record(None);
        HealthChange::of(command, StartupChange::default())
            .apply(&mut record)
            .unwrap();
        let retries = HealthRequest {
            retries: Some(7),
            ..HealthRequest::default()
        };
        let startup = StartupChange {
            test: Some(shell("ls")),
            successes: Some(2),
            ..StartupChange::default()
        };
        HealthChange::of(retries, startup)
            .apply(&mut record)
            .unwrap();
        let health = record.resolved.health.as_ref().unwrap();
        assert_eq!(health.check.test, shell("true"));
        assert_eq!((health.check.interval, health.check.retries), (0, 7));
        assert_eq!(health.check.timeout, THIRTY_SECONDS);
        let startup = health.startup.as_ref().unwrap();
        assert_eq!(startup.check.test, shell("ls"));
        assert_eq!(
            (startup.check.interval, startup.successes),
            (THIRTY_SECONDS, 2)
        );
        HealthChange::Disable.apply(&mut record).unwrap();
        assert_eq!(record.resolved.health, None);
        assert!(record.request.no_healthcheck);
    }

    #[test]
    fn times_of_no_check_are_refused() {
        let times = HealthRequest {
            timeout: Some(1),
            ..HealthRequest::default()
        };
        let startup = StartupChange {
            interval: Some(1),
            ..StartupChange::default()
        };
        let mut none = record(None);
        assert_eq!(
            HealthChange::of(times, StartupChange::default()).apply(&mut none),
            Err(ChangeError::NoCommand)
        );
        let startup = HealthChange::of(HealthRequest::default(), startup);
        assert_eq!(startup.apply(&mut none), Err(ChangeError::NoStartupCommand));
        let settings = HealthSettings {
            max_log_count: 9,
            ..HealthSettings::default()
        };
        let mut some = record(Some(settings.clone()));
        assert_eq!(startup.apply(&mut some), Err(ChangeError::NoStartupCommand));
        assert_eq!(some.resolved.health, Some(settings));
    }
}
