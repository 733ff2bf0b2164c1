// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writing events: one open, one write. A log that has grown to its limit is shortened by who
//! writes next, in the form that Podman gives it: the newer half, between two events that say so.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Action, Event, Kind};
use crate::sys::fs::{Writers, private_directories};
use crate::sys::{Called, Ignored, SysResult, fs as sys_fs};

/// The size at which a log is shortened, unless another one is asked for.
pub const LOG_BYTES_MAX: u64 = 1_000_000;

/// How long the writers that still have the old log open may take.
const LATE_WRITERS: Duration = Duration::from_millis(500);

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLog {
    /// The file; `None` where no events are kept.
    path: Option<PathBuf>,
    /// The size at which it is shortened; 0 is no limit.
    bytes_max: u64,
    /// What the event of a new container says.
    pub detail: CreateDetail,
}

/// What the event of a new container says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CreateDetail {
    /// What all events say.
    #[default]
    Plain,
    /// All that inspect says as well (`events_container_create_inspect_data`).
    Inspect,
}

impl EventLog {
    /// No events are kept.
    pub fn none() -> Self {
        Self {
            path: None,
            bytes_max: 0,
            detail: CreateDetail::Plain,
        }
    }

    /// Whether no events are kept.
    pub fn is_none(&self) -> bool {
        self.path.is_none()
    }

    /// Events are kept in `path`, which is shortened at `bytes_max`; 0 is no limit.
    pub fn at(path: PathBuf, bytes_max: u64) -> Self {
        Self {
            path: Some(std::path::absolute(&path).unwrap_or(path)),
            bytes_max,
            detail: CreateDetail::Plain,
        }
    }

    /// The file; `None` where no events are kept.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Adds `events`, in their order, with one call.
    ///
    /// What has happened has happened: nobody is told when it cannot be written down.
    pub fn write(&self, events: &[Event]) {
        if let (Some(path), false) = (&self.path, events.is_empty()) {
            append(path, &lines(events), self.bytes_max).ignored();
        }
    }

    /// Makes an empty log where there is none, so that it can be watched.
    ///
    /// # Errors
    ///
    /// What mkdir(2) and open(2) say.
    pub fn make(&self) -> SysResult<()> {
        self.path
            .as_deref()
            .map_or(Ok(()), |path| open(path).map(drop))
    }
}

fn lines(events: &[Event]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(512 * events.len());
    for event in events {
        serde_json::to_writer(&mut lines, event).expect("an event is plain data");
        lines.push(b'\n');
    }
    lines
}

fn append(path: &Path, lines: &[u8], bytes_max: u64) -> SysResult<()> {
    let mut file = open(path)?;
    let metadata = file
        .metadata()
        .called(|| format!("fstat({})", path.display()))?;
    let bytes_before = bytes_max.saturating_sub(lines.len() as u64);
    let is_full = bytes_max > 0 && metadata.len() > bytes_before;
    if is_full {
        // One that cannot be shortened grows.
        shorten(path, bytes_before).ok();
    }
    if is_full || metadata.nlink() == 0 {
        file = open(path)?;
    }
    file.write_all(lines)
        .called(|| format!("write({})", path.display()))
}

fn open(path: &Path) -> SysResult<File> {
    let open = || {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).open(path)
    };
    let file = match (open(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            private_directories()
                .create(parent)
                .called(|| format!("mkdir({})", parent.display()))?;
            open()
        }
        (file, _) => file,
    };
    file.called(|| format!("open({})", path.display()))
}

/// Replaces a log of more than `bytes_max` by its newer half. Whoever is at it already does it for
/// all: their new log, which they still add late lines to, is not shortened once more.
fn shorten(path: &Path, bytes_max: u64) -> io::Result<()> {
    let old = File::open(path)?;
    if old.try_lock().is_err() || !is_at(&old, path)? || old.metadata()?.len() <= bytes_max {
        return Ok(());
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let mut new = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&temporary)?;
    // Of somebody who was killed at it.
    new.set_len(0)?;
    let taken = copy_newer_half(&old, &mut new, path)?;
    fs::rename(&temporary, path)?;
    take_late_lines(old, taken, &mut new)
}

/// Writes the new log; the value is how much of the old one is in it or left out.
fn copy_newer_half(old: &File, new: &mut File, path: &Path) -> io::Result<u64> {
    let marker = |place: &str| {
        let event = Event {
            name: path.to_string_lossy().into_owned(),
            ..Event::new(Kind::System, Action::LogRotation)
        };
        lines(&[event.with(ROTATION, place)])
    };
    let mut reader = BufReader::new(old);
    reader.seek(SeekFrom::Start(old.metadata()?.len() / 2))?;
    let mut half_a_line = Vec::new();
    reader.read_until(b'\n', &mut half_a_line)?;
    new.write_all(&marker(ROTATION_BEGINS))?;
    io::copy(&mut reader, new)?;
    let taken = reader.stream_position()?;
    new.write_all(&marker(ROTATION_ENDS))?;
    Ok(taken)
}

/// Who opened the old log before it was replaced may write to it after it was copied. Nobody else
/// can open it now: once the last one has closed it, all that they wrote is here.
fn take_late_lines(mut old: File, taken: u64, new: &mut File) -> io::Result<()> {
    let deadline = Instant::now() + LATE_WRITERS;
    while sys_fs::writers_of(old.as_fd()) == Writers::Some && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut late = Vec::new();
    old.seek(SeekFrom::Start(taken))?;
    old.read_to_end(&mut late)?;
    if late.is_empty() {
        return Ok(());
    }
    new.write_all(&late)
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, named) = (file.metadata()?, path.metadata()?);
    Ok((ours.dev(), ours.ino()) == (named.dev(), named.ino()))
}

/// The attribute that tells the two events of a rotation apart.
pub const ROTATION: &str = "io.podman.event.rotate";

/// What follows was in the log before.
pub const ROTATION_BEGINS: &str = "begin";

/// What follows is new.
const ROTATION_ENDS: &str = "end";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_found_it_full_shorten_it_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.log");
        let event = lines(&[Event::new(Kind::Volume, Action::Create)]);
        open(&path).unwrap().write_all(&event.repeat(100)).unwrap();
        let bytes_max = (event.len() * 90) as u64;
        shorten(&path, bytes_max).unwrap();
        let once = fs::read(&path).unwrap();
        assert!(once.len() as u64 <= bytes_max);
        shorten(&path, bytes_max).unwrap();
        assert_eq!(once, fs::read(&path).unwrap());
    }
}
