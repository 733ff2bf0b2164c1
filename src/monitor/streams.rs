// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The monitor's ends of a container's standard streams.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd;

use super::protocol::{Framing, OutputStream, TerminalSize};
use super::supervision::{ContainerIo, StdinPolicy};
use crate::sys::pty::open_peer;
use crate::sys::stream::{Blocking, set_blocking};
use crate::sys::{SysResult, tty};

/// Our ends of a container's streams. None of them ever waits.
#[derive(Debug)]
pub(super) struct Streams {
    kind: Kind,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    policy: StdinPolicy,
    /// Input that the container has not taken yet.
    input: Vec<u8>,
    /// Close standard input once `input` is empty.
    input_ends: bool,
    /// The container's side of the terminal: while somebody has it open, the master side reports
    /// no hang-up each time that the container's programs have all closed theirs.
    _peer: Option<OwnedFd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pipes,
    Terminal,
    Inherited,
}

/// What a read of the container's output brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// This many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The stream has ended.
    End,
}

impl Streams {
    pub(super) fn new(io: ContainerIo, policy: StdinPolicy) -> Self {
        let (kind, stdin, stdout, stderr, peer) = match io {
            ContainerIo::Pipes {
                stdin,
                stdout,
                stderr,
            } => (Kind::Pipes, stdin, stdout, stderr, None),
            ContainerIo::Terminal { master } => {
                let peer = open_peer(master.as_fd()).ok();
                let input = master.try_clone().ok();
                (Kind::Terminal, input, Some(master), None, peer)
            }
            ContainerIo::Inherited => (Kind::Inherited, None, None, None, None),
        };
        for descriptor in [&stdin, &stdout, &stderr].into_iter().flatten() {
            // F_SETFL on a pipe or terminal of ours does not fail.
            set_blocking(descriptor, Blocking::No).ok();
        }
        Self {
            kind,
            stdin,
            stdout,
            stderr,
            policy,
            input: Vec::new(),
            input_ends: false,
            _peer: peer,
        }
    }

    /// How output travels to clients; `None` when it does not pass through here.
    pub(super) fn framing(&self) -> Option<Framing> {
        match self.kind {
            Kind::Pipes => Some(Framing::Multiplexed),
            Kind::Terminal => Some(Framing::Raw),
            Kind::Inherited => None,
        }
    }

    pub(super) fn output(&self, stream: OutputStream) -> Option<BorrowedFd<'_>> {
        let output = match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        };
        output.as_ref().map(AsFd::as_fd)
    }

    /// Reads some output; the stream is closed at its end.
    pub(super) fn read(&mut self, stream: OutputStream, buffer: &mut [u8]) -> Output {
        let slot = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        let Some(descriptor) = slot else {
            return Output::End;
        };
        match unistd::read(&*descriptor, buffer) {
            Ok(0) => {}
            Ok(length) => return Output::Bytes(length),
            Err(Errno::EAGAIN | Errno::EINTR) => return Output::Nothing,
            // EIO: a terminal that no program has open.
            Err(_) => {}
        }
        *slot = None;
        Output::End
    }

    /// The container's standard input, when something waits for room in it.
    pub(super) fn blocked_input(&self) -> Option<BorrowedFd<'_>> {
        let stdin = self.stdin.as_ref()?;
        (!self.input.is_empty()).then(|| stdin.as_fd())
    }

    /// Passes input on; what does not fit waits, and no more should come meanwhile. Input for a
    /// container that reads none is dropped.
    pub(super) fn write(&mut self, input: &[u8]) {
        if self.stdin.is_some() {
            self.input.extend_from_slice(input);
            self.flush_input();
        }
    }

    /// Passes on what waits, as far as there is room.
    pub(super) fn flush_input(&mut self) {
        while let (Some(stdin), false) = (&self.stdin, self.input.is_empty()) {
            match unistd::write(stdin, &self.input) {
                Ok(written) => drop(self.input.drain(..written)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                // EPIPE: the container reads no more.
                Err(_) => {
                    self.stdin = None;
                    self.input.clear();
                }
            }
        }
        if self.input_ends {
            self.stdin = None;
        }
        if self.input.is_empty() {
            self.input = Vec::new();
        }
    }

    /// A client that was attached to standard input sends no more.
    pub(super) fn client_input_ended(&mut self) {
        match (self.kind, self.policy) {
            (Kind::Pipes, StdinPolicy::CloseAfterClient) => {
                self.input_ends = true;
                self.flush_input();
            }
            (Kind::Pipes, StdinPolicy::KeepOpen) | (Kind::Terminal | Kind::Inherited, _) => {}
        }
    }

    /// Closes standard input: the container has ended.
    pub(super) fn close_input(&mut self) {
        self.stdin = None;
        self.input = Vec::new();
    }

    /// Changes the size of the terminal; `None` when there is none.
    pub(super) fn resize(&self, size: TerminalSize) -> Option<SysResult<()>> {
        match self.kind {
            Kind::Terminal => {
                let master = self.stdout.as_ref()?;
                Some(tty::set_size(master, size.rows, size.columns))
            }
            Kind::Pipes | Kind::Inherited => None,
        }
    }
}
