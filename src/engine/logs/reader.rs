// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the records of one log in their order: those of the files that rotation has kept, oldest
//! first, then those of the file that is written now, across each rotation that happens meanwhile.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::record::{Line, parse};

const BLOCK_BYTES: usize = 64 * 1024;

/// No record of ours is longer; what is, is read in parts that are no records, and passed over.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A place in a log.
#[derive(Debug)]
pub(super) struct LogReader {
    path: PathBuf,
    /// The file that is read; `None` when there is none yet.
    file: Option<File>,
    /// Bytes that were read and not yet taken as lines.
    pending: Vec<u8>,
    taken: usize,
    /// How far `pending` was searched for a newline.
    searched: usize,
}

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With the oldest record.
    Oldest,
    /// With so many lines before the end.
    LastLines(u64),
}

impl LogReader {
    /// Opens the log at `path`; a container that has not written anything may have none.
    pub(super) fn open(path: &Path, start: Start) -> io::Result<Self> {
        let mut reader = Self {
            path: path.to_owned(),
            file: None,
            pending: Vec::new(),
            taken: 0,
            searched: 0,
        };
        match start {
            Start::Oldest => reader.file = open_if_there(&oldest(path))?,
            Start::LastLines(lines) => reader.seek_to_last_lines(lines)?,
        }
        Ok(reader)
    }

    /// The next line of the log, without its newline; `None` when all that is written was read.
    /// An incomplete line stays for later.
    pub(super) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            if let Some(end) = self.find_line() {
                let start = self.taken;
                self.taken = end + 1;
                self.searched = self.taken;
                return Ok(Some(&self.pending[start..end]));
            }
            if !self.fill()? && !self.next_file()? {
                return Ok(None);
            }
        }
    }

    fn find_line(&mut self) -> Option<usize> {
        let mut unsearched = self.pending[self.searched..].iter();
        if let Some(offset) = unsearched.position(|byte| *byte == b'\n') {
            return Some(self.searched + offset);
        }
        self.searched = self.pending.len();
        None
    }

    /// Reads another block; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        self.pending.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        if self.pending.len() > LINE_BYTES_MAX {
            self.pending.clear();
            self.searched = 0;
        }
        let start = self.pending.len();
        self.pending.resize(start + BLOCK_BYTES, 0);
        let length = file.read(&mut self.pending[start..]);
        self.pending
            .truncate(start + length.as_ref().map_or(0, |length| *length));
        if length? > 0 {
            return Ok(true);
        }
        // Somebody emptied the file: what is written now begins at its start again.
        if file.metadata()?.len() < file.stream_position()? {
            file.rewind()?;
            self.pending.clear();
            self.searched = 0;
            return self.fill();
        }
        Ok(false)
    }

    /// Goes on with the file that was begun after this one; false when this is the newest.
    fn next_file(&mut self) -> io::Result<bool> {
        let Some(next) = self.newer_file()? else {
            return Ok(false);
        };
        // The last records may have come between the last read and the rotation.
        if self.file.is_some() && self.fill()? {
            return Ok(true);
        }
        self.file = Some(next);
        self.pending.clear();
        self.taken = 0;
        self.searched = 0;
        Ok(true)
    }

    fn newer_file(&self) -> io::Result<Option<File>> {
        let Some(ours) = &self.file else {
            return open_if_there(&oldest(&self.path));
        };
        let ours = identity(&ours.metadata()?);
        let mut newer = None;
        for number in 0.. {
            let Some(file) = open_if_there(&numbered(&self.path, number))? else {
                break;
            };
            if identity(&file.metadata()?) == ours {
                return Ok(newer);
            }
            newer = Some(file);
        }
        // Ours is not kept any more: the oldest that is comes next.
        Ok(newer)
    }

    fn seek_to_last_lines(&mut self, lines: u64) -> io::Result<()> {
        let mut left = LinesLeft { lines, last: true };
        for number in 0.. {
            let Some(mut file) = open_if_there(&numbered(&self.path, number))? else {
                break;
            };
            let offset = left.seek_back(&file)?;
            file.seek(SeekFrom::Start(offset.unwrap_or(0)))?;
            self.file = Some(file);
            if offset.is_some() {
                break;
            }
        }
        Ok(())
    }
}

/// Counts lines from the end of a log.
struct LinesLeft {
    lines: u64,
    /// The record that is looked at is the newest: without its end it is a line, too.
    last: bool,
}

impl LinesLeft {
    /// Where in `file` the lines that are wanted begin; `None` when it has fewer of them.
    fn seek_back(&mut self, file: &File) -> io::Result<Option<u64>> {
        let mut end = file.metadata()?.len();
        // Bytes from `end` on that belong to a record whose beginning was not found yet.
        let mut tail = Vec::new();
        while end > 0 {
            let start = end.saturating_sub(BLOCK_BYTES as u64);
            let mut block = vec![0; usize::try_from(end - start).expect("a block is small")];
            file.read_exact_at(&mut block, start)?;
            block.append(&mut tail);
            while let Some(newline) = block[..block.len().saturating_sub(1)]
                .iter()
                .rposition(|byte| *byte == b'\n')
            {
                if self.is_one_too_many(&block[newline + 1..]) {
                    return Ok(Some(start + block.len() as u64));
                }
                block.truncate(newline + 1);
            }
            if start == 0 {
                let too_many = self.is_one_too_many(&block);
                return Ok(too_many.then_some(block.len() as u64));
            }
            tail = if block.len() > LINE_BYTES_MAX {
                Vec::new()
            } else {
                block
            };
            end = start;
        }
        Ok(None)
    }

    /// Counts a record; true when the lines that are wanted come after it.
    fn is_one_too_many(&mut self, record: &[u8]) -> bool {
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let Some(record) = parse(record) else {
            return false;
        };
        if record.line == Line::Whole || self.last {
            if self.lines == 0 {
                return true;
            }
            self.lines -= 1;
        }
        self.last = false;
        false
    }
}

/// The file that rotation has moved `number` times.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// The oldest file that is kept.
fn oldest(path: &Path) -> PathBuf {
    let kept = (1..).take_while(|number| numbered(path, *number).exists());
    numbered(path, kept.last().unwrap_or(0))
}

fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn identity(metadata: &std::fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn record(tag: char, text: &str) -> String {
        format!("1970-01-01T00:00:07Z stdout {tag} {text}\n")
    }

    fn numbers(range: std::ops::Range<u32>) -> String {
        range
            .map(|number| record('F', &number.to_string()))
            .collect()
    }

    /// The texts of all records that are there now.
    fn texts(reader: &mut LogReader) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            let record = parse(line).unwrap();
            texts.push(String::from_utf8(record.text.into_owned()).unwrap());
        }
        texts
    }

    #[test]
    fn a_log_is_read_as_it_grows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut reader = LogReader::open(&path, Start::Oldest).unwrap();
        assert!(texts(&mut reader).is_empty());
        append(&path, &record('F', "one"));
        assert_eq!(texts(&mut reader), ["one"]);
        let two = record('F', "two");
        let (begin, end) = two.split_at(9);
        append(&path, begin);
        assert!(texts(&mut reader).is_empty());
        append(&path, end);
        assert_eq!(texts(&mut reader), ["two"]);
        File::create(&path).unwrap();
        append(&path, &record('F', "3"));
        assert_eq!(texts(&mut reader), ["3"]);
    }

    #[test]
    fn rotation_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, &numbers(0..2));
        let mut reader = LogReader::open(&path, Start::Oldest).unwrap();
        assert_eq!(texts(&mut reader), ["0", "1"]);
        // One kept file, then one that is not kept, with records that were not read yet.
        append(&path, &numbers(2..3));
        std::fs::rename(&path, numbered(&path, 1)).unwrap();
        append(&path, &numbers(3..4));
        assert_eq!(texts(&mut reader), ["2", "3"]);
        append(&path, &numbers(4..5));
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(numbered(&path, 1)).unwrap();
        append(&path, &numbers(5..6));
        assert_eq!(texts(&mut reader), ["4", "5"]);
        // Two rotations at once.
        std::fs::rename(&path, numbered(&path, 2)).unwrap();
        append(&numbered(&path, 1), &numbers(6..7));
        append(&path, &numbers(7..8));
        assert_eq!(texts(&mut reader), ["6", "7"]);
    }

    #[test]
    fn all_kept_files_are_one_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        for (number, range) in [(2, 0..3), (1, 3..6), (0, 6..9)] {
            append(&numbered(&path, number), &numbers(range));
        }
        let all: Vec<String> = (0..9).map(|number| number.to_string()).collect();
        for wanted in 0..12 {
            let start = Start::LastLines(wanted);
            let mut reader = LogReader::open(&path, start).unwrap();
            let skipped = all.len().saturating_sub(usize::try_from(wanted).unwrap());
            assert_eq!(texts(&mut reader), all[skipped..], "{wanted}");
        }
        let mut reader = LogReader::open(&path, Start::Oldest).unwrap();
        assert_eq!(texts(&mut reader), all);
    }

    #[test]
    fn the_last_lines_are_found_across_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, &numbers(0..20_000));
        for wanted in [1, 2, 1500, 2000, 19_999, 20_000, 30_000] {
            let mut reader = LogReader::open(&path, Start::LastLines(wanted)).unwrap();
            let read = texts(&mut reader);
            let expected = usize::try_from(wanted).unwrap().min(20_000);
            assert_eq!(read.len(), expected);
            assert_eq!(read.last().unwrap(), "19999");
        }
    }

    #[test]
    fn parts_of_a_line_count_with_their_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let records = [
            record('F', "podman1"),
            record('P', "podman2"),
            record('F', ""),
            record('F', "podman3"),
        ];
        append(&path, &records.concat());
        let cases: [(u64, &[&str]); 4] = [
            (0, &[]),
            (1, &["podman3"]),
            (2, &["podman2", "", "podman3"]),
            (3, &["podman1", "podman2", "", "podman3"]),
        ];
        for (lines, expected) in cases {
            let mut reader = LogReader::open(&path, Start::LastLines(lines)).unwrap();
            assert_eq!(texts(&mut reader), expected, "{lines}");
        }
        append(&path, &record('P', "unfinished"));
        let mut reader = LogReader::open(&path, Start::LastLines(1)).unwrap();
        assert_eq!(texts(&mut reader), ["unfinished"]);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, &"x".repeat(5 * LINE_BYTES_MAX));
        append(&path, "\n");
        append(&path, &record('F', "after"));
        let mut reader = LogReader::open(&path, Start::Oldest).unwrap();
        let mut last = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            last = line.to_vec();
        }
        assert_eq!(parse(&last).unwrap().text, &b"after"[..]);
        assert!(reader.pending.capacity() < 4 * LINE_BYTES_MAX);
        // What is no record does not count as a line.
        let mut reader = LogReader::open(&path, Start::LastLines(1)).unwrap();
        while let Some(line) = reader.next_line().unwrap() {
            last = line.to_vec();
        }
        assert_eq!(parse(&last).unwrap().text, &b"after"[..]);
    }
}
