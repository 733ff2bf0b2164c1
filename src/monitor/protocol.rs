// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client says to a monitor, and hears from it.
//!
//! Each connection to the container's socket (a stream) starts with one request as a line of JSON
//! and is answered with one [`Reply`] line. After an attach the connection carries the container's
//! streams: what the client writes is standard input (a half-close is its end), what it reads is
//! raw terminal output, or frames of eight bytes (stream number 1 or 2, three zeros, length in big
//! endian) and their payload, as Docker's attach has them. The stream ends after the exit was
//! recorded.

use serde::{Deserialize, Serialize};

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
