// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the lines of the log of events, each once, also while the log is shortened: what the new
//! log keeps of the old one was read before.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::state::events::{Action, Event, ROTATION, ROTATION_BEGINS};

/// A place in the log.
#[derive(Debug)]
pub(super) struct EventReader {
    path: PathBuf,
    file: Option<File>,
    /// Bytes of a line whose end is still to come.
    pending: Vec<u8>,
    /// Lines that were read and not yet asked for.
    lines: VecDeque<Vec<u8>>,
    /// The last line that was read.
    last: Vec<u8>,
}

impl EventReader {
    /// Starts with the oldest line of the log at `path`, which need not be there.
    pub(super) fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            pending: Vec::new(),
            lines: VecDeque::new(),
            last: Vec::new(),
        }
    }

    /// Passes over all that is there now.
    ///
    /// # Errors
    ///
    /// What reading says.
    pub(super) fn skip_to_end(&mut self) -> io::Result<()> {
        while self.next_event()?.is_some() {}
        Ok(())
    }

    /// The next event; `None` when all that is written was read. Lines that are no events are
    /// passed over.
    ///
    /// # Errors
    ///
    /// What reading says.
    pub(super) fn next_event(&mut self) -> io::Result<Option<Event>> {
        loop {
            while let Some(line) = self.lines.pop_front() {
                if let Some(event) = Event::read(&line) {
                    return Ok(Some(event));
                }
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads more lines; false when there are none.
    fn fill(&mut self) -> io::Result<bool> {
        if self.file.is_none() {
            self.file = open_if_there(&self.path)?;
        }
        let Some(file) = &self.file else {
            return Ok(false);
        };
        // Asked first: nothing is missed of what was written before the log was replaced.
        let is_replaced = self.is_replaced(file)?;
        let lines = self.read_lines()?;
        if is_replaced {
            return self.go_on_in_new_log(&lines);
        }
        self.take(lines);
        Ok(!self.lines.is_empty())
    }

    fn take(&mut self, lines: Vec<Vec<u8>>) {
        if let Some(last) = lines.last() {
            self.last.clone_from(last);
        }
        self.lines.extend(lines);
    }

    /// Whole lines up to the end of the file.
    fn read_lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let Some(file) = &mut self.file else {
            return Ok(Vec::new());
        };
        if file.metadata()?.len() < file.stream_position()? {
            // Somebody emptied it.
            file.rewind()?;
            self.pending.clear();
        }
        file.read_to_end(&mut self.pending)?;
        let end = memchr::memrchr(b'\n', &self.pending).map_or(0, |end| end + 1);
        let rest = self.pending.split_off(end);
        let whole = std::mem::replace(&mut self.pending, rest);
        let lines = whole.split(|byte| *byte == b'\n');
        Ok(lines
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect())
    }

    /// `late` are the last lines of the old log. Some of them were perhaps written when the new
    /// one had been made, and stand behind what it keeps as well.
    fn go_on_in_new_log(&mut self, late: &[Vec<u8>]) -> io::Result<bool> {
        let before = self.last.clone();
        self.take(late.to_vec());
        self.pending.clear();
        self.file = open_if_there(&self.path)?;
        let lines = self.read_lines()?;
        let is_new = |line: &Vec<u8>| !late.contains(line);
        let unread = unread(&lines, &before).iter().filter(|line| is_new(line));
        let unread: Vec<Vec<u8>> = unread.cloned().collect();
        self.take(unread);
        Ok(true)
    }

    fn is_replaced(&self, file: &File) -> io::Result<bool> {
        let ours = file.metadata()?;
        match self.path.metadata() {
            Ok(named) => Ok((named.dev(), named.ino()) != (ours.dev(), ours.ino())),
            // It is being replaced by other means, or gone: the next one counts.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Those of the lines of a new log that were not in the old one, up to the line `last`: all behind
/// that line, and the marker of the rotation.
fn unread<'l>(lines: &'l [Vec<u8>], last: &[u8]) -> &'l [Vec<u8>] {
    if !lines
        .first()
        .is_some_and(|line| marks(line, ROTATION_BEGINS))
    {
        // A log of its own.
        return lines;
    }
    if let Some(at) = lines.iter().rposition(|line| line == last) {
        return &lines[at + 1..];
    }
    // Shortened more than once since, or nothing was read before.
    let of_last = Event::read(last).map(|event| event.time);
    let is_read = |line: &&Vec<u8>| {
        let time = Event::read(line).map(|event| event.time);
        marks(line, ROTATION_BEGINS) || (time.is_some() && time <= of_last)
    };
    let read = lines.iter().take_while(is_read).count();
    &lines[read..]
}

fn marks(line: &[u8], place: &str) -> bool {
    Event::read(line).is_some_and(|event| {
        let attributes = event.attributes.unwrap_or_default();
        event.action == Action::LogRotation
            && attributes.get(ROTATION).is_some_and(|value| value == place)
    })
}

fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::events::{EventLog, Kind};

    fn named(number: usize) -> Event {
        Event {
            name: number.to_string(),
            ..Event::new(Kind::Volume, Action::Create)
        }
    }

    fn numbers(reader: &mut EventReader) -> Vec<usize> {
        let mut numbers = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            numbers.extend(event.name.parse::<usize>().ok());
        }
        numbers
    }

    #[test]
    fn each_event_is_read_once_across_rotations() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events/events.log");
        let log = EventLog::at(path.clone(), 4000);
        let mut reader = EventReader::open(&path);
        assert_eq!(numbers(&mut reader), Vec::<usize>::new());
        let mut read = Vec::new();
        for number in 0..200 {
            log.write(&[named(number)]);
            if number % 7 == 0 {
                read.extend(numbers(&mut reader));
            }
        }
        read.extend(numbers(&mut reader));
        assert_eq!(read, (0..200).collect::<Vec<_>>());
        let length = path.metadata().unwrap().len();
        assert!(length < 4200, "{length}");
        // Who comes late reads what is kept, the newest last.
        let kept = numbers(&mut EventReader::open(&path));
        assert_eq!(kept.last(), Some(&199));
        assert!(kept.len() > 10 && kept.is_sorted(), "{kept:?}");
    }

    #[test]
    fn what_is_rotated_away_unread_is_all_that_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.log");
        let log = EventLog::at(path.clone(), 4000);
        let mut reader = EventReader::open(&path);
        log.write(&[named(0)]);
        assert_eq!(numbers(&mut reader), [0]);
        (1..300).for_each(|number| log.write(&[named(number)]));
        let read = numbers(&mut reader);
        let kept = numbers(&mut EventReader::open(&path));
        assert!(read.is_sorted(), "{read:?}");
        assert!(read.ends_with(&kept), "{read:?} {kept:?}");
    }

    #[test]
    fn a_torn_line_is_passed_over() {
        use std::io::Write as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.log");
        let log = EventLog::at(path.clone(), 0);
        log.write(&[named(1)]);
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(br#"{"Name":"2","Status":"cre"#).unwrap();
        let mut reader = EventReader::open(&path);
        assert_eq!(numbers(&mut reader), [1]);
        log.write(&[named(3), named(4)]);
        assert_eq!(numbers(&mut reader), [3, 4]);
    }

    const EACH: usize = 400;

    /// Four write at the same time; the value is what is in the log then, and how large it is.
    fn written_by_four(path: &std::path::Path, bytes_max: u64) -> (Vec<usize>, u64) {
        let log = EventLog::at(path.to_owned(), bytes_max);
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let log = &log;
                scope.spawn(move || {
                    for number in 0..EACH {
                        log.write(&[named(writer * 1000 + number)]);
                    }
                });
            }
        });
        let size = path.metadata().unwrap().len();
        (numbers(&mut EventReader::open(path)), size)
    }

    #[test]
    fn what_many_write_at_the_same_time_is_all_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (mut all, size) = written_by_four(&directory.path().join("whole.log"), 0);
        all.sort_unstable();
        let numbers_of = |writer: usize| (0..EACH).map(move |number| writer * 1000 + number);
        assert_eq!(all, (0..4).flat_map(numbers_of).collect::<Vec<_>>());
        // Shortened once, when most is written.
        let path = directory.path().join("shortened.log");
        let (kept, shortened) = written_by_four(&path, size / 6 * 5);
        assert!(shortened < size / 6 * 5 && kept.len() > EACH, "{shortened}");
        for writer in 0..4 {
            let own = numbers_of(writer).filter(|number| kept.contains(number));
            let own: Vec<usize> = own.collect();
            let newest = numbers_of(writer).rev().take_while(|n| own.contains(n));
            // One that was held up between opening the old log and writing to it comes late, and
            // is there when its neighbours have gone.
            let late = own.len() - newest.count();
            assert!(late <= 1, "{own:?}");
        }
    }
}
