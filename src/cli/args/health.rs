// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about a container's health checks.

use clap::Args;

use crate::engine::health::{HealthChange, StartupChange};
use crate::engine::quantity::parse_duration;
use crate::oci::Healthcheck;
use crate::state::health::{HealthRequest, Interval, OnFailure, StartupCheck};
use crate::state::record::ContainerRequest;

/// Flags about health checks.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
pub(crate) struct HealthArgs {
    /// Command that tells the health of the container ("none" disables the image's)
    #[arg(long, alias = "healthcheck-command", value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Time between two health checks; "disable" leaves them to `healthcheck run`
    #[arg(long, alias = "healthcheck-interval", value_name = "DURATION")]
    health_interval: Option<String>,
    /// Where results are kept: a directory, "local" or "events_logger"
    #[arg(long, value_name = "DIR")]
    health_log_destination: Option<String>,
    /// How many results are kept (0 is all)
    #[arg(long, value_name = "uint")]
    health_max_log_count: Option<u32>,
    /// How many bytes of an output are kept (0 is all)
    #[arg(long, value_name = "uint")]
    health_max_log_size: Option<u32>,
    /// What to do about an unhealthy container ("none"|"kill"|"restart"|"stop")
    #[arg(long, value_name = "ACTION")]
    health_on_failure: Option<String>,
    /// Failures in a row that make the container unhealthy
    #[arg(long, alias = "healthcheck-retries", value_name = "uint")]
    health_retries: Option<u32>,
    /// Time between two health checks during the start period
    #[arg(long, value_name = "DURATION")]
    health_start_interval: Option<String>,
    /// Time after the start in which failures do not count
    #[arg(long, alias = "healthcheck-start-period", value_name = "DURATION")]
    health_start_period: Option<String>,
    /// Command that tells whether the container has started; other checks wait for it
    #[arg(long, value_name = "COMMAND")]
    health_startup_cmd: Option<String>,
    /// Time between two checks of the start
    #[arg(long, value_name = "DURATION")]
    health_startup_interval: Option<String>,
    /// Failed checks of the start after which the container is started again (0 is never)
    #[arg(long, value_name = "uint")]
    health_startup_retries: Option<u32>,
    /// Successful checks in a row after which the container has started
    #[arg(long, value_name = "uint")]
    health_startup_success: Option<u32>,
    /// Time after which a check of the start has failed
    #[arg(long, value_name = "DURATION")]
    health_startup_timeout: Option<String>,
    /// Time after which a health check has failed and is killed
    #[arg(long, alias = "healthcheck-timeout", value_name = "DURATION")]
    health_timeout: Option<String>,
}

/// What `--no-healthcheck` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checks {
    Allowed,
    Disabled,
}

/// What is wrong with a flag about health checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HealthError {
    #[error("cannot specify both --no-healthcheck and --{flag}")]
    NoneAndSome { flag: &'static str },
    #[error("cannot specify both --no-healthcheck and other HealthCheck flags")]
    NoneAndOthers,
    #[error("must define a healthcheck command for all healthchecks")]
    NoCommand,
    #[error("invalid healthcheck-{flag}: time: invalid duration \"{text}\"")]
    Duration { flag: &'static str, text: String },
    #[error("healthcheck-retries must be greater than 0")]
    Retries,
    #[error("healthcheck-timeout must be at least 1 second")]
    Timeout,
    #[error("healthcheck-start-period must be 0 seconds or greater")]
    StartPeriod,
    #[error(
        "invalid on-failure action \"{action}\" for health check: supported actions are none,kill,restart,stop"
    )]
    Action { action: String },
    #[error("healthcheck log '{path}' destination error: {reason}")]
    Destination { path: String, reason: String },
}

impl HealthArgs {
    /// Writes what these flags ask for into `request`, which knows of `--no-healthcheck` already.
    pub(crate) fn fill(self, request: &mut ContainerRequest) -> Result<(), HealthError> {
        let commands = [
            ("health-cmd", &self.health_cmd),
            ("health-startup-cmd", &self.health_startup_cmd),
        ];
        for (flag, command) in commands {
            if request.no_healthcheck && command.is_some() {
                return Err(HealthError::NoneAndSome { flag });
            }
        }
        let health = self.request()?;
        request.health = (health != HealthRequest::default()).then_some(health);
        Ok(())
    }

    /// What these flags change about a container that is there.
    pub(crate) fn change(mut self, checks: Checks) -> Result<HealthChange, HealthError> {
        let startup = StartupChange {
            test: command(self.health_startup_cmd.take().as_deref())?,
            interval: duration("interval", self.health_startup_interval.take().as_deref())?,
            timeout: timeout(self.health_startup_timeout.take().as_deref())?,
            retries: self.health_startup_retries.take().map(i64::from),
            successes: self.health_startup_success.take(),
        };
        let check = self.request()?;
        let nothing = check == HealthRequest::default() && startup == StartupChange::default();
        match (checks, nothing) {
            (Checks::Allowed, true) => Ok(HealthChange::Keep),
            (Checks::Allowed, false) => Ok(HealthChange::of(check, startup)),
            (Checks::Disabled, true) => Ok(HealthChange::Disable),
            (Checks::Disabled, false) => Err(HealthError::NoneAndOthers),
        }
    }

    fn request(self) -> Result<HealthRequest, HealthError> {
        if self.health_retries == Some(0) {
            return Err(HealthError::Retries);
        }
        let interval = match self.health_interval.as_deref() {
            Some("disable") => Some(Interval::Disabled),
            text => match duration("interval", text)? {
                // As podman, to which they are the same.
                Some(0) => Some(Interval::Disabled),
                every => every.map(Interval::Every),
            },
        };
        let start_period = duration("start-period", self.health_start_period.as_deref())?;
        if start_period.is_some_and(|period| period < 0) {
            return Err(HealthError::StartPeriod);
        }
        let startup = match command(self.health_startup_cmd.as_deref())? {
            Some(test) => Some(StartupCheck {
                check: Healthcheck {
                    test,
                    interval: duration("interval", self.health_startup_interval.as_deref())?
                        .unwrap_or(THIRTY_SECONDS),
                    timeout: timeout(self.health_startup_timeout.as_deref())?
                        .unwrap_or(THIRTY_SECONDS),
                    retries: self.health_startup_retries.map_or(0, i64::from),
                    ..Healthcheck::default()
                },
                successes: self.health_startup_success.unwrap_or(0),
            }),
            None => None,
        };
        Ok(HealthRequest {
            test: command(self.health_cmd.as_deref())?,
            interval,
            timeout: timeout(self.health_timeout.as_deref())?,
            start_period,
            start_interval: duration("start-interval", self.health_start_interval.as_deref())?,
            retries: self.health_retries.map(i64::from),
            startup,
            on_failure: action(self.health_on_failure.as_deref())?,
            log_destination: self.health_log_destination.map(destination).transpose()?,
            max_log_count: self.health_max_log_count,
            max_log_size: self.health_max_log_size,
        })
    }
}

const THIRTY_SECONDS: i64 = 30_000_000_000;

fn duration(flag: &'static str, text: Option<&str>) -> Result<Option<i64>, HealthError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let parsed = parse_duration(text).map(Some);
    parsed.ok_or_else(|| HealthError::Duration {
        flag,
        text: text.to_owned(),
    })
}

fn timeout(text: Option<&str>) -> Result<Option<i64>, HealthError> {
    let timeout = duration("timeout", text)?;
    if timeout.is_some_and(|timeout| timeout < 1) {
        return Err(HealthError::Timeout);
    }
    Ok(timeout)
}

fn action(word: Option<&str>) -> Result<Option<OnFailure>, HealthError> {
    Ok(match word {
        None => None,
        Some("" | "none") => Some(OnFailure::None),
        Some("kill") => Some(OnFailure::Kill),
        Some("restart") => Some(OnFailure::Restart),
        Some("stop") => Some(OnFailure::Stop),
        Some(action) => {
            let action = action.to_owned();
            return Err(HealthError::Action { action });
        }
    })
}

fn destination(path: String) -> Result<String, HealthError> {
    if ["", "local", "events_logger"].contains(&path.as_str()) {
        return Ok(if path.is_empty() {
            "local".to_owned()
        } else {
            path
        });
    }
    let refuse = |reason: String| HealthError::Destination {
        path: path.clone(),
        reason,
    };
    let absolute = std::path::absolute(&path).map_err(|error| refuse(error.to_string()))?;
    let metadata = std::fs::metadata(&absolute).map_err(|error| refuse(error.to_string()))?;
    if !metadata.is_dir() {
        return Err(refuse("it is no directory".to_owned()));
    }
    Ok(absolute.to_string_lossy().into_owned())
}

/// An empty one is none.
fn command(text: Option<&str>) -> Result<Option<Vec<String>>, HealthError> {
    let text = text.filter(|text| !text.is_empty());
    text.map(words).transpose()
}

/// A line for a shell, a list of words as JSON, or an image's `CMD …`, `CMD-SHELL …` and `NONE`.
fn words(text: &str) -> Result<Vec<String>, HealthError> {
    let list = serde_json::from_str::<Vec<String>>(text).ok();
    let is_list = list.is_some();
    let parts = list.unwrap_or_else(|| text.splitn(2, ' ').map(str::to_owned).collect());
    let first = parts
        .first()
        .ok_or(HealthError::NoCommand)?
        .to_ascii_uppercase();
    let one = |word: &str| word.to_owned();
    Ok(match first.as_str() {
        "NONE" => vec![one("NONE")],
        "CMD" if !is_list => text.split_whitespace().map(str::to_owned).collect(),
        "CMD" | "CMD-SHELL" => parts,
        _ if is_list && parts.len() > 1 => [vec![one("CMD")], parts].concat(),
        _ => vec![one("CMD-SHELL"), parts.join(" ")],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_become_an_images_words() {
        let cases: [(&str, &[&str]); 9] = [
            (
                "curl -f http://localhost",
                &["CMD-SHELL", "curl -f http://localhost"],
            ),
            ("true", &["CMD-SHELL", "true"]),
            ("[\"ls\", \"-l a\"]", &["CMD", "ls", "-l a"]),
            ("[\"ls\"]", &["CMD-SHELL", "ls"]),
            ("CMD ls  -l", &["CMD", "ls", "-l"]),
            ("[\"CMD\", \"ls -l\"]", &["CMD", "ls -l"]),
            ("CMD-SHELL ls -l", &["CMD-SHELL", "ls -l"]),
            ("none", &["NONE"]),
            ("[\"CMD-SHELL\", \"a\"]", &["CMD-SHELL", "a"]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        assert_eq!(words("[]"), Err(HealthError::NoCommand));
    }

    #[test]
    fn flags_become_a_request() {
        let mut request = ContainerRequest::default();
        HealthArgs::default().fill(&mut request).unwrap();
        assert_eq!(request.health, None);
        let args = HealthArgs {
            health_cmd: Some("true".into()),
            health_interval: Some("disable".into()),
            health_timeout: Some("1m".into()),
            health_on_failure: Some("stop".into()),
            ..HealthArgs::default()
        };
        args.fill(&mut request).unwrap();
        let health = request.health.unwrap();
        assert_eq!(health.interval, Some(Interval::Disabled));
        assert_eq!(health.timeout, Some(60_000_000_000));
        assert_eq!(health.on_failure, Some(OnFailure::Stop));
    }

    #[test]
    fn wrong_values_are_refused_in_podmans_words() {
        let refuse = |args: HealthArgs| args.request().unwrap_err().to_string();
        let with = |change: fn(&mut HealthArgs)| {
            let mut args = HealthArgs::default();
            change(&mut args);
            refuse(args)
        };
        let cases = [
            (
                with(|args| args.health_interval = Some("soon".into())),
                "invalid healthcheck-interval: time: invalid duration \"soon\"",
            ),
            (
                with(|args| args.health_retries = Some(0)),
                "healthcheck-retries must be greater than 0",
            ),
            (
                with(|args| args.health_timeout = Some("0s".into())),
                "healthcheck-timeout must be at least 1 second",
            ),
            (
                with(|args| args.health_start_period = Some("-1s".into())),
                "healthcheck-start-period must be 0 seconds or greater",
            ),
            (
                with(|args| args.health_on_failure = Some("cry".into())),
                "invalid on-failure action \"cry\" for health check: supported actions are none,kill,restart,stop",
            ),
        ];
        for (message, expected) in cases {
            assert_eq!(message, expected);
        }
        let mut request = ContainerRequest {
            no_healthcheck: true,
            ..ContainerRequest::default()
        };
        let args = HealthArgs {
            health_cmd: Some("true".into()),
            ..HealthArgs::default()
        };
        assert_eq!(
            args.fill(&mut request).unwrap_err().to_string(),
            "cannot specify both --no-healthcheck and --health-cmd"
        );
    }
}
