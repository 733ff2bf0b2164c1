// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of the documents about a container's health: how it is told, and what was found.

use jiff::Timestamp;
use serde::Serialize;

use super::Subject;
use crate::engine::image::{HealthcheckDocument, Nanoseconds, healthcheck_document};
use crate::oci::Healthcheck;
use crate::state::health_log::{Health, HealthResult};

/// What the checks have found.
#[derive(Debug, Serialize)]
#[serde(rename = "define.HealthCheckResults", rename_all = "PascalCase")]
pub(super) struct HealthDocument {
    status: String,
    failing_streak: u32,
    log: Vec<LoggedResult>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.HealthCheckLog", rename_all = "PascalCase")]
struct LoggedResult {
    start: String,
    end: String,
    exit_code: i32,
    output: String,
}

/// The check of the start.
#[derive(Debug, Serialize)]
#[serde(rename = "define.StartupHealthCheck", rename_all = "PascalCase")]
pub(super) struct StartupDocument {
    #[serde(rename = "Test,,omitempty")]
    test: Vec<String>,
    #[serde(rename = "Interval,,omitempty")]
    interval: Nanoseconds,
    #[serde(rename = "Timeout,,omitempty")]
    timeout: Nanoseconds,
    #[serde(rename = "Retries,,omitempty")]
    retries: i64,
    #[serde(rename = "Successes,,omitempty")]
    successes: u32,
}

/// What the checks of the container have found; `None` where it has no check.
pub(super) fn found(subject: &Subject<'_>) -> Option<HealthDocument> {
    let health: &Health = subject.health.as_ref()?;
    Some(HealthDocument {
        status: health.status.clone(),
        failing_streak: health.failing_streak,
        log: health.log.iter().map(logged).collect(),
    })
}

fn logged(result: &HealthResult) -> LoggedResult {
    let text = |time: Timestamp| time.to_string();
    LoggedResult {
        start: text(result.start),
        end: text(result.end),
        exit_code: result.exit_code,
        output: result.output.clone(),
    }
}

/// The check, as an image's document has it.
pub(super) fn check(subject: &Subject<'_>) -> Option<HealthcheckDocument> {
    if subject.record.request.no_healthcheck {
        let none = Healthcheck {
            test: vec!["NONE".to_owned()],
            ..Healthcheck::default()
        };
        return Some(healthcheck_document(&none));
    }
    let settings = subject.record.resolved.health.as_ref()?;
    Some(healthcheck_document(&settings.check))
}

/// The check of the start.
pub(super) fn startup(subject: &Subject<'_>) -> Option<StartupDocument> {
    let settings = subject.record.resolved.health.as_ref()?;
    let startup = settings.startup.as_ref()?;
    Some(StartupDocument {
        test: startup.check.test.clone(),
        interval: Nanoseconds(startup.check.interval),
        timeout: Nanoseconds(startup.check.timeout),
        retries: startup.check.retries,
        successes: startup.successes,
    })
}
