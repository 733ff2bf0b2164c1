// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How who follows a log hears of more: from the container's monitor, or by looking now and then
//! where the monitor cannot be reached.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::unistd;

use crate::monitor::protocol::{Connection, Reply, Request};
use crate::sys::fdpass;

/// What tells of more records of one container.
#[derive(Debug)]
pub(super) enum Follower {
    /// Its monitor, asked by a byte for each byte that it sends.
    Monitor(OwnedFd),
    /// Nobody: the container runs, but its socket is gone. Its log is looked at now and then.
    Nobody,
    /// Nothing more will come.
    Ended,
}

/// Whether a container runs, as its record and /proc have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Up,
    Over,
}

impl Follower {
    /// Asks the monitor of the container with that run directory. What is written from now on is
    /// told, so the log is read after this.
    pub(super) fn start(run_directory: &Path, life: impl Fn() -> Life) -> Self {
        match ask(run_directory) {
            Some(stream) => Self::Monitor(stream),
            None if life() == Life::Up => Self::Nobody,
            None => Self::Ended,
        }
    }

    /// All that is written was read: asks to be told of more.
    pub(super) fn arm(&mut self) {
        if let Self::Monitor(stream) = self {
            // A monitor that has ended is seen by the next read.
            drop(fdpass::send(stream.as_fd(), b".", &[]));
        }
    }

    /// What to wait for.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Monitor(stream) => Some(stream.as_fd()),
            Self::Nobody | Self::Ended => None,
        }
    }

    /// Takes what the monitor sent: news, or the end.
    pub(super) fn hear(&mut self) {
        let Self::Monitor(stream) = self else {
            return;
        };
        let mut buffer = [0; 512];
        match unistd::read(stream, &mut buffer) {
            Ok(length) if length > 0 && !buffer[..length].contains(&b'{') => {}
            Err(Errno::EINTR) => {}
            // The exit code, the end of the stream, or a monitor that was killed.
            Ok(_) | Err(_) => *self = Self::Ended,
        }
    }

    /// Looks whether a container without a monitor that answers still runs.
    pub(super) fn look(&mut self, life: impl Fn() -> Life) {
        if matches!(self, Self::Nobody) && life() == Life::Over {
            *self = Self::Ended;
        }
    }
}

fn ask(run_directory: &Path) -> Option<OwnedFd> {
    let connection = Connection::open(run_directory).ok()?;
    connection.send(&Request::FollowLog).ok()?;
    match connection.reply().ok()? {
        Reply::Done => Some(connection.into_stream()),
        Reply::Attached(_) | Reply::Exited { .. } | Reply::Refused(_) => None,
    }
}
