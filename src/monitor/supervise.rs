// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's life from its first run to its last.

use std::time::{Duration, Instant};

use super::checks::Checks;
use super::client::Client;
use super::event_loop::{Monitor, Phase, Present};
use super::log::Log;
use super::outcome::MemoryEvents;
use super::screen::Screen;
use super::streams::Streams;
use super::supervision::{Conduct, ContainerIo, ExitReport, Next, Run, StdinPolicy, Supervision};
use crate::sys::pidfd::Pidfd;
use crate::sys::poll::PollSet;
use crate::sys::signals::{self, SignalQueue};

/// Watches the container until it has ended for good and everything is recorded, cleaned up and
/// told; the value is the container's exit code, with which the caller should exit.
///
/// Signals of this process are its own business from here on: SIGTERM, SIGINT and SIGQUIT go to
/// the container (between two runs they end the wait for the next), SIGHUP and SIGPIPE mean
/// nothing.
pub fn run(supervision: Supervision, conduct: &mut dyn Conduct) -> i32 {
    let timeout = supervision.timeout;
    let mut monitor = Monitor::new(supervision);
    loop {
        let report = monitor.attend_run(timeout);
        let Next::Again { pause } = conduct.record_exit(&report) else {
            return monitor.end(conduct, report.code);
        };
        monitor.tell_of_run(report.code);
        conduct.run_ended(report.code);
        let pause = monitor.rest(pause);
        match conduct.start_again(pause) {
            Ok(run) => monitor.take_up(run),
            Err(code) => return monitor.end(conduct, code),
        }
    }
}

impl Monitor {
    fn new(supervision: Supervision) -> Self {
        let first = supervision.first_client;
        let first = first.map(|first| Client::first(first.socket, first.streams));
        Self {
            present: Present::new(supervision.run, supervision.stdin_policy),
            stdin_policy: supervision.stdin_policy,
            log: Log::open(supervision.log),
            scratch: supervision.scratch,
            listener: supervision.listener,
            clients: first.into_iter().collect(),
            signals: take_signals(),
            phase: Phase::Running,
            quiet_at: None,
            buffer: Vec::new(),
            set: PollSet::new(),
        }
    }

    /// Takes over another run of the container.
    fn take_up(&mut self, run: Run) {
        self.present = Present::new(run, self.stdin_policy);
        self.phase = Phase::Running;
    }

    /// Serves one run of the container to its end.
    fn attend_run(&mut self, timeout: Option<Duration>) -> ExitReport {
        let probe = self.present.probe.as_deref();
        self.present.checks = probe.and_then(Checks::start);
        self.present.deadline = timeout.map(|timeout| Instant::now() + timeout);
        self.serve();
        let report = self.take_exit();
        self.phase = Phase::Resting;
        self.present.checks = None;
        self.end_helpers();
        drop(self.present.lifeline.take());
        self.present.held.clear();
        report
    }

    fn end(&mut self, conduct: &mut dyn Conduct, code: i32) -> i32 {
        self.log.close();
        conduct.clean_up();
        self.tell_clients(code);
        code
    }
}

impl Present {
    fn new(run: Run, policy: StdinPolicy) -> Self {
        Self {
            screen: match &run.io {
                ContainerIo::Terminal { .. } => Some(Screen::new()),
                ContainerIo::Pipes { .. } | ContainerIo::Inherited => None,
            },
            container: Pidfd::from(run.container),
            streams: Streams::new(run.io, policy),
            lifeline: run.lifeline,
            helpers: run.helpers.into_iter().map(Pidfd::from).collect(),
            root_server: run.root_server.map(Pidfd::from),
            held: run.held,
            memory_events: run.memory_events.map(MemoryEvents::begin),
            probe: run.probe,
            checks: None,
            deadline: None,
            timed_out: false,
            stopped_by_user: false,
            monitor_asked: false,
        }
    }
}

/// What fails here fails for want of kernel memory; the container goes on without.
fn take_signals() -> Option<SignalQueue> {
    for signal in [libc::SIGHUP, libc::SIGPIPE, libc::SIGXFSZ] {
        signals::ignore(signal).ok();
    }
    signals::unblock_all().ok();
    SignalQueue::hold(&[libc::SIGTERM, libc::SIGINT, libc::SIGQUIT]).ok()
}
