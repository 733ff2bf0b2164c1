// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The checks that a monitor makes: each in a child of its own, so that the monitor stays small.

use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;

use crate::engine::{Dialect, Engine};
use crate::monitor::Probe;
use crate::oci::Healthcheck;
use crate::state::dirs::Dirs;
use crate::state::health::HealthSettings;
use crate::state::id::ContainerId;
use crate::state::record::ContainerRecord;
use crate::sys::Ignored;
use crate::sys::process::{
    CloneRequest, Forked, clone3, close_all_but, exit_now, restore_signal_defaults,
};
use crate::sys::signals::unblock_all;

/// What the next check waits for, as the child's exit code tells it.
const USUAL: i32 = 0;
const STARTING: i32 = 10;
const STARTUP: i32 = 11;

/// Checks one container.
#[derive(Debug)]
pub(in crate::engine) struct ClockProbe {
    engine: Engine,
    id: ContainerId,
    settings: Option<HealthSettings>,
}

impl ClockProbe {
    /// Of a container, which may be given a check while it runs.
    pub(in crate::engine) fn of(record: &ContainerRecord, dirs: &Dirs, dialect: Dialect) -> Self {
        Self {
            engine: Engine {
                dirs: dirs.clone(),
                dialect,
                runtime_flags: Vec::new(),
                external: None,
            },
            id: record.id.clone(),
            settings: record.resolved.health.clone(),
        }
    }

    pub(in crate::engine) fn has_check(&self) -> bool {
        self.settings.is_some()
    }

    fn check(&self) -> i32 {
        // Nobody can be told; who looks sees that nothing was found.
        drop(self.engine.check_health(&self.id));
        let Ok(store) = self.engine.store() else {
            return USUAL;
        };
        let health = store.read_health(&self.id);
        if self.startup().is_some() && !health.startup_passed {
            STARTUP
        } else if health.status == "starting" {
            STARTING
        } else {
            USUAL
        }
    }

    fn startup(&self) -> Option<&Healthcheck> {
        let startup = self.settings.as_ref()?.startup.as_ref();
        startup.map(|startup| &startup.check)
    }
}

impl Probe for ClockProbe {
    /// Podman checks at once, docker after the first interval.
    fn first(&self) -> Option<Duration> {
        let check = &self.settings.as_ref()?.check;
        let check = self.startup().unwrap_or(check);
        let code = if self.startup().is_some() {
            STARTUP
        } else {
            STARTING
        };
        match self.engine.dialect {
            _ if check.interval <= 0 => None,
            Dialect::Podman => Some(Duration::ZERO),
            Dialect::Docker => Some(self.next(code)),
        }
    }

    fn reload(&mut self) {
        let read = self.engine.store().map(|store| store.load(&self.id));
        if let Ok(Ok(record)) = read {
            self.settings = record.resolved.health;
        }
    }

    fn begin(&mut self) -> Option<OwnedFd> {
        match clone3(&CloneRequest::default()).ok()? {
            Forked::Parent { pidfd, .. } => Some(pidfd),
            Forked::Child => {
                prctl::set_pdeathsig(Signal::SIGKILL).ignored();
                prctl::set_name(c"coracle-health").ignored();
                restore_signal_defaults();
                unblock_all().ignored();
                close_all_but(&[0, 1, 2]).ignored();
                exit_now(self.check())
            }
        }
    }

    fn next(&self, code: i32) -> Duration {
        let Some(HealthSettings { check, .. }) = &self.settings else {
            return Duration::MAX;
        };
        let nanoseconds = match (code, self.startup()) {
            (STARTUP, Some(startup)) => startup.interval,
            (STARTING, _) if check.start_interval > 0 && check.start_period > 0 => {
                check.start_interval
            }
            _ => check.interval,
        };
        match u64::try_from(nanoseconds) {
            // Nobody asks for more.
            Ok(0) | Err(_) => Duration::MAX,
            Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
        }
    }
}
