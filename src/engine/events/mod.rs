// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `events`: what has happened, and what happens while somebody looks. The events of commands are
//! written where the thing is done; those of a container's life by its monitor.

mod filter;
mod reader;

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use filter::EventFilters;
use reader::EventReader;

use super::Engine;
use crate::state::StateError;
use crate::state::events::{Action, CreateDetail, Event};
use crate::state::id::ContainerId;
use crate::state::record::ContainerRecord;
use crate::state::store::Store;
use crate::sys::SysError;
use crate::sys::poll::{Interest, PollSet};

/// How often the log is looked at where the kernel cannot tell of changes.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What inspect says of a container, as JSON.
pub type Describe = fn(&Engine, &ContainerId) -> Option<String>;

static DESCRIBE: OnceLock<Describe> = OnceLock::new();

/// Installs what says all of a new container, once: the engine knows documents, and no text of
/// them.
pub fn install_description(describe: Describe) {
    DESCRIBE.get_or_init(|| describe);
}

/// Which events are shown.
#[derive(Debug, Clone)]
pub struct EventsRequest {
    /// `--filter`.
    pub filters: Vec<String>,
    /// From which moment on, itself not.
    pub since: Option<Timestamp>,
    /// Up to which moment, itself not.
    pub until: Option<Timestamp>,
    /// Whether those that are still to come are shown.
    pub stream: Stream,
}

/// Whether events that are still to come are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Those that are in the log.
    No,
    /// Those to come as well, until `until`; and of those in the log only what `since` and `until`
    /// ask for.
    Yes,
}

/// Where events are shown.
pub trait EventSink {
    /// Shows one.
    ///
    /// # Errors
    ///
    /// What writing says.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// All that was there is shown.
    ///
    /// # Errors
    ///
    /// What writing says.
    fn pause(&mut self) -> io::Result<()>;

    /// The stream whose reader may go away meanwhile.
    fn output(&self) -> Option<BorrowedFd<'_>>;
}

/// Why events cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// None are kept.
    #[error("cannot read events with the \"none\" backend")]
    NoBackend,
    /// `--filter`.
    #[error("failed to parse event filters: {0}")]
    Filter(String),
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
    /// The log.
    #[error("read the events in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Its directory, or waiting.
    #[error("watch the events in {}", path.display())]
    Watch {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
    /// Where they are shown.
    #[error("write events")]
    Write(#[source] io::Error),
}

impl Engine {
    /// Writes down what has happened, several things with one call. Whoever has a store has the
    /// same in `store.dirs().events`.
    pub fn emit(&self, events: &[Event]) {
        self.dirs.events.write(events);
    }

    /// Writes down that a container was made, with all that inspect says of it where that is
    /// asked for.
    pub(super) fn emit_created(&self, record: &ContainerRecord) {
        let mut event = Event::of_container(record, Action::Create);
        if let (CreateDetail::Inspect, Some(describe)) = (self.dirs.events.detail, DESCRIBE.get()) {
            event.inspect_data = describe(self, &record.id).unwrap_or_default();
        }
        self.emit(&[event]);
    }

    /// Shows events, each as soon as it is written.
    ///
    /// # Errors
    ///
    /// See [`EventsError`].
    pub fn events(
        &self,
        request: &EventsRequest,
        sink: &mut dyn EventSink,
    ) -> Result<(), EventsError> {
        let filters =
            EventFilters::parse(&request.filters, self.dialect).map_err(EventsError::Filter)?;
        let log = &self.dirs.events;
        let path = log.path().ok_or(EventsError::NoBackend)?;
        let watch = match request.stream {
            Stream::No => None,
            Stream::Yes => {
                // The tree of the store is there then.
                self.store()?;
                log.make().map_err(|source| EventsError::Watch {
                    path: path.to_owned(),
                    source,
                })?;
                Some(Watch::new(path))
            }
        };
        let mut showing = Showing {
            path,
            reader: EventReader::open(path),
            filters,
            request,
            sink,
        };
        if watch.is_some() && request.since.is_none() && request.until.is_none() {
            let skipped = showing.reader.skip_to_end();
            skipped.map_err(|source| showing.unreadable(source))?;
        }
        showing.run(watch.as_ref())
    }
}

/// An `events` at work.
struct Showing<'a> {
    path: &'a Path,
    reader: EventReader,
    filters: EventFilters,
    request: &'a EventsRequest,
    sink: &'a mut dyn EventSink,
}

impl Showing<'_> {
    fn run(mut self, watch: Option<&Watch>) -> Result<(), EventsError> {
        loop {
            let now = Timestamp::now();
            self.show_what_is_there()?;
            self.sink.pause().map_err(EventsError::Write)?;
            let is_over = self.request.until.is_some_and(|until| until <= now);
            match watch {
                Some(watch) if !is_over => self.wait(watch)?,
                Some(_) | None => return Ok(()),
            }
        }
    }

    fn show_what_is_there(&mut self) -> Result<(), EventsError> {
        loop {
            let event = self.reader.next_event();
            let Some(event) = event.map_err(|source| self.unreadable(source))? else {
                return Ok(());
            };
            let early = self.request.since.is_some_and(|since| event.time <= since);
            let late = self.request.until.is_some_and(|until| event.time >= until);
            if !early && !late && self.filters.let_through(&event) {
                self.sink.event(&event).map_err(EventsError::Write)?;
            }
        }
    }

    fn wait(&self, watch: &Watch) -> Result<(), EventsError> {
        let mut set = PollSet::new();
        if let Some(output) = self.sink.output() {
            set.watch(output, Interest::HangUp, Woken::OutputClosed);
        }
        let left = |until: Timestamp| {
            let left = until.duration_since(Timestamp::now());
            Duration::try_from(left).unwrap_or(Duration::ZERO)
        };
        let looking = watch.register(&mut set);
        let timeout = self
            .request
            .until
            .map(left)
            .into_iter()
            .chain(looking)
            .min();
        set.wait(timeout).map_err(|source| EventsError::Watch {
            path: self.path.to_owned(),
            source,
        })?;
        let mut position = 0;
        while let Some((woken, _, next)) = set.next_ready(position) {
            position = next;
            match woken {
                Woken::OutputClosed => {
                    return Err(EventsError::Write(io::ErrorKind::BrokenPipe.into()));
                }
                Woken::Changed => watch.drain(),
            }
        }
        Ok(())
    }

    fn unreadable(&self, source: io::Error) -> EventsError {
        EventsError::Read {
            path: self.path.to_owned(),
            source,
        }
    }
}

/// Why a wait is over.
#[derive(Debug, Clone, Copy)]
enum Woken {
    Changed,
    OutputClosed,
}

/// Tells of changes in the directory of the log, and so of a log that is replaced.
struct Watch(Option<Inotify>);

impl Watch {
    /// Without a watch, when the user has used up its number of them, the log is looked at now and
    /// then.
    fn new(log: &Path) -> Self {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let changes =
            AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CREATE;
        let directory = log.parent().unwrap_or(log);
        let inotify = Inotify::init(flags).ok();
        Self(inotify.filter(|inotify| inotify.add_watch(directory, changes).is_ok()))
    }

    /// Adds the watch to `set`; the value is how long to wait at most.
    fn register(&self, set: &mut PollSet<Woken>) -> Option<Duration> {
        let Some(inotify) = &self.0 else {
            return Some(LOOK_INTERVAL);
        };
        set.watch(inotify.as_fd(), Interest::Read, Woken::Changed);
        None
    }

    fn drain(&self) {
        if let Some(inotify) = &self.0 {
            while inotify.read_events().is_ok() {}
        }
    }
}

/// Writes down what has happened to a container, as its record has it.
pub(super) fn emit_of(store: &Store, id: &ContainerId, action: Action) {
    let events = &store.dirs().events;
    if let (Some(_), Ok(record)) = (events.path(), store.load(id)) {
        events.write(&[Event::of_container(&record, action)]);
    }
}

/// The record of a container that may have been renamed since it was read.
pub(super) fn as_it_is_called_now<'a>(
    store: &Store,
    record: &'a ContainerRecord,
) -> Cow<'a, ContainerRecord> {
    if store.is_called(&record.id, &record.name) {
        return Cow::Borrowed(record);
    }
    match store.load(&record.id) {
        Ok(now) => Cow::Owned(now),
        // It is gone already.
        Err(_) => Cow::Borrowed(record),
    }
}
