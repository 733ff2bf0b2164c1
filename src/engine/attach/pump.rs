// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The loop between the user's own streams and a container's: through a monitor's socket, or
//! straight into a pseudo-terminal or pipes (`exec`).
//!
//! One thread, nothing waits but poll(2): signals come as a descriptor, the user's streams are
//! written only as far as they have room, and their flags, which the shell shares, are never
//! changed.

use std::io::IsTerminal;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd;

use super::AttachError;
use super::frames::{FrameReader, Piece};
use super::sides::{Control, Endpoint, LocalStreams, SignalGate, SignalProxy};
use crate::engine::terminal::{DetachKeys, DetachMatcher, TerminalSession, Typed};
use crate::monitor::protocol::{Framing, OutputStream, end_input};
use crate::sys::poll::{Interest, PollSet, Readiness};
use crate::sys::stream::write_after_poll;
use crate::sys::{SysError, SysResult};

const OUTPUT_BUFFER_BYTES: usize = 64 * 1024;
const INPUT_BUFFER_BYTES: usize = 16 * 1024;

/// All that a pump works with.
#[allow(missing_debug_implementations, reason = "a trait object is among it")]
pub struct Pump<'a> {
    /// The container's side.
    pub endpoint: Endpoint,
    /// The user's side.
    pub local: LocalStreams,
    /// For sizes and signals.
    pub control: &'a dyn Control,
    /// The signals held back.
    pub signals: &'a SignalGate,
    /// What the user types to leave.
    pub detach_keys: DetachKeys,
    /// A process whose end is the end, even if others keep the streams open.
    pub process: Option<BorrowedFd<'a>>,
}

/// Why a pump stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The container's output has ended, or the process has.
    Ended,
    /// The user typed the detach keys.
    Detached,
    /// Nobody reads our standard output any more.
    OutputClosed,
    /// A signal came that was not to be passed on; the caller dies of it.
    Interrupted(i32),
}

/// Carries bytes until one side ends. The user's terminal is raw meanwhile if the container has
/// one, and as it was before when this returns, in whatever way.
///
/// # Errors
///
/// [`AttachError::Terminal`], [`AttachError::Output`] when the user's streams fail, and
/// [`AttachError::Streams`] when the container's do.
pub fn pump(pump: Pump<'_>) -> Result<Ending, AttachError> {
    let is_terminal = pump.endpoint.is_terminal();
    let _session = match &pump.local.stdin {
        Some(stdin) if is_terminal => {
            TerminalSession::begin(stdin.as_fd()).map_err(AttachError::Terminal)?
        }
        Some(_) | None => None,
    };
    let mut running = Running::start(pump)?;
    if is_terminal {
        running.pass_size_on();
    }
    loop {
        if let Some(ending) = running.round()? {
            return Ok(ending);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Signal,
    ProcessEnded,
    LocalInput,
    LocalOutput,
    RemoteInput,
    RemoteOutput(OutputStream),
    RemoteBoth,
}

/// A pump at work.
struct Running<'a> {
    endpoint: Endpoint,
    local: LocalStreams,
    control: &'a dyn Control,
    signals: &'a SignalGate,
    process: Option<BorrowedFd<'a>>,
    matcher: DetachMatcher,
    set: PollSet<Event>,
    frames: FrameReader,
    /// Output that was read and not yet written.
    output: Box<[u8]>,
    output_left: Range<usize>,
    /// Of which stream it is, when it is not framed.
    output_stream: OutputStream,
    /// Where the next piece of output is waiting for room.
    output_blocked: Option<OutputStream>,
    /// Input that was read and not yet passed on.
    input: Vec<u8>,
    input_open: bool,
    /// The process has ended: what is left is read, and nothing is waited for.
    draining: bool,
}

impl<'a> Running<'a> {
    fn start(pump: Pump<'a>) -> Result<Self, AttachError> {
        pump.endpoint
            .make_non_blocking()
            .map_err(AttachError::Streams)?;
        let framing = match &pump.endpoint {
            Endpoint::Socket { framing, .. } => *framing,
            Endpoint::Terminal { .. } | Endpoint::Pipes { .. } => Framing::Raw,
        };
        // Bytes of a file or a pipe are data, whatever keys they look like.
        let typed = pump.endpoint.is_terminal()
            || pump
                .local
                .stdin
                .as_ref()
                .is_some_and(IsTerminal::is_terminal);
        let keys = if typed {
            pump.detach_keys
        } else {
            DetachKeys::parse("").expect("no keys are valid keys")
        };
        let mut running = Self {
            input_open: pump.local.stdin.is_some(),
            endpoint: pump.endpoint,
            local: pump.local,
            control: pump.control,
            signals: pump.signals,
            process: pump.process,
            matcher: DetachMatcher::new(keys),
            set: PollSet::new(),
            frames: FrameReader::new(framing),
            output: vec![0; OUTPUT_BUFFER_BYTES].into_boxed_slice(),
            output_left: 0..0,
            output_stream: OutputStream::Stdout,
            output_blocked: None,
            input: Vec::new(),
            draining: false,
        };
        if !running.input_open {
            running.end_remote_input();
        }
        Ok(running)
    }

    /// Waits once and handles what came; a value ends the pump.
    fn round(&mut self) -> Result<Option<Ending>, AttachError> {
        self.fill_set();
        let timeout = self.may_not_wait().then_some(Duration::ZERO);
        self.set.wait(timeout).map_err(AttachError::Streams)?;
        let mut position = 0;
        while let Some((event, readiness, next)) = self.set.next_ready(position) {
            position = next;
            if let Some(ending) = self.handle(event, readiness)? {
                return Ok(Some(ending));
            }
        }
        if self.may_not_wait() {
            return self.drain();
        }
        Ok(None)
    }

    /// The process has ended, and all output that was read is delivered.
    fn may_not_wait(&self) -> bool {
        self.draining && self.output_left.is_empty()
    }

    fn fill_set(&mut self) {
        let set = &mut self.set;
        set.clear();
        set.watch(&self.signals.queue, Interest::Read, Event::Signal);
        if let (Some(process), false) = (self.process, self.draining) {
            set.watch(process, Interest::Read, Event::ProcessEnded);
        }
        if let Some(stdin) = &self.local.stdin
            && self.input_open
            && self.input.is_empty()
        {
            set.watch(stdin, Interest::Read, Event::LocalInput);
        }
        let blocked = self.output_blocked;
        if let Some(output) = blocked.and_then(|stream| self.local.output(stream)) {
            set.watch(output, Interest::Write, Event::LocalOutput);
        }
        self.watch_endpoint();
    }

    fn watch_endpoint(&mut self) {
        let reading = self.output_left.is_empty();
        let writing = !self.input.is_empty();
        let set = &mut self.set;
        match &self.endpoint {
            Endpoint::Socket { stream: both, .. } | Endpoint::Terminal { master: both } => {
                let interest = match (reading, writing) {
                    (true, true) => Interest::ReadWrite,
                    (true, false) => Interest::Read,
                    (false, true) => Interest::Write,
                    // A hang-up would be told over and over while the output cannot be read.
                    (false, false) => return,
                };
                set.watch(both, interest, Event::RemoteBoth);
            }
            Endpoint::Pipes {
                stdin,
                stdout,
                stderr,
            } => {
                if let (Some(stdin), true) = (stdin, writing) {
                    set.watch(stdin, Interest::Write, Event::RemoteInput);
                }
                let outputs = [
                    (stdout, OutputStream::Stdout),
                    (stderr, OutputStream::Stderr),
                ];
                for (output, stream) in outputs {
                    if let (Some(output), true) = (output, reading) {
                        set.watch(output, Interest::Read, Event::RemoteOutput(stream));
                    }
                }
            }
        }
    }

    fn handle(
        &mut self,
        event: Event,
        readiness: Readiness,
    ) -> Result<Option<Ending>, AttachError> {
        match event {
            Event::Signal => return Ok(self.take_signals()),
            Event::ProcessEnded => self.draining = true,
            Event::LocalInput => return self.read_local_input(),
            Event::LocalOutput => return self.deliver_output(),
            Event::RemoteInput => self.pass_input_on(),
            Event::RemoteOutput(stream) => return self.read_remote(stream),
            Event::RemoteBoth => {
                if readiness.writable() && !self.input.is_empty() {
                    self.pass_input_on();
                }
                if readiness.readable() && self.output_left.is_empty() {
                    return self.read_remote(OutputStream::Stdout);
                }
            }
        }
        Ok(None)
    }

    fn take_signals(&mut self) -> Option<Ending> {
        while let Some(signal) = self.signals.queue.next() {
            if signal == libc::SIGWINCH {
                self.pass_size_on();
                continue;
            }
            match self.signals.proxy {
                SignalProxy::Forward => self.control.signal(signal),
                SignalProxy::Keep => return Some(Ending::Interrupted(signal)),
            }
        }
        None
    }

    fn pass_size_on(&self) {
        if !self.endpoint.is_terminal() {
            return;
        }
        if let Some(size) = self.local.terminal_size() {
            self.control.resize(size);
        }
    }

    fn read_local_input(&mut self) -> Result<Option<Ending>, AttachError> {
        let Some(stdin) = &self.local.stdin else {
            return Ok(None);
        };
        let mut typed = [0; INPUT_BUFFER_BYTES];
        let length = match unistd::read(stdin, &mut typed) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            // A terminal that was hung up.
            Err(Errno::EIO) => 0,
            Err(errno) => {
                return Err(AttachError::Input(SysError::new("read([stdin])", errno)));
            }
        };
        if length == 0 {
            self.input_open = false;
            self.end_remote_input();
            return Ok(None);
        }
        let result = self.matcher.feed(&typed[..length], &mut self.input);
        self.pass_input_on();
        match result {
            Typed::Input => Ok(None),
            Typed::Detached => Ok(Some(Ending::Detached)),
        }
    }

    /// Writes what fits. A container that reads no more input takes none: its output goes on.
    fn pass_input_on(&mut self) {
        let target = match &self.endpoint {
            Endpoint::Socket { stream: both, .. } | Endpoint::Terminal { master: both } => both,
            Endpoint::Pipes {
                stdin: Some(stdin), ..
            } => stdin,
            Endpoint::Pipes { stdin: None, .. } => {
                self.input.clear();
                return;
            }
        };
        while !self.input.is_empty() {
            match unistd::write(target, &self.input) {
                Ok(written) => drop(self.input.drain(..written)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => {
                    self.input.clear();
                    self.input_open = false;
                }
            }
        }
    }

    /// All input was passed on, and there will be no more.
    fn end_remote_input(&mut self) {
        match &mut self.endpoint {
            // A stream whose other side is gone needs no end.
            Endpoint::Socket { stream, .. } => drop(end_input(stream.as_fd())),
            // A terminal has no end: only a key that its program reads as one.
            Endpoint::Terminal { .. } => {}
            Endpoint::Pipes { stdin, .. } => *stdin = None,
        }
    }

    fn read_remote(&mut self, stream: OutputStream) -> Result<Option<Ending>, AttachError> {
        let source = match &self.endpoint {
            Endpoint::Socket { stream: both, .. } | Endpoint::Terminal { master: both } => both,
            Endpoint::Pipes { stdout, stderr, .. } => {
                let side = match stream {
                    OutputStream::Stdout => stdout,
                    OutputStream::Stderr => stderr,
                };
                let Some(side) = side else {
                    return Ok(None);
                };
                side
            }
        };
        if !self.output_left.is_empty() {
            return Ok(None);
        }
        match unistd::read(source, &mut self.output) {
            // EIO: a pseudo-terminal without programs. ECONNRESET: a monitor that was killed.
            Ok(0) | Err(Errno::EIO | Errno::ECONNRESET) => Ok(self.output_ended(stream)),
            Ok(length) => {
                self.output_left = 0..length;
                self.output_stream = stream;
                self.deliver_output()
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(AttachError::Streams(SysError::new(
                "read([container])",
                errno,
            ))),
        }
    }

    fn output_ended(&mut self, stream: OutputStream) -> Option<Ending> {
        let Endpoint::Pipes { stdout, stderr, .. } = &mut self.endpoint else {
            return Some(Ending::Ended);
        };
        match stream {
            OutputStream::Stdout => *stdout = None,
            OutputStream::Stderr => *stderr = None,
        }
        let over = stdout.is_none() && stderr.is_none() && self.process.is_none();
        over.then_some(Ending::Ended)
    }

    /// Writes what was read, as far as there is room.
    fn deliver_output(&mut self) -> Result<Option<Ending>, AttachError> {
        self.output_blocked = None;
        while !self.output_left.is_empty() {
            let piece = match &self.endpoint {
                Endpoint::Pipes { .. } => {
                    Piece::Payload(self.output_stream, self.output_left.len())
                }
                Endpoint::Socket { .. } | Endpoint::Terminal { .. } => self
                    .frames
                    .next_piece(&self.output[self.output_left.clone()]),
            };
            match piece {
                Piece::Skip(length) => self.output_left.start += length,
                Piece::Payload(stream, length) => match self.write_local(stream, length)? {
                    Written::Bytes(written) => {
                        self.frames.consume(written);
                        self.output_left.start += written;
                    }
                    Written::NoRoom => {
                        self.output_blocked = Some(stream);
                        return Ok(None);
                    }
                    Written::NobodyReads => return Ok(Some(Ending::OutputClosed)),
                },
            }
        }
        Ok(None)
    }

    fn write_local(&mut self, stream: OutputStream, length: usize) -> Result<Written, AttachError> {
        let Some(output) = self.local.output(stream) else {
            return Ok(Written::Bytes(length));
        };
        if !has_room(output.as_fd()).map_err(AttachError::Output)? {
            return Ok(Written::NoRoom);
        }
        let bytes = &self.output[self.output_left.clone()][..length];
        match write_after_poll(output.as_fd(), bytes) {
            Ok(written) => Ok(Written::Bytes(written)),
            Err(error) => match (error.errno, stream) {
                (Errno::EAGAIN | Errno::EINTR, _) => Ok(Written::NoRoom),
                (Errno::EPIPE | Errno::EIO, OutputStream::Stdout) => Ok(Written::NobodyReads),
                (Errno::EPIPE | Errno::EIO, OutputStream::Stderr) => {
                    self.local.stderr = None;
                    Ok(Written::Bytes(length))
                }
                (_, _) => Err(AttachError::Output(error)),
            },
        }
    }

    /// Reads once more without waiting: when nothing is there, nothing will come.
    fn drain(&mut self) -> Result<Option<Ending>, AttachError> {
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            let ending = self.read_remote(stream)?;
            if ending.is_some() || !self.output_left.is_empty() {
                return Ok(ending);
            }
        }
        Ok(Some(Ending::Ended))
    }
}

/// What became of a write to the user's own stream.
enum Written {
    Bytes(usize),
    NoRoom,
    NobodyReads,
}

fn has_room(output: BorrowedFd<'_>) -> SysResult<bool> {
    let mut set = PollSet::new();
    set.watch(output, Interest::Write, ());
    set.wait(Some(Duration::ZERO))?;
    Ok(set.next_ready(0).is_some())
}
