// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a pump stands between: the container's streams, the user's, and the signals that this
//! process gets meanwhile.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::engine::terminal::size_of;
use crate::monitor::protocol::{AttachedStreams, Framing, OutputStream, TerminalSize};
use crate::sys::signals::{self, SignalQueue};
use crate::sys::stream::{Blocking, set_blocking};
use crate::sys::{Called, SysResult};

/// The container's side of a pump.
#[derive(Debug)]
pub enum Endpoint {
    /// A connection to a monitor.
    Socket {
        /// The stream socket.
        stream: OwnedFd,
        /// How output travels on it.
        framing: Framing,
    },
    /// A pseudo-terminal that nobody else reads.
    Terminal {
        /// Its master side.
        master: OwnedFd,
    },
    /// Pipes that nobody else reads or writes.
    Pipes {
        /// The write end of standard input.
        stdin: Option<OwnedFd>,
        /// The read end of standard output.
        stdout: Option<OwnedFd>,
        /// The read end of standard error.
        stderr: Option<OwnedFd>,
    },
}

impl Endpoint {
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Socket { framing, .. } => *framing == Framing::Raw,
            Self::Terminal { .. } => true,
            Self::Pipes { .. } => false,
        }
    }

    pub(super) fn make_non_blocking(&self) -> SysResult<()> {
        match self {
            Self::Socket { stream: both, .. } | Self::Terminal { master: both } => {
                set_blocking(both, Blocking::No)
            }
            Self::Pipes {
                stdin,
                stdout,
                stderr,
            } => [stdin, stdout, stderr]
                .into_iter()
                .flatten()
                .try_for_each(|pipe| set_blocking(pipe, Blocking::No)),
        }
    }
}

/// The user's own streams; those that are not attached are `None`.
#[derive(Debug, Default)]
pub struct LocalStreams {
    /// Read and passed on.
    pub stdin: Option<OwnedFd>,
    /// Where standard output and terminal output goes.
    pub stdout: Option<OwnedFd>,
    /// Where standard error goes.
    pub stderr: Option<OwnedFd>,
}

impl LocalStreams {
    /// This process's own streams, those of `streams`.
    ///
    /// # Errors
    ///
    /// What fcntl(2) says when a descriptor cannot be duplicated.
    pub fn of_process(streams: AttachedStreams) -> SysResult<Self> {
        let duplicate = |wanted: bool, descriptor: BorrowedFd<'_>| {
            wanted
                .then(|| descriptor.try_clone_to_owned())
                .transpose()
                .called(|| "fcntl(F_DUPFD_CLOEXEC)")
        };
        Ok(Self {
            stdin: duplicate(streams.stdin, std::io::stdin().as_fd())?,
            stdout: duplicate(streams.stdout, std::io::stdout().as_fd())?,
            stderr: duplicate(streams.stderr, std::io::stderr().as_fd())?,
        })
    }

    /// The size of the user's terminal, if there is one among the streams.
    pub fn terminal_size(&self) -> Option<TerminalSize> {
        let sides = [&self.stdin, &self.stdout];
        let mut sides = sides.into_iter().flatten();
        sides.find_map(|side| size_of(side.as_fd()))
    }

    pub(super) fn output(&self, stream: OutputStream) -> Option<&OwnedFd> {
        match stream {
            OutputStream::Stdout => self.stdout.as_ref(),
            OutputStream::Stderr => self.stderr.as_ref(),
        }
    }
}

/// What a pump asks of the container beside its streams.
pub trait Control {
    /// Changes the size of its terminal; a container that has ended ignores it.
    fn resize(&self, size: TerminalSize);
    /// Sends it the signal of that number; a container that has ended ignores it.
    fn signal(&self, signal: i32);
}

/// What happens to the signals that this process gets while it is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalProxy {
    /// They go to the container (`--sig-proxy`).
    Forward,
    /// They end the attachment as they would end any program.
    Keep,
}

/// Signals held back for a pump. Made early, so that none that comes before it is lost.
#[derive(Debug)]
pub struct SignalGate {
    pub(super) queue: SignalQueue,
    pub(super) proxy: SignalProxy,
}

impl SignalGate {
    /// Holds signals back from now on, in a process with a single thread.
    ///
    /// # Errors
    ///
    /// What signalfd(2) says.
    pub fn hold(proxy: SignalProxy) -> SysResult<Self> {
        let mut held = match proxy {
            SignalProxy::Forward => signals::forwardable(),
            SignalProxy::Keep => vec![libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM],
        };
        held.push(libc::SIGWINCH);
        let queue = SignalQueue::hold(&held)?;
        Ok(Self { queue, proxy })
    }
}

impl AsFd for SignalGate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}
