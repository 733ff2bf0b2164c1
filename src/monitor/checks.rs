// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Health checks by the clock: one timer, and one process at a time that makes the check. The
//! timer counts the time that the machine sleeps, too.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::outcome::reap;
use crate::sys::pidfd::Pidfd;

/// Makes the checks of a container.
pub trait Probe: fmt::Debug {
    /// The pause before the first check of a run; `None` where nobody checks by the clock.
    fn first(&self) -> Option<Duration>;

    /// Learns how the health is told from now on.
    fn reload(&mut self);

    /// Begins a check; the value is a descriptor of the child that makes it.
    fn begin(&mut self) -> Option<OwnedFd>;

    /// The pause before the next check, after one whose process has ended with `code`.
    fn next(&self, code: i32) -> Duration;
}

/// The checks of a run.
#[derive(Debug)]
pub(super) struct Checks {
    timer: TimerFd,
    making: Option<Pidfd>,
}

impl Checks {
    /// Waits for the first check; `None` where there is none, or no timer to be had.
    pub(super) fn start(probe: &dyn Probe) -> Option<Self> {
        let first = probe.first()?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags).ok()?;
        let checks = Self {
            timer,
            making: None,
        };
        checks.set(first);
        Some(checks)
    }

    fn set(&self, pause: Duration) {
        // Zero would never come.
        let pause = pause.max(Duration::from_nanos(1));
        let once = Expiration::OneShot(TimeSpec::from_duration(pause));
        // It fails for times that no clock has.
        self.timer.set(once, TimerSetTimeFlags::empty()).ok();
    }

    /// What is ready when there is something to do.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.making {
            Some(making) => making.as_fd(),
            None => self.timer.as_fd(),
        }
    }

    /// Does it: begins a check, or learns how one has ended.
    pub(super) fn attend(&mut self, probe: &mut dyn Probe) {
        if let Some(making) = self.making.take() {
            let (code, _) = reap(&making).unwrap_or((1, None));
            self.set(probe.next(code));
            return;
        }
        self.timer.unset().ok();
        self.making = probe.begin().map(Pidfd::from);
        if self.making.is_none() {
            self.set(probe.next(1));
        }
    }
}

/// No check outlives the run that it belongs to.
impl Drop for Checks {
    fn drop(&mut self) {
        if let Some(making) = self.making.take() {
            making.send_signal(libc::SIGKILL).ok();
            making.wait(None).ok();
            reap(&making);
        }
    }
}
