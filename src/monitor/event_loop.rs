// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The loop of a monitor: one round per wake-up, one event per descriptor that is ready.
//!
//! Output goes to the log first, then to each attached client. While a client reads slowly no more
//! output is read, so that no buffer grows; for one that has stopped reading, it goes to a file
//! (`backlog`), and when that is full the client is let go, unless it is the command in the
//! foreground. The container's end is noticed all the same.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::checks::{Checks, Probe};
use super::client::{Client, Received, Role};
use super::log::Log;
use super::outcome::{MemoryEvents, reap};
use super::protocol::{
    AttachedStreams, Framing, OutputStream, Reply, Request, SignalIntent, TerminalSize,
};
use super::screen::{Audience, Screen};
use super::streams::{Output, Streams};
use super::supervision::{Lifeline, StdinPolicy};
use crate::sys::fdpass;
use crate::sys::pidfd::{Pidfd, WaitOutcome};
use crate::sys::poll::{Interest, PollSet, Readiness};
use crate::sys::signals::SignalQueue;

/// How much is read at once.
pub(super) const BUFFER_BYTES: usize = 32 * 1024;

/// More connections wait in the listening socket's queue.
const CLIENTS_MAX: usize = 128;

/// After this long without an event, memory is given back.
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// A monitor at work.
#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) present: Present,
    pub(super) stdin_policy: StdinPolicy,
    pub(super) log: Log,
    /// Where output is kept for clients that have stopped reading.
    pub(super) scratch: PathBuf,
    pub(super) listener: Option<OwnedFd>,
    pub(super) clients: Vec<Client>,
    pub(super) signals: Option<SignalQueue>,
    pub(super) phase: Phase,
    /// When all has been quiet for long enough; `None` from then on, until something happens.
    pub(super) quiet_at: Option<Instant>,
    pub(super) buffer: Vec<u8>,
    pub(super) set: PollSet<Event>,
}

/// What belongs to the present run of the container.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) container: Pidfd,
    pub(super) streams: Streams,
    pub(super) screen: Option<Screen>,
    pub(super) helpers: Vec<Pidfd>,
    pub(super) root_server: Option<Pidfd>,
    pub(super) held: Vec<OwnedFd>,
    pub(super) lifeline: Option<Box<dyn Lifeline>>,
    pub(super) memory_events: Option<MemoryEvents>,
    pub(super) probe: Option<Box<dyn Probe>>,
    pub(super) checks: Option<Checks>,
    /// When the container is killed.
    pub(super) deadline: Option<Instant>,
    pub(super) timed_out: bool,
    pub(super) stopped_by_user: bool,
    pub(super) monitor_asked: bool,
}

/// The last that a container says whose root is lost.
const ROOT_LOST: &str = "Error: the process that served the container's root file system has \
     ended: the container is stopped; what it had written is kept\n";

/// Where the container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It runs.
    Running,
    /// A run has ended.
    Resting,
}

/// What a ready descriptor means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    ContainerEnded,
    Signal,
    Connection,
    Output(OutputStream),
    InputRoom,
    Client(usize),
    HelperEnded,
    RootServerEnded,
    Lifeline,
    Check,
}

/// Whether a round was the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    GoOn,
    ContainerEnded,
}

impl Monitor {
    /// Serves until the container's first process has ended.
    pub(super) fn serve(&mut self) {
        self.quiet_at = Some(Instant::now() + QUIET_AFTER);
        while self.round() == Round::GoOn {}
    }

    fn round(&mut self) -> Round {
        self.watch_container();
        self.watch_clients();
        let timeout = self.time_to_next_deadline();
        let waited = match self.quiet_at {
            Some(_) => self.set.wait(timeout),
            None => self.set.wait_with_little_memory(timeout),
        };
        if waited.is_err() {
            // poll(2) fails for want of kernel memory only; the container must not suffer.
            std::thread::sleep(Duration::from_millis(100));
            return Round::GoOn;
        }
        let result = self.handle_ready();
        self.handle_deadlines();
        self.forget_clients();
        result
    }

    fn forget_clients(&mut self) {
        let cut_off = |client: &Client| client.gone && client.input_open && client.sends_input();
        if self.clients.iter().any(cut_off) {
            self.present.streams.client_input_ended();
        }
        self.clients.retain(|client| !client.is_done());
    }

    fn watch_container(&mut self) {
        self.set.clear();
        self.set.watch(
            &self.present.container,
            Interest::Read,
            Event::ContainerEnded,
        );
        if let Some(signals) = &self.signals {
            self.set.watch(signals, Interest::Read, Event::Signal);
        }
        if !self.clients.iter().any(Client::holds_output) {
            for stream in [OutputStream::Stdout, OutputStream::Stderr] {
                if let Some(output) = self.present.streams.output(stream) {
                    self.set
                        .watch(output, Interest::Read, Event::Output(stream));
                }
            }
        }
        if let Some(input) = self.present.streams.blocked_input() {
            self.set.watch(input, Interest::Write, Event::InputRoom);
        }
        for helper in &self.present.helpers {
            self.set.watch(helper, Interest::Read, Event::HelperEnded);
        }
        if let Some(server) = &self.present.root_server {
            self.set
                .watch(server, Interest::Read, Event::RootServerEnded);
        }
        if let Some(line) = self
            .present
            .lifeline
            .as_ref()
            .and_then(|line| line.descriptor())
        {
            self.set.watch(line, Interest::Read, Event::Lifeline);
        }
        if let Some(checks) = &self.present.checks {
            self.set
                .watch(checks.descriptor(), Interest::Read, Event::Check);
        }
    }

    fn check(&mut self) {
        let present = &mut self.present;
        if let (Some(checks), Some(probe)) = (&mut present.checks, &mut present.probe) {
            checks.attend(probe.as_mut());
        }
    }

    fn check_anew(&mut self) {
        let present = &mut self.present;
        let Some(probe) = present.probe.as_mut() else {
            return;
        };
        probe.reload();
        present.checks = match self.phase {
            Phase::Resting => None,
            Phase::Running => Checks::start(probe.as_ref()),
        };
    }

    pub(super) fn watch_clients(&mut self) {
        if let Some(listener) = &self.listener
            && self.clients.len() < CLIENTS_MAX
        {
            self.set.watch(listener, Interest::Read, Event::Connection);
        }
        let input_paused = self.present.streams.blocked_input().is_some();
        for (index, client) in self.clients.iter().enumerate() {
            if let Some(interest) = client.interest(input_paused) {
                self.set
                    .watch(&client.socket, interest, Event::Client(index));
            }
        }
    }

    fn time_to_next_deadline(&self) -> Option<Duration> {
        let stalls = self.clients.iter().filter_map(Client::deadline);
        let next = stalls
            .chain(self.present.deadline)
            .chain(self.quiet_at)
            .min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn handle_ready(&mut self) -> Round {
        let mut result = Round::GoOn;
        let mut position = 0;
        let mut quiet = true;
        while let Some((event, readiness, next)) = self.set.next_ready(position) {
            position = next;
            quiet = false;
            match event {
                // The streams first: this round's output belongs before the end.
                Event::ContainerEnded => result = Round::ContainerEnded,
                Event::Signal => self.forward_signals(),
                Event::Connection => self.accept(),
                Event::Output(stream) => {
                    self.pass_output_on(stream);
                }
                Event::InputRoom => self.present.streams.flush_input(),
                Event::Client(index) => self.serve_client(index, readiness),
                Event::Check => self.check(),
                Event::HelperEnded => self.forget_ended_helpers(),
                Event::RootServerEnded => self.end_without_root(),
                Event::Lifeline => self
                    .present
                    .lifeline
                    .iter_mut()
                    .for_each(|line| line.attend()),
            }
        }
        if !quiet {
            self.quiet_at = Some(Instant::now() + QUIET_AFTER);
        }
        result
    }

    fn handle_deadlines(&mut self) {
        let now = Instant::now();
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        for client in &mut self.clients {
            client.handle_deadline(now, &self.scratch);
        }
        if passed(self.present.deadline) {
            self.present.deadline = None;
            self.present.timed_out = true;
            // ESRCH: it has just ended by itself.
            self.present.container.send_signal(libc::SIGKILL).ok();
        }
        if passed(self.quiet_at) {
            self.quiet_at = None;
            self.buffer = Vec::new();
            self.log.shrink();
            self.clients.shrink_to_fit();
        }
    }

    /// A signal for the monitor is meant for its container.
    fn forward_signals(&mut self) {
        while let Some(signal) = self.signals.as_ref().and_then(SignalQueue::next) {
            self.present.container.send_signal(signal).ok();
            self.present.monitor_asked = true;
        }
    }

    /// Helpers that ended early cannot be helped from here: they are only reaped.
    fn forget_ended_helpers(&mut self) {
        self.present.helpers.retain(|helper| {
            let ended = helper.wait(Some(Duration::ZERO)) == Ok(WaitOutcome::Ended);
            if ended {
                reap(helper);
            }
            !ended
        });
    }

    /// A container whose root is served no more gets errors from every file of its own. A server
    /// that ends in order has seen the mount go, and the container with it.
    fn end_without_root(&mut self) {
        let Some(server) = self.present.root_server.take() else {
            return;
        };
        if reap(&server) == Some((0, None)) {
            return;
        }
        self.hand_out(OutputStream::Stderr, ROOT_LOST.as_bytes());
        // ESRCH: it has just ended by itself.
        self.present.container.send_signal(libc::SIGKILL).ok();
    }

    pub(super) fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        let socket = match fdpass::accept(listener.as_fd()) {
            Ok(Some(socket)) => socket,
            Ok(None) => return,
            Err(_) => {
                // No descriptor is free: the client waits in the queue until others have gone.
                std::thread::sleep(Duration::from_millis(10));
                return;
            }
        };
        let us = nix::unistd::geteuid().as_raw();
        // Security: the socket's mode keeps others out already; this holds if that is loosened.
        if fdpass::peer_uid(socket.as_fd()).is_ok_and(|uid| uid == us || uid == 0) {
            self.clients.push(Client::asking(socket));
        }
    }

    /// Reads output once and hands it out.
    pub(super) fn pass_output_on(&mut self, stream: OutputStream) -> Output {
        self.buffer.resize(BUFFER_BYTES, 0);
        let mut buffer = std::mem::take(&mut self.buffer);
        let output = self.present.streams.read(stream, &mut buffer);
        if let Output::Bytes(length) = output {
            self.hand_out(stream, &buffer[..length]);
        }
        self.buffer = buffer;
        output
    }

    fn hand_out(&mut self, stream: OutputStream, output: &[u8]) {
        self.log.write(stream, output);
        let framing = self.present.streams.framing().unwrap_or(Framing::Raw);
        for client in &mut self.clients {
            client.send_output(stream, framing, output);
            client.tell_news();
        }
        if let Some(screen) = &mut self.present.screen {
            let seen = self.clients.iter().any(Client::sees_output);
            let audience = if seen {
                Audience::Somebody
            } else {
                Audience::Nobody
            };
            screen.push(output, audience);
        }
    }

    pub(super) fn serve_client(&mut self, index: usize, readiness: Readiness) {
        let input_paused = self.present.streams.blocked_input().is_some();
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
        if readiness.writable() && client.has_backlog() {
            client.flush();
        }
        if !client.input_open {
            client.gone |= readiness.hung_up();
            return;
        }
        if client.gone || !readiness.readable() || (input_paused && client.sends_input()) {
            return;
        }
        self.buffer.resize(BUFFER_BYTES, 0);
        let mut buffer = std::mem::take(&mut self.buffer);
        match self.clients[index].receive(&mut buffer) {
            Received::Bytes(length) => self.take_bytes(index, &buffer[..length]),
            Received::Nothing => {}
            Received::End => self.client_input_ended(index),
        }
        self.buffer = buffer;
    }

    fn take_bytes(&mut self, index: usize, bytes: &[u8]) {
        let client = &mut self.clients[index];
        match &mut client.role {
            Role::Asking { request } => {
                let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                    request.extend_from_slice(bytes);
                    client.gone = Client::request_too_long(request);
                    return;
                };
                let (line, rest) = bytes.split_at(end + 1);
                let mut request = std::mem::take(request);
                request.extend_from_slice(line);
                self.answer(index, &request);
                // What came with the request is part of what follows it.
                if !rest.is_empty() && !matches!(self.clients[index].role, Role::Asking { .. }) {
                    self.take_bytes(index, rest);
                }
            }
            Role::Attached { streams } if streams.stdin => self.present.streams.write(bytes),
            Role::Following { .. } => client.arm(),
            Role::Attached { .. } | Role::Waiting | Role::Answered => {}
        }
    }

    fn client_input_ended(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.end_input();
        let sent_input = client.sends_input();
        match client.role {
            // A client that waits may have closed its side of the connection.
            Role::Attached { .. } | Role::Waiting | Role::Following { .. } => {}
            // One that was attached to an earlier run may still have to get its output.
            Role::Answered => client.gone = !client.has_backlog(),
            Role::Asking { .. } => client.gone = true,
        }
        if sent_input {
            self.present.streams.client_input_ended();
        }
    }

    fn answer(&mut self, index: usize, line: &[u8]) {
        let request = serde_json::from_slice(line);
        self.clients[index].role = Role::Answered;
        let reply = match request {
            Ok(
                Request::Attach(_) | Request::Resize(_) | Request::Signal { .. } | Request::Pidfd,
            ) if self.phase == Phase::Resting => {
                Reply::Refused("it has ended, and is about to be started again".to_owned())
            }
            Ok(Request::Attach(streams)) => return self.attach(index, streams),
            Ok(Request::Wait) => {
                self.clients[index].role = Role::Waiting;
                return;
            }
            Ok(Request::Pidfd) => return self.clients[index].reply_with(&self.present.container),
            Ok(Request::FollowLog) => {
                let (armed, news) = (false, false);
                self.clients[index].role = Role::Following { armed, news };
                Reply::Done
            }
            Ok(Request::Resize(size)) => self.resize(size),
            Ok(Request::Signal { signal, intent }) => self.signal(signal, intent),
            Ok(Request::CheckAnew) => {
                self.check_anew();
                Reply::Done
            }
            Ok(Request::ReopenLog) => {
                self.log.reopen();
                Reply::Done
            }
            Err(error) => Reply::Refused(format!("request is not understood: {error}")),
        };
        self.clients[index].reply(&reply);
    }

    fn attach(&mut self, index: usize, streams: AttachedStreams) {
        let client = &mut self.clients[index];
        let Some(framing) = self.present.streams.framing() else {
            let reason = "its streams are those of the command that started it".to_owned();
            client.reply(&Reply::Refused(reason));
            return;
        };
        client.reply(&Reply::Attached(framing));
        client.role = Role::Attached { streams };
        if let (Some(screen), true) = (&mut self.present.screen, streams.stdout) {
            let missed = screen.replay();
            client.send(&missed, &[]);
        }
    }

    fn resize(&self, size: TerminalSize) -> Reply {
        match self.present.streams.resize(size) {
            Some(Ok(())) => Reply::Done,
            Some(Err(error)) => Reply::Refused(error.to_string()),
            None => Reply::Refused("the container has no terminal".to_owned()),
        }
    }

    fn signal(&mut self, signal: i32, intent: SignalIntent) -> Reply {
        match self.present.container.send_signal(signal) {
            Ok(()) => {
                self.present.stopped_by_user |= intent == SignalIntent::Stop;
                Reply::Done
            }
            Err(error) => Reply::Refused(error.to_string()),
        }
    }
}
