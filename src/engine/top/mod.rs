// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `top`: the processes of a container, read from the host's /proc. Nothing is run for it, least
//! of all a program out of the container; the flags of ps(1) are understood here.

mod descriptors;
mod process;
mod ps;

use jiff::Timestamp;

use super::error::EngineError;
use super::selection::{Scope, Selection};
use super::{Dialect, Engine};
use crate::state::liveness::Observed;

pub use descriptors::names as descriptor_names;

/// Which container, and what of its processes.
#[derive(Debug, Clone, Default)]
pub struct TopRequest {
    /// A name or id; `None` is the container created last.
    pub container: Option<String>,
    /// Descriptors such as `pid` and `%C`, or flags of ps(1).
    pub words: Vec<String>,
}

/// One cell of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text.
    Text(String),
    /// A span in nanoseconds.
    Span(i64),
    /// A moment.
    Moment(Timestamp),
}

/// A table of processes.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    /// The headings; none where ps(1) was told so.
    pub headings: Vec<String>,
    /// One row per process.
    pub rows: Vec<Vec<Cell>>,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// No such container.
    #[error("unable to look up requested container")]
    NoContainer(#[source] EngineError),
    /// It has no processes.
    #[error("top can only be used on running containers")]
    NotRunning {
        /// The container as it was named.
        name: String,
    },
    /// A flag or column of ps(1) that is not known here.
    #[error("{0}")]
    Ps(#[from] ps::PsError),
    /// It ended while it was looked at.
    #[error("container {name} ended meanwhile")]
    Ended {
        /// The container as it was named.
        name: String,
    },
}

/// Whose numbers and names a table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Those that the container's own programs see.
    Container,
    /// Those of the host, as docker shows them.
    Host,
}

impl Engine {
    /// The processes of a running container.
    ///
    /// # Errors
    ///
    /// See [`TopError`].
    pub fn top(&self, request: &TopRequest) -> Result<Processes, TopError> {
        let store = self
            .store()
            .map_err(|error| TopError::NoContainer(error.into()))?;
        let selection = Selection {
            scope: match request.container {
                Some(_) => Scope::Named,
                None => Scope::Latest,
            },
            words: request.container.iter().cloned().collect(),
            ..Selection::default()
        };
        let chosen = self.select(&selection).map_err(TopError::NoContainer)?;
        let chosen = chosen.into_iter().next().ok_or(EngineError::NoLatest);
        let id = chosen
            .and_then(|one| one.id)
            .map_err(TopError::NoContainer)?;
        let name = request.container.clone().unwrap_or_else(|| id.to_string());
        let observed = store
            .observe(&id)
            .map_err(|error| TopError::NoContainer(error.into()))?;
        let pid = match observed {
            (state, Observed::Running) => state.container.map(|process| process.pid),
            _ => None,
        };
        let Some(pid) = pid else {
            return Err(TopError::NotRunning { name });
        };
        self.table(pid, &request.words, name)
    }

    fn table(&self, pid: i32, words: &[String], name: String) -> Result<Processes, TopError> {
        let asked: Vec<&str> = words
            .iter()
            .flat_map(|word| word.split(','))
            .filter(|word| !word.is_empty())
            .collect();
        let by_descriptors = match self.dialect {
            Dialect::Podman => descriptors::find(&asked),
            Dialect::Docker => None,
        };
        let layout = match by_descriptors {
            Some(columns) => Layout::Descriptors(columns),
            None => Layout::Ps(ps::parse(words)?),
        };
        let view = match self.dialect {
            Dialect::Podman => View::Container,
            Dialect::Docker => View::Host,
        };
        let Some(listing) = process::list(pid) else {
            return Err(TopError::Ended { name });
        };
        Ok(match layout {
            Layout::Descriptors(columns) => descriptors::table(&columns, &listing),
            Layout::Ps(format) => ps::table(&format, &listing, view),
        })
    }
}

/// What the processes of a container use together, as /proc counts it: those that have ended are
/// not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) cpu_nanoseconds: u64,
    pub(super) resident_bytes: u64,
    /// Processes and threads.
    pub(super) tasks: u64,
}

/// What the container with this first process uses; `None` when that has ended.
pub(super) fn usage(init: i32) -> Option<Usage> {
    /// A tick of the kernel's clock.
    const TICK_NANOSECONDS: u64 = 10_000_000;
    let listing = process::list(init)?;
    let each = listing.processes.iter();
    Some(each.fold(Usage::default(), |sum, process| Usage {
        cpu_nanoseconds: sum.cpu_nanoseconds + process.cpu_ticks * TICK_NANOSECONDS,
        resident_bytes: sum.resident_bytes + process.resident_kilobytes * 1024,
        tasks: sum.tasks + process.threads,
    }))
}

/// How the table was asked for.
enum Layout {
    Descriptors(Vec<&'static descriptors::Descriptor>),
    Ps(ps::Format),
}
