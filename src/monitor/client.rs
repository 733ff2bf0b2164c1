// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One connection to a monitor: what it was asked, and what it still has to be sent.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use super::backlog::Backlog;
use super::protocol::{
    AttachedStreams, Framing, OutputStream, REQUEST_BYTES_MAX, Reply, frame_header,
};
use crate::sys::fdpass::{self, send_now};
use crate::sys::pidfd::Pidfd;
use crate::sys::poll::Interest;

/// How long an attached client for which no more can be kept may take nothing of its output before
/// it is let go. The container's output waits for it meanwhile: nothing is lost for a client that
/// reads, however slowly. After the container's end nothing waits for it but this process.
pub(super) const STALL_LIMIT: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 10 });

/// Sent to a follower of the log when there is something new.
pub(super) const NEWS: &[u8] = b"+";

/// One connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) socket: OwnedFd,
    pub(super) role: Role,
    /// What the socket had no room for.
    backlog: Backlog,
    patience: Patience,
    /// Whether it may still send something.
    pub(super) input_open: bool,
    /// It reads nothing any more; what it has sent before is still read.
    output_broken: bool,
    /// It is gone, and is forgotten after the round.
    pub(super) gone: bool,
}

/// What a connection is for.
#[derive(Debug)]
pub(super) enum Role {
    /// Its request is still coming in.
    Asking { request: Vec<u8> },
    /// It takes part in the container's streams.
    Attached { streams: AttachedStreams },
    /// It wants to hear of the end.
    Waiting,
    /// It wants to hear of new records.
    Following { armed: bool, news: bool },
    /// It has its answer.
    Answered,
}

/// What happens to an attached client that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// The command in the foreground: it may stop its container, as a pipe would.
    Endless,
    /// Everybody else is let go after [`STALL_LIMIT`].
    Limited,
}

/// What a read from a client brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// This many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The end of its input.
    End,
}

impl Client {
    /// A connection whose request is yet to come.
    pub(super) fn asking(socket: OwnedFd) -> Self {
        let request = Vec::new();
        Self::new(socket, Role::Asking { request }, Patience::Limited)
    }

    /// The command in the foreground.
    pub(super) fn first(socket: OwnedFd, streams: AttachedStreams) -> Self {
        Self::new(socket, Role::Attached { streams }, Patience::Endless)
    }

    fn new(socket: OwnedFd, role: Role, patience: Patience) -> Self {
        Self {
            socket,
            role,
            backlog: Backlog::default(),
            patience,
            input_open: true,
            output_broken: false,
            gone: false,
        }
    }

    /// What to watch it for; `None` while its input has to wait and nothing is to be sent.
    pub(super) fn interest(&self, input_paused: bool) -> Option<Interest> {
        let writing = self.has_backlog();
        let pausing = input_paused && self.sends_input();
        match (self.input_open, writing) {
            // A hang-up would be told over and over.
            (true, false) if pausing => None,
            (true, true) if pausing => Some(Interest::Write),
            (true, true) => Some(Interest::ReadWrite),
            (true, false) => Some(Interest::Read),
            (false, true) => Some(Interest::Write),
            (false, false) => Some(Interest::HangUp),
        }
    }

    /// Whether what it sends is the container's input.
    pub(super) fn sends_input(&self) -> bool {
        matches!(self.role, Role::Attached { streams } if streams.stdin)
    }

    /// Whether it reads any of the container's output.
    pub(super) fn sees_output(&self) -> bool {
        let wanted =
            matches!(self.role, Role::Attached { streams } if streams.stdout || streams.stderr);
        wanted && !self.output_broken && !self.gone
    }

    /// Whether there is something that its socket had no room for.
    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Whether output must wait until it has read more.
    pub(super) fn holds_output(&self) -> bool {
        self.backlog.holds_output()
    }

    /// Whether nothing is left to do for it.
    pub(super) fn is_done(&self) -> bool {
        let answered = matches!(self.role, Role::Answered) && !self.has_backlog();
        self.gone || answered
    }

    /// When something is to be done about it if it reads nothing until then.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.backlog
            .spill_deadline()
            .or_else(|| match self.patience {
                Patience::Endless => None,
                Patience::Limited => self.backlog.stall_deadline(STALL_LIMIT),
            })
    }

    /// Does what is due by `now`: what a client that has stopped reading misses is kept for it in
    /// `scratch`; when that is full as well, it is let go.
    pub(super) fn handle_deadline(&mut self, now: Instant, scratch: &Path) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        if self.backlog.spill_deadline().is_some() {
            self.backlog.spill_into(scratch);
        } else {
            self.gone = true;
        }
    }

    /// When it is let go after the container's end if it reads nothing until then.
    pub(super) fn end_deadline(&self) -> Option<Instant> {
        match self.patience {
            Patience::Endless => None,
            Patience::Limited => self.backlog.end_deadline(STALL_LIMIT),
        }
    }

    /// Reads without waiting.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Received {
        match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Received::End,
            Ok(length) => Received::Bytes(length),
            Err(Errno::EAGAIN | Errno::EINTR) => Received::Nothing,
            Err(_) => Received::End,
        }
    }

    /// Sends it some of the container's output, if it takes part in that stream.
    pub(super) fn send_output(&mut self, stream: OutputStream, framing: Framing, output: &[u8]) {
        let Role::Attached { streams } = self.role else {
            return;
        };
        let wanted = match stream {
            OutputStream::Stdout => streams.stdout,
            OutputStream::Stderr => streams.stderr,
        };
        if !wanted || self.gone {
            return;
        }
        let length = u32::try_from(output.len()).expect("a read is never that long");
        let header = frame_header(stream, length);
        match framing {
            Framing::Raw => self.send(&[], output),
            Framing::Multiplexed => self.send(&header, output),
        }
    }

    /// Sends a reply line.
    pub(super) fn reply(&mut self, reply: &Reply) {
        let mut line = serde_json::to_vec(reply).expect("a reply is plain data");
        line.push(b'\n');
        self.send(&line, &[]);
    }

    /// Sends the reply to [`super::protocol::Request::Pidfd`].
    pub(super) fn reply_with(&mut self, pidfd: &Pidfd) {
        let line = b"\"done\"\n";
        // The connection is new and empty: there is room.
        if fdpass::send(self.socket.as_fd(), line, &[pidfd.as_fd()]).is_err() {
            self.gone = true;
        }
    }

    /// Sends `head` and `body`, and keeps what does not go at once.
    pub(super) fn send(&mut self, head: &[u8], body: &[u8]) {
        if self.gone || self.output_broken {
            return;
        }
        let mut sent = 0;
        if !self.has_backlog() {
            match send_now(self.socket.as_fd(), head, body) {
                Ok(length) => sent = length,
                Err(error) if error.errno == Errno::EAGAIN => {}
                Err(_) => return self.break_output(),
            }
        }
        let head_left = &head[sent.min(head.len())..];
        let body_left = &body[sent.saturating_sub(head.len())..];
        if head_left.is_empty() && body_left.is_empty() {
            return;
        }
        let kept = self.backlog.push(head_left);
        if kept.and_then(|()| self.backlog.push(body_left)).is_err() {
            self.break_output();
        }
    }

    /// Sends what was kept, as far as there is room.
    pub(super) fn flush(&mut self) {
        while self.has_backlog() {
            let sent = match send_now(self.socket.as_fd(), self.backlog.front(), &[]) {
                Ok(length) => self.backlog.advance(length),
                Err(error) if error.errno == Errno::EAGAIN => return,
                Err(_) => return self.break_output(),
            };
            if sent.is_err() {
                return self.break_output();
            }
        }
    }

    /// It has closed the connection. Input that it sent before may still be on its way.
    fn break_output(&mut self) {
        self.backlog = Backlog::default();
        self.output_broken = true;
        self.gone = !(self.input_open && self.sends_input());
    }

    /// It has sent its last byte.
    pub(super) fn end_input(&mut self) {
        self.input_open = false;
        self.gone |= self.output_broken;
    }

    /// Tells a follower that the log has grown, once it has asked again.
    pub(super) fn tell_news(&mut self) {
        let Role::Following { armed, news } = &mut self.role else {
            return;
        };
        if *armed {
            *armed = false;
            self.send(NEWS, &[]);
        } else {
            *news = true;
        }
    }

    /// A follower has read everything and wants to hear of more.
    pub(super) fn arm(&mut self) {
        let Role::Following { armed, news } = &mut self.role else {
            return;
        };
        if *news {
            *news = false;
            self.send(NEWS, &[]);
        } else {
            *armed = true;
        }
    }

    /// Whether the request line cannot become complete any more.
    pub(super) fn request_too_long(request: &[u8]) -> bool {
        request.len() >= REQUEST_BYTES_MAX
    }
}
