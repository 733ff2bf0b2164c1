// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pipes between a program without a terminal and whoever serves it: its monitor, or `exec`.

use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::runtime::launch::ProgramIo;
use crate::sys::stream::open_null;
use crate::sys::{Called, SysResult};

/// What a program's standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// A pipe.
    Piped,
    /// `/dev/null`.
    Empty,
}

impl Input {
    /// A pipe for `--interactive` alone.
    pub(super) fn of(interactive: bool) -> Self {
        if interactive {
            Self::Piped
        } else {
            Self::Empty
        }
    }
}

/// The other ends of a program's streams.
#[derive(Debug)]
pub(super) struct OtherEnds {
    /// Where its standard input is written.
    pub(super) stdin: Option<OwnedFd>,
    /// Where its standard output is read.
    pub(super) stdout: OwnedFd,
    /// Where its standard error is read.
    pub(super) stderr: OwnedFd,
}

/// The streams of a program, and their other ends.
pub(super) fn piped(input: Input) -> SysResult<(ProgramIo, OtherEnds)> {
    let pipe = || pipe2(OFlag::O_CLOEXEC).called(|| "pipe2");
    let (stdin, writer) = match input {
        Input::Piped => {
            let (reader, writer) = pipe()?;
            (reader, Some(writer))
        }
        Input::Empty => (open_null()?, None),
    };
    let (stdout_reader, stdout) = pipe()?;
    let (stderr_reader, stderr) = pipe()?;
    let program = ProgramIo::Streams {
        stdin,
        stdout,
        stderr,
    };
    let others = OtherEnds {
        stdin: writer,
        stdout: stdout_reader,
        stderr: stderr_reader,
    };
    Ok((program, others))
}
