// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `logs`: what containers have written, from their log files, in the order of time.

mod follow;
mod reader;
mod record;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use self::follow::{Follower, Life};
use self::reader::{LogReader, Start};
use self::record::Line;
use super::Engine;
use super::error::EngineError;
pub use crate::monitor::protocol::OutputStream;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::store::Store;
use crate::sys::SysError;
use crate::sys::poll::{Interest, PollSet};

/// How often a log is looked at that nobody tells of.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// What `logs` is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// Whether to wait for more.
    pub follow: Follow,
    /// Only so many lines at the end.
    pub tail: Option<u64>,
    /// Only what was written after this.
    pub since: Option<Timestamp>,
    /// Only what was written before this; following ends then.
    pub until: Option<Timestamp>,
}

/// Whether `logs` waits for more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Follow {
    /// It ends with what is there.
    #[default]
    No,
    /// It ends with the containers.
    UntilEnd,
}

/// Output of a container, a line or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPiece<'a> {
    /// Which of the containers asked for, from 0.
    pub container: usize,
    /// Where it was written.
    pub stream: OutputStream,
    /// When.
    pub time: Timestamp,
    /// The output, without the end of the line.
    pub text: &'a [u8],
    /// Whether the line ends here.
    pub ends_line: bool,
}

/// Who gets the output.
pub trait LogSink {
    /// Takes a piece.
    ///
    /// # Errors
    ///
    /// What write(2) says; nothing more is sent then.
    fn piece(&mut self, piece: &LogPiece<'_>) -> io::Result<()>;

    /// Nothing more is there for now: what was kept back should be shown.
    ///
    /// # Errors
    ///
    /// What write(2) says.
    fn pause(&mut self) -> io::Result<()>;

    /// A descriptor whose hang-up means that nobody reads any more.
    fn output(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Why logs cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// There is no such container, or its record cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its output is not kept.
    #[error(
        "this container is using the '{driver}' log driver, cannot read logs: this container is \
         not logging output"
    )]
    NotKept {
        /// The driver.
        driver: String,
    },
    /// Its log cannot be read.
    #[error("read the log {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Waiting for more failed.
    #[error("wait for more output")]
    Wait(#[from] SysError),
    /// The output could not be written.
    #[error("write the log")]
    Write(#[source] io::Error),
}

impl From<StateError> for LogsError {
    fn from(error: StateError) -> Self {
        Self::Engine(error.into())
    }
}

impl Engine {
    /// Hands the output of `containers` to `sink`, what was written first first.
    ///
    /// # Errors
    ///
    /// [`LogsError::NotKept`] before anything is shown; the others name what failed.
    pub fn logs(
        &self,
        containers: &[ContainerId],
        request: &LogRequest,
        sink: &mut dyn LogSink,
    ) -> Result<(), LogsError> {
        let store = self.store()?;
        let mut paths = Vec::new();
        for id in containers {
            paths.push(log_path(&store, id)?);
        }
        let mut sources = Vec::new();
        for (id, path) in containers.iter().zip(paths) {
            sources.push(Source::open(&store, id, path, request)?);
        }
        Showing {
            store: &store,
            sources,
            request,
            sink,
        }
        .run()
    }
}

fn log_path(store: &Store, id: &ContainerId) -> Result<PathBuf, LogsError> {
    let resolved = store.load(id)?.resolved;
    match resolved.log_driver.as_str() {
        "none" | "passthrough" | "passthrough-tty" => Err(LogsError::NotKept {
            driver: resolved.log_driver,
        }),
        _ => Ok(resolved.log_path),
    }
}

/// The log of one container.
#[derive(Debug)]
struct Source {
    id: ContainerId,
    path: PathBuf,
    reader: LogReader,
    follower: Follower,
    /// The next record, which was read to learn its time.
    next: Option<Kept>,
}

/// A record out of its file.
#[derive(Debug)]
struct Kept {
    time: Timestamp,
    stream: OutputStream,
    text: Vec<u8>,
    line: Line,
}

impl Source {
    fn open(
        store: &Store,
        id: &ContainerId,
        path: PathBuf,
        request: &LogRequest,
    ) -> Result<Self, LogsError> {
        let follower = match request.follow {
            Follow::No => Follower::Ended,
            Follow::UntilEnd => {
                Follower::start(&store.dirs().container_run(id), || life(store, id))
            }
        };
        let start = request.tail.map_or(Start::Oldest, Start::LastLines);
        let reader = LogReader::open(&path, start).map_err(|error| read_error(&path, error))?;
        Ok(Self {
            id: id.clone(),
            path,
            reader,
            follower,
            next: None,
        })
    }

    /// Reads up to the next record that was asked for.
    fn advance(&mut self, request: &LogRequest) -> Result<(), LogsError> {
        while self.next.is_none() {
            let line = self.reader.next_line();
            let Some(line) = line.map_err(|error| read_error(&self.path, error))? else {
                return Ok(());
            };
            let Some(record) = record::parse(line) else {
                continue;
            };
            let early = request.since.is_some_and(|since| record.time <= since);
            let late = request.until.is_some_and(|until| record.time >= until);
            if !early && !late {
                self.next = Some(Kept {
                    time: record.time,
                    stream: record.stream,
                    text: record.text.into_owned(),
                    line: record.line,
                });
            }
        }
        Ok(())
    }
}

/// A `logs` at work.
struct Showing<'a> {
    store: &'a Store,
    sources: Vec<Source>,
    request: &'a LogRequest,
    sink: &'a mut dyn LogSink,
}

impl Showing<'_> {
    fn run(mut self) -> Result<(), LogsError> {
        loop {
            // Who ends now has written everything before: one more look is the last.
            let all_ended = self.sources.iter().all(Source::has_ended);
            self.show_what_is_there()?;
            self.sink.pause().map_err(LogsError::Write)?;
            if all_ended || self.time_is_over() {
                return Ok(());
            }
            self.wait()?;
        }
    }

    fn show_what_is_there(&mut self) -> Result<(), LogsError> {
        loop {
            for source in &mut self.sources {
                source.advance(self.request)?;
            }
            let with_time = |(index, source): (usize, &Source)| {
                source.next.as_ref().map(|kept| (kept.time, index))
            };
            let earliest = self.sources.iter().enumerate().filter_map(with_time).min();
            let Some((_, container)) = earliest else {
                return Ok(());
            };
            if let Some(kept) = self.sources[container].next.take() {
                let piece = LogPiece {
                    container,
                    stream: kept.stream,
                    time: kept.time,
                    text: &kept.text,
                    ends_line: kept.line == Line::Whole,
                };
                self.sink.piece(&piece).map_err(LogsError::Write)?;
            }
        }
    }

    fn time_is_over(&self) -> bool {
        self.request
            .until
            .is_some_and(|until| until <= Timestamp::now())
    }

    fn wait(&mut self) -> Result<(), LogsError> {
        let mut set = PollSet::new();
        let mut looking = false;
        for (index, source) in self.sources.iter_mut().enumerate() {
            source.follower.arm();
            looking |= matches!(source.follower, Follower::Nobody);
            if let Some(descriptor) = source.follower.descriptor() {
                set.watch(descriptor, Interest::Read, Some(index));
            }
        }
        if let Some(output) = self.sink.output() {
            set.watch(output, Interest::HangUp, None);
        }
        set.wait(self.longest_wait(looking))?;
        let mut position = 0;
        while let Some((event, _, next)) = set.next_ready(position) {
            position = next;
            match event {
                Some(index) => self.sources[index].follower.hear(),
                None => return Err(LogsError::Write(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let store = self.store;
        for source in &mut self.sources {
            let Source { id, follower, .. } = source;
            follower.look(|| life(store, id));
        }
        Ok(())
    }

    fn longest_wait(&self, looking: bool) -> Option<Duration> {
        let left = |until: Timestamp| {
            let left = until.duration_since(Timestamp::now());
            Duration::try_from(left).unwrap_or(Duration::ZERO)
        };
        let until = self.request.until.map(left);
        let look = looking.then_some(LOOK_INTERVAL);
        until.into_iter().chain(look).min()
    }
}

impl Source {
    fn has_ended(&self) -> bool {
        matches!(self.follower, Follower::Ended)
    }
}

fn life(store: &Store, id: &ContainerId) -> Life {
    match store.observe(id) {
        Ok((_, observed)) if observed.is_attended() => Life::Up,
        Ok(_) | Err(_) => Life::Over,
    }
}

fn read_error(path: &Path, source: io::Error) -> LogsError {
    LogsError::Read {
        path: path.to_owned(),
        source,
    }
}

/// Reads a log file.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        drop(record::parse(line));
    }
}
