// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a monitor is told when it starts, and whom it asks at the turns of its container's life.

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::checks::Probe;
use super::protocol::AttachedStreams;
use crate::state::id::ContainerId;

/// All that a monitor needs to know about a container.
#[derive(Debug)]
pub struct Supervision {
    /// Whose monitor it is.
    pub id: ContainerId,
    /// Its program, which runs already.
    pub run: Run,
    /// When its standard input is closed.
    pub stdin_policy: StdinPolicy,
    /// Where its output is kept.
    pub log: LogSettings,
    /// A directory on a disk, for the output that clients which have stopped reading still get.
    pub scratch: PathBuf,
    /// The listening socket of its run directory.
    pub listener: Option<OwnedFd>,
    /// The command in the foreground, attached from the first byte.
    pub first_client: Option<FirstClient>,
    /// `--timeout`: SIGKILL after each run has taken this long.
    pub timeout: Option<Duration>,
}

/// One run of a container's program.
#[derive(Debug)]
pub struct Run {
    /// Its first process: our child, reaped through this descriptor.
    pub container: OwnedFd,
    /// Its process id, as seen from here.
    pub pid: i32,
    /// Our ends of its standard streams.
    pub io: ContainerIo,
    /// Process descriptors of what must end with it (network helpers).
    pub helpers: Vec<OwnedFd>,
    /// That of the process that serves its root, without which it cannot go on.
    pub root_server: Option<OwnedFd>,
    /// Closed with it: what others end by.
    pub held: Vec<OwnedFd>,
    /// Its connection with what serves it from outside; dropped at its end, before the record.
    pub lifeline: Option<Box<dyn Lifeline>>,
    /// `memory.events` of its cgroup, which knows of out-of-memory kills.
    pub memory_events: Option<OwnedFd>,
    /// Checks its health.
    pub probe: Option<Box<dyn Probe>>,
}

/// What is decided and done elsewhere at the turns of a container's life.
pub trait Conduct: fmt::Debug {
    /// Writes the exit into the record: after the last output, before any client hears of the end.
    fn record_exit(&mut self, report: &ExitReport) -> Next;

    /// Tells the command in the foreground of the end of a run that is not the last.
    fn run_ended(&mut self, code: i32);

    /// The pause before the next run is over: starts it, unless somebody wants otherwise by now.
    ///
    /// # Errors
    ///
    /// The exit code of a container that is not started again; that it has ended is on record.
    fn start_again(&mut self, pause: Pause) -> Result<Run, i32>;

    /// Removes what must go after the last end, before any client hears of it.
    fn clean_up(&mut self);
}

/// How the pause between two runs has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// By the clock.
    Over,
    /// A signal has told the monitor to end.
    Broken,
}

/// What comes after the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the container has ended.
    End,
    /// Another run.
    Again {
        /// After this pause.
        pause: Duration,
    },
}

/// A connection that must be attended to while the container runs.
pub trait Lifeline: fmt::Debug {
    /// Readable when something has happened; nothing is watched without one.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;

    /// Something has happened.
    fn attend(&mut self);
}

/// Our ends of a container's standard streams.
#[derive(Debug)]
pub enum ContainerIo {
    /// Pipes; those that the container does not have are `None`.
    Pipes {
        /// The write end of its standard input.
        stdin: Option<OwnedFd>,
        /// The read end of its standard output.
        stdout: Option<OwnedFd>,
        /// The read end of its standard error.
        stderr: Option<OwnedFd>,
    },
    /// A pseudo-terminal.
    Terminal {
        /// Its master side.
        master: OwnedFd,
    },
    /// The container has the caller's own streams, or none: nothing passes through here.
    Inherited,
}

/// When a container's standard input is closed. Never with a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdinPolicy {
    /// When a client that was attached to it has ended its input or gone away.
    CloseAfterClient,
    /// Only with the container (`docker run -d -i`).
    KeepOpen,
}

/// Where a container's output is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The format.
    pub driver: LogDriver,
    /// The file.
    pub path: PathBuf,
    /// A new file is begun before one grows over this many bytes; 0 is never.
    pub size_max_bytes: u64,
    /// How many files are kept: 1 forgets the old one, as Podman does; with n there are `.1` up
    /// to `.n-1` beside it.
    pub files_max: u32,
    /// What the host's journal is told as well, where it gets the lines, too.
    pub journal: Option<JournalFields>,
}

/// Whose the lines in the journal are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalFields {
    /// The container's full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `--log-opt tag=`; may be empty.
    pub tag: String,
    /// The name of its image; may be empty.
    pub image: String,
}

/// The format of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogDriver {
    /// `TIME STREAM F|P TEXT`, as Podman and Kubernetes keep it.
    K8sFile,
    /// One JSON object a line, as Docker keeps it.
    JsonFile,
    /// Nothing is kept.
    None,
    /// The container writes to the caller's own streams: there is nothing to keep.
    Passthrough,
}

/// A client that needs no request: the command that started the container in the foreground.
#[derive(Debug)]
pub struct FirstClient {
    /// Our end of a pair of stream sockets.
    pub socket: OwnedFd,
    /// What it joins.
    pub streams: AttachedStreams,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitReport {
    /// Its exit code; 128+n after signal n.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel's memory killer was at work in its cgroup.
    pub oom_killed: bool,
    /// Whether a client announced that the user ended it.
    pub stopped_by_user: bool,
    /// Whether the monitor itself was told to end, and the container with it.
    pub monitor_asked: bool,
    /// Whether `timeout` ended it.
    pub timed_out: bool,
    /// When that was seen.
    pub finished_at: Timestamp,
}

impl ExitReport {
    /// The code that goes on record: podman's own for a container whose time was up.
    pub fn recorded_code(&self) -> i32 {
        if self.timed_out { -1 } else { self.code }
    }
}
