// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client says to a monitor, and hears from it.
//!
//! Each connection to the container's socket (a stream) starts with one request as a line of JSON
//! and is answered with one [`Reply`] line. After an attach the connection carries the container's
//! streams: what the client writes is standard input (a half-close is its end), what it reads is
//! raw terminal output, or frames of eight bytes (stream number 1 or 2, three zeros, length in big
//! endian) and their payload, as Docker's attach has them. The stream ends after the exit was
//! recorded.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, setsockopt, shutdown, sockopt};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use crate::sys::pidfd::Pidfd;
use crate::sys::poll::{Interest, PollSet};
use crate::sys::{Called, SysError, SysResult, fdpass};

/// Name of the socket in the container's run directory.
pub const SOCKET_NAME: &str = "attach.sock";

/// The longest request line that a monitor reads, newline included.
pub const REQUEST_BYTES_MAX: usize = 4096;

/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 8;

/// The first line that a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Joins the container's streams; answered by [`Reply::Attached`].
    Attach(AttachedStreams),
    /// Changes the terminal's size; answered by [`Reply::Done`].
    Resize(TerminalSize),
    /// Answered by [`Reply::Exited`], once the exit is on record and cleaned up after.
    Wait,
    /// Sends a signal to the container's first process; answered by [`Reply::Done`].
    Signal {
        /// The signal's number.
        signal: i32,
        /// What the end of the container will mean.
        intent: SignalIntent,
    },
    /// Tells when the log grows. Answered by [`Reply::Done`]; then for each byte that the client
    /// sends, one byte comes back as soon as there is something new. [`Reply::Exited`] and the end
    /// of the stream follow when the container has ended and its log is complete.
    FollowLog,
    /// Opens the log file anew, for who moved it away; answered by [`Reply::Done`].
    ReopenLog,
    /// Reads anew how the container's health is told, and checks it; answered by [`Reply::Done`].
    CheckAnew,
    /// Asks for a pidfd of the container's first process; it comes with [`Reply::Done`].
    Pidfd,
}

/// Which of the container's streams a client joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedStreams {
    /// The client writes to the container's standard input.
    pub stdin: bool,
    /// The client reads standard output (or the terminal).
    pub stdout: bool,
    /// The client reads standard error.
    pub stderr: bool,
}

impl AttachedStreams {
    /// All three.
    pub const ALL: Self = Self {
        stdin: true,
        stdout: true,
        stderr: true,
    };

    /// The two outputs.
    pub const OUTPUT: Self = Self {
        stdin: false,
        stdout: true,
        stderr: true,
    };
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// What it means if the container ends after a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalIntent {
    /// Nothing: the signal was passed on.
    Forward,
    /// The user stopped it (`stop`, `kill`, `rm -f`): no restart policy applies.
    Stop,
}

/// What a monitor answers, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The request was carried out.
    Done,
    /// The stream follows.
    Attached(Framing),
    /// The container has ended.
    Exited {
        /// Its exit code, 128+n after signal n.
        code: i32,
    },
    /// The request cannot be carried out, and why.
    Refused(String),
}

/// How output travels on an attached connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// A terminal's bytes as they are.
    Raw,
    /// Docker's multiplexed frames.
    Multiplexed,
}

/// The output streams, by the number that frames carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl OutputStream {
    /// Docker's number of the stream.
    pub fn number(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    /// The stream of that number; `None` for others.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            _ => None,
        }
    }
}

/// The header of a frame of `length` bytes.
pub fn frame_header(stream: OutputStream, length: u32) -> [u8; FRAME_HEADER_BYTES] {
    let [a, b, c, d] = length.to_be_bytes();
    [stream.number(), 0, 0, 0, a, b, c, d]
}

/// How long a monitor may take to answer a request that it answers at once.
const ANSWER_TIMEOUT_SECONDS: i64 = 10;

/// A connection to a monitor.
#[derive(Debug)]
pub struct Connection(OwnedFd);

/// Why a monitor could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Nobody listens: the container is not running.
    #[error("no monitor answers in {run_directory}")]
    NoMonitor {
        /// The container's run directory.
        run_directory: String,
        /// What connect(2) said.
        source: SysError,
    },
    /// The monitor went away before it answered.
    #[error("the monitor ended before it answered")]
    Ended,
    /// The monitor said no.
    #[error("{reason}")]
    Refused {
        /// The monitor's words.
        reason: String,
    },
    /// What came back is no answer to what was asked.
    #[error("the monitor's answer {answer:?} does not fit the request")]
    Unexpected {
        /// The line that came.
        answer: String,
    },
    /// The connection failed.
    #[error("talk to the monitor")]
    Connection(#[from] SysError),
}

impl Connection {
    /// Connects to the monitor of the container whose run directory is given.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::NoMonitor`] when the container is not running, or not any more.
    pub fn open(run_directory: &Path) -> Result<Self, ProtocolError> {
        match fdpass::connect_in(run_directory, SOCKET_NAME) {
            Ok(descriptor) => Ok(Self(descriptor)),
            Err(source) if matches!(source.errno, Errno::ENOENT | Errno::ECONNREFUSED) => {
                Err(ProtocolError::NoMonitor {
                    run_directory: run_directory.display().to_string(),
                    source,
                })
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Sends the request with which every connection starts.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Ended`] when the monitor has just ended.
    pub fn send(&self, request: &Request) -> Result<(), ProtocolError> {
        let mut line = serde_json::to_vec(request).expect("a request is plain data");
        line.push(b'\n');
        match fdpass::send(self.0.as_fd(), &line, &[]) {
            Ok(_) => Ok(()),
            Err(error) if is_hang_up(&error) => Err(ProtocolError::Ended),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for an answer. What follows it on the connection is left there.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Refused`] with the monitor's words, [`ProtocolError::Ended`] when it ended.
    pub fn reply(&self) -> Result<Reply, ProtocolError> {
        let line = self.read_line()?;
        match serde_json::from_slice(&line) {
            Ok(Reply::Refused(reason)) => Err(ProtocolError::Refused { reason }),
            Ok(reply) => Ok(reply),
            Err(_) => Err(unexpected(&line)),
        }
    }

    /// The connection itself: the stream after an attach.
    pub fn into_stream(self) -> OwnedFd {
        self.0
    }

    /// Takes the bytes up to the first newline and not one more.
    fn read_line(&self) -> Result<Vec<u8>, ProtocolError> {
        use std::os::fd::AsRawFd;
        let mut line = Vec::new();
        let mut buffer = [0; 512];
        loop {
            let seen = self.receive(&mut buffer, MsgFlags::MSG_PEEK)?;
            let newline = buffer[..seen].iter().position(|byte| *byte == b'\n');
            let wanted = newline.map_or(seen, |position| position + 1);
            let taken = recv(self.0.as_raw_fd(), &mut buffer[..wanted], MsgFlags::empty())
                .called(|| "recv([monitor])")?;
            line.extend_from_slice(&buffer[..taken]);
            if newline.is_some() {
                line.pop();
                return Ok(line);
            }
            if line.len() > REQUEST_BYTES_MAX {
                return Err(unexpected(&line));
            }
        }
    }

    fn receive(&self, buffer: &mut [u8], flags: MsgFlags) -> Result<usize, ProtocolError> {
        use std::os::fd::AsRawFd;
        loop {
            match recv(self.0.as_raw_fd(), buffer, flags) {
                Ok(0) | Err(Errno::ECONNRESET) => return Err(ProtocolError::Ended),
                Ok(length) => return Ok(length),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(SysError::new("recv([monitor])", errno).into()),
            }
        }
    }

    fn answer_in_time(&self) -> SysResult<()> {
        let limit = TimeVal::new(ANSWER_TIMEOUT_SECONDS, 0);
        setsockopt(&self.0, sockopt::ReceiveTimeout, &limit).called(|| "setsockopt(SO_RCVTIMEO)")
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Asks a monitor to do something, and waits until it is done.
///
/// # Errors
///
/// [`ProtocolError::NoMonitor`] and [`ProtocolError::Ended`] when the container has ended.
pub fn command(run_directory: &Path, request: &Request) -> Result<(), ProtocolError> {
    let connection = Connection::open(run_directory)?;
    connection.answer_in_time()?;
    connection.send(request)?;
    match connection.reply()? {
        Reply::Done => Ok(()),
        other => Err(unexpected(format!("{other:?}").as_bytes())),
    }
}

/// Sends a signal to a container's first process, through its monitor: it cannot hit another one.
///
/// # Errors
///
/// [`ProtocolError::NoMonitor`] and [`ProtocolError::Ended`] when the container has ended.
pub fn signal(
    run_directory: &Path,
    signal: i32,
    intent: SignalIntent,
) -> Result<(), ProtocolError> {
    command(run_directory, &Request::Signal { signal, intent })
}

/// Waits for the container's end; the value is its exit code.
///
/// # Errors
///
/// [`ProtocolError::NoMonitor`] when it is not running, [`ProtocolError::Ended`] when its monitor
/// was killed: the record says what is known then.
pub fn wait(run_directory: &Path) -> Result<i32, ProtocolError> {
    let connection = Connection::open(run_directory)?;
    connection.send(&Request::Wait)?;
    exit_code(&connection)
}

/// Reads the answer to [`Request::Wait`] on a connection that asked for it.
///
/// # Errors
///
/// [`ProtocolError::Ended`] when the monitor was killed.
pub fn exit_code(connection: &Connection) -> Result<i32, ProtocolError> {
    match connection.reply()? {
        Reply::Exited { code } => Ok(code),
        other => Err(unexpected(format!("{other:?}").as_bytes())),
    }
}

/// Whether there is an answer already, or the monitor is gone.
pub fn has_answered(connection: &Connection) -> bool {
    let mut set = PollSet::new();
    set.watch(&connection.0, Interest::Read, ());
    set.wait(Some(Duration::ZERO)).is_ok() && set.next_ready(0).is_some()
}

/// Joins a container's streams; the descriptor carries them from here on.
///
/// # Errors
///
/// [`ProtocolError::Refused`] when nothing passes through the monitor (`--log-driver passthrough`).
pub fn attach(
    run_directory: &Path,
    streams: AttachedStreams,
) -> Result<(OwnedFd, Framing), ProtocolError> {
    let connection = Connection::open(run_directory)?;
    connection.send(&Request::Attach(streams))?;
    match connection.reply()? {
        Reply::Attached(framing) => Ok((connection.into_stream(), framing)),
        other => Err(unexpected(format!("{other:?}").as_bytes())),
    }
}

/// Gets a descriptor of a container's first process, which no reuse of its number can mislead.
///
/// # Errors
///
/// [`ProtocolError::NoMonitor`] and [`ProtocolError::Ended`] when the container has ended.
pub fn pidfd(run_directory: &Path) -> Result<Pidfd, ProtocolError> {
    let connection = Connection::open(run_directory)?;
    connection.answer_in_time()?;
    connection.send(&Request::Pidfd)?;
    let mut buffer = [0; 512];
    let (length, mut descriptors) = fdpass::receive(connection.as_fd(), &mut buffer)?;
    match (length, descriptors.pop()) {
        (0, _) => Err(ProtocolError::Ended),
        (_, Some(descriptor)) => Ok(Pidfd::from(descriptor)),
        (length, None) => Err(unexpected(&buffer[..length])),
    }
}

/// Ends the standard input of an attached stream; its output goes on.
///
/// # Errors
///
/// What shutdown(2) says.
pub fn end_input(stream: BorrowedFd<'_>) -> SysResult<()> {
    use std::os::fd::AsRawFd;
    shutdown(stream.as_raw_fd(), nix::sys::socket::Shutdown::Write).called(|| "shutdown(SHUT_WR)")
}

fn is_hang_up(error: &SysError) -> bool {
    matches!(error.errno, Errno::EPIPE | Errno::ECONNRESET)
}

fn unexpected(line: &[u8]) -> ProtocolError {
    ProtocolError::Unexpected {
        answer: String::from_utf8_lossy(line).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_are_short_lines() {
        let attach = Request::Attach(AttachedStreams::OUTPUT);
        let cases = [
            (
                serde_json::to_string(&attach).unwrap(),
                r#"{"attach":{"stdin":false,"stdout":true,"stderr":true}}"#,
            ),
            (serde_json::to_string(&Request::Wait).unwrap(), r#""wait""#),
            (
                serde_json::to_string(&Reply::Attached(Framing::Multiplexed)).unwrap(),
                r#"{"attached":"multiplexed"}"#,
            ),
            (
                serde_json::to_string(&Reply::Exited { code: 137 }).unwrap(),
                r#"{"exited":{"code":137}}"#,
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(json, expected);
        }
    }

    #[test]
    fn a_line_is_read_and_the_stream_behind_it_left() {
        let (ours, theirs) = fdpass::stream_pair().unwrap();
        fdpass::send(theirs.as_fd(), b"{\"exited\":{\"code\":3}}\nstream", &[]).unwrap();
        let connection = Connection(ours);
        assert_eq!(connection.reply().unwrap(), Reply::Exited { code: 3 });
        let mut buffer = [0; 16];
        let length = nix::unistd::read(connection.into_stream(), &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"stream");
    }

    #[test]
    fn a_closed_connection_is_no_answer() {
        let (ours, theirs) = fdpass::stream_pair().unwrap();
        drop(theirs);
        let ended = Connection(ours).reply();
        assert!(matches!(ended, Err(ProtocolError::Ended)));
    }

    #[test]
    fn frames_have_dockers_header() {
        let header = frame_header(OutputStream::Stderr, 0x0102);
        assert_eq!(header, [2, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(OutputStream::from_number(1), Some(OutputStream::Stdout));
        assert_eq!(OutputStream::from_number(0), None);
    }
}
