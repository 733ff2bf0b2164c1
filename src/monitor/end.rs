// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a container: the last output, the record, the clean-up, and only then the news.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::client::{Client, Role};
use super::event_loop::{Event, Monitor};
use super::outcome::{MemoryEvents, reap};
use super::protocol::{OutputStream, Reply};
use super::streams::Output;
use super::supervision::{ExitReport, Pause};
use crate::sys::pidfd::WaitOutcome;
use crate::sys::poll::Interest;
use crate::sys::signals::SignalQueue;

/// The exit code of a container that `--timeout` ended, as Podman has it.
const TIMED_OUT_CODE: i32 = 255;

/// The most that is read of a stream that others keep writing to after the container's end: more
/// than any pipe holds.
const LAST_OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long helpers have to end in order.
const HELPER_GRACE: Duration = Duration::from_secs(2);

impl Monitor {
    /// Reaps the container's first process and reads what it has written.
    pub(super) fn take_exit(&mut self) -> ExitReport {
        let (code, signal) = reap(&self.present.container).unwrap_or((TIMED_OUT_CODE, None));
        let finished_at = Timestamp::now();
        self.present.streams.close_input();
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            self.read_last_output(stream);
        }
        self.log.finish();
        let timed_out = self.present.timed_out && signal == Some(libc::SIGKILL);
        ExitReport {
            code: if timed_out { TIMED_OUT_CODE } else { code },
            signal,
            oom_killed: self
                .present
                .memory_events
                .as_ref()
                .is_some_and(MemoryEvents::has_oom_kill),
            stopped_by_user: self.present.stopped_by_user,
            monitor_asked: self.present.monitor_asked,
            timed_out,
            finished_at,
        }
    }

    /// Reads until nothing is left. Whoever still has the stream open (a process that shares the
    /// host's pid namespace) is not waited for: all that the container wrote is there already.
    fn read_last_output(&mut self, stream: OutputStream) {
        let mut total = 0;
        while total < LAST_OUTPUT_BYTES_MAX {
            match self.pass_output_on(stream) {
                Output::Bytes(length) => total += length,
                Output::Nothing | Output::End => return,
            }
        }
    }

    /// Ends the helpers: asked first, killed when they do not listen.
    pub(super) fn end_helpers(&mut self) {
        self.present.helpers.extend(self.present.root_server.take());
        for helper in &self.present.helpers {
            // ESRCH: it has ended by itself.
            helper.send_signal(libc::SIGTERM).ok();
        }
        let deadline = Instant::now() + HELPER_GRACE;
        for helper in self.present.helpers.drain(..) {
            let left = deadline.saturating_duration_since(Instant::now());
            if helper.wait(Some(left)) != Ok(WaitOutcome::Ended) {
                helper.send_signal(libc::SIGKILL).ok();
                helper.wait(Some(HELPER_GRACE)).ok();
            }
            reap(&helper);
        }
    }

    /// Tells every client of the end of a run that another follows. Followers of the log and those
    /// who have not asked yet stay; who still has to read its output gets it meanwhile.
    pub(super) fn tell_of_run(&mut self, code: i32) {
        self.take_last_requests();
        for client in &mut self.clients {
            match client.role {
                Role::Waiting => client.reply(&Reply::Exited { code }),
                Role::Attached { .. } => {}
                Role::Following { .. } | Role::Asking { .. } | Role::Answered => continue,
            }
            client.role = Role::Answered;
        }
        self.clients.retain(|client| !client.is_done());
    }

    /// Waits for `pause`, or until a signal comes; clients are served meanwhile.
    pub(super) fn rest(&mut self, pause: Duration) -> Pause {
        let until = Instant::now() + pause;
        loop {
            self.set.clear();
            if let Some(signals) = &self.signals {
                self.set.watch(signals, Interest::Read, Event::Signal);
            }
            self.watch_clients();
            let stalls = self.clients.iter().filter_map(Client::deadline);
            let next = stalls.min().map_or(until, |stall| stall.min(until));
            let left = next.saturating_duration_since(Instant::now());
            if self.set.wait_with_little_memory(Some(left)).is_err() {
                // For want of kernel memory.
                std::thread::sleep(Duration::from_millis(100));
            } else if self.serve_rest() == Pause::Broken {
                return Pause::Broken;
            }
            if until <= Instant::now() {
                return Pause::Over;
            }
        }
    }

    fn serve_rest(&mut self) -> Pause {
        let mut position = 0;
        let mut rest = Pause::Over;
        while let Some((event, readiness, next)) = self.set.next_ready(position) {
            position = next;
            match event {
                Event::Signal => {
                    while self.signals.as_ref().and_then(SignalQueue::next).is_some() {
                        rest = Pause::Broken;
                    }
                }
                Event::Connection => self.accept(),
                Event::Client(index) => self.serve_client(index, readiness),
                Event::ContainerEnded
                | Event::Output(_)
                | Event::InputRoom
                | Event::HelperEnded
                | Event::RootServerEnded
                | Event::Lifeline
                | Event::Check => {}
            }
        }
        let now = Instant::now();
        for client in &mut self.clients {
            client.handle_deadline(now, &self.scratch);
        }
        self.clients.retain(|client| !client.is_done());
        rest
    }

    /// Tells every client of the end, and waits until those who read have everything.
    pub(super) fn tell_clients(&mut self, code: i32) {
        self.take_last_requests();
        self.listener = None;
        for client in &mut self.clients {
            match client.role {
                Role::Waiting | Role::Following { .. } => client.reply(&Reply::Exited { code }),
                Role::Asking { .. } | Role::Attached { .. } | Role::Answered => {}
            }
        }
        self.clients.retain(Client::has_backlog);
        while !self.clients.is_empty() {
            self.flush_clients();
            self.clients
                .retain(|client| client.has_backlog() && !client.gone);
        }
    }

    /// Those who asked while the record was written are answered, not dropped.
    fn take_last_requests(&mut self) {
        loop {
            self.set.clear();
            self.watch_clients();
            if self.set.wait(Some(Duration::ZERO)).is_err() {
                return;
            }
            let before = self.clients.len();
            let mut position = 0;
            let mut asked = false;
            while let Some((event, readiness, next)) = self.set.next_ready(position) {
                position = next;
                if event == Event::Connection {
                    self.accept();
                } else if let Event::Client(index) = event
                    && matches!(self.clients[index].role, Role::Asking { .. })
                {
                    asked = true;
                    self.serve_client(index, readiness);
                }
            }
            self.clients.retain(|client| !client.gone);
            if !asked && self.clients.len() == before {
                return;
            }
        }
    }

    fn flush_clients(&mut self) {
        self.set.clear();
        self.watch_clients();
        let next = self.clients.iter().filter_map(Client::end_deadline).min();
        let timeout = next.map(|next| next.saturating_duration_since(Instant::now()));
        if self.set.wait(timeout).is_err() {
            self.clients.clear();
            return;
        }
        let mut position = 0;
        while let Some((event, readiness, next)) = self.set.next_ready(position) {
            position = next;
            if let Event::Client(index) = event {
                self.serve_client(index, readiness);
            }
        }
        let now = Instant::now();
        for client in &mut self.clients {
            client.gone |= client
                .end_deadline()
                .is_some_and(|deadline| deadline <= now);
        }
    }
}
