// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps a container's output: the log file, its formats and its rotation.
//!
//! Whatever the disk says, the container goes on: records that cannot be written are lost as a
//! whole, and the next ones are tried again.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use super::journal::Journal;
use super::protocol::OutputStream;
use super::supervision::{LogDriver, LogSettings};

/// Records are written when there are this many bytes of them, or no more output for now.
const BATCH_BYTES: usize = 32 * 1024;

/// Docker's readers expect no longer lines than this; a longer one is kept in parts.
const JSON_LINE_BYTES_MAX: usize = 16 * 1024;

/// The log of one container.
#[derive(Debug)]
pub(super) struct Log {
    settings: LogSettings,
    format: Option<Format>,
    journal: Option<Journal>,
    file: Option<File>,
    /// Bytes in `file`.
    size_bytes: u64,
    /// Records that are not written yet.
    batch: Vec<u8>,
    clock: Clock,
    /// Lines without their end, which JSON keeps whole.
    unfinished: [Vec<u8>; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    K8s,
    Json,
}

impl Log {
    /// Opens the log. A file that cannot be opened is tried again with the next output.
    pub(super) fn open(settings: LogSettings) -> Self {
        let format = match settings.driver {
            LogDriver::K8sFile => Some(Format::K8s),
            LogDriver::JsonFile => Some(Format::Json),
            LogDriver::None | LogDriver::Passthrough => None,
        };
        let mut log = Self {
            journal: settings.journal.as_ref().and_then(Journal::open),
            settings,
            format,
            file: None,
            size_bytes: 0,
            batch: Vec::new(),
            clock: Clock::default(),
            unfinished: [Vec::new(), Vec::new()],
        };
        if log.format.is_some() {
            log.reopen();
        }
        log
    }

    /// Opens the file anew, for who moved it away.
    pub(super) fn reopen(&mut self) {
        self.file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.settings.path)
            .ok();
        let metadata = self.file.as_ref().and_then(|file| file.metadata().ok());
        self.size_bytes = metadata.map_or(0, |metadata| metadata.len());
    }

    /// Keeps some output. All of it is in the file when this returns, but for the beginning of a
    /// line of JSON.
    pub(super) fn write(&mut self, stream: OutputStream, output: &[u8]) {
        match self.format {
            None => return,
            Some(Format::K8s) => self.write_k8s(stream, output),
            Some(Format::Json) => self.write_json(stream, output),
        }
        self.write_batch();
    }

    /// Keeps what is left of unfinished lines: there is no more output.
    pub(super) fn finish(&mut self) {
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            let rest = std::mem::take(&mut self.unfinished[slot(stream)]);
            if !rest.is_empty() {
                self.json_record(stream, &rest);
            }
        }
        self.write_batch();
    }

    /// Closes the file, for who removes it: see [`crate::state::tree`] about files that are open.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Gives buffers back.
    pub(super) fn shrink(&mut self) {
        self.batch.shrink_to_fit();
    }

    fn write_k8s(&mut self, stream: OutputStream, output: &[u8]) {
        // One time for all lines of one read, as conmon does it.
        let time = self.clock.now();
        for line in output.split_inclusive(|byte| *byte == b'\n') {
            if let Some(journal) = &self.journal {
                journal.write(stream, line);
            }
            let (tag, end): (&[u8], &[u8]) = match line.last() {
                Some(b'\n') => (b" F ", b""),
                Some(_) | None => (b" P ", b"\n"),
            };
            let parts: [&[u8]; 7] = [&time, b"+00:00 ", name(stream), tag, line, end, b""];
            self.add_record(&parts);
        }
    }

    fn write_json(&mut self, stream: OutputStream, output: &[u8]) {
        for part in output.split_inclusive(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.unfinished[slot(stream)]);
            line.extend_from_slice(part);
            while line.len() >= JSON_LINE_BYTES_MAX {
                let rest = line.split_off(JSON_LINE_BYTES_MAX);
                self.json_record(stream, &line);
                line = rest;
            }
            if line.ends_with(b"\n") {
                self.json_record(stream, &line);
                line.clear();
            }
            self.unfinished[slot(stream)] = line;
        }
    }

    fn json_record(&mut self, stream: OutputStream, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = serde_json::to_string(&text).expect("any text is a JSON string");
        let time = self.clock.now();
        self.add_record(&[
            b"{\"log\":",
            text.as_bytes(),
            b",\"stream\":\"",
            name(stream),
            b"\",\"time\":\"",
            &time,
            b"Z\"}\n",
        ]);
    }

    /// Adds one record to the batch. Rotation comes between records, never within one.
    fn add_record(&mut self, parts: &[&[u8]; 7]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let limit = self.settings.size_max_bytes;
        let pending = u64::try_from(self.batch.len() + length).unwrap_or(u64::MAX);
        let begun = self.size_bytes > 0 || !self.batch.is_empty();
        if limit > 0 && begun && self.size_bytes.saturating_add(pending) > limit {
            self.write_batch();
            self.rotate();
        }
        for part in parts {
            self.batch.extend_from_slice(part);
        }
        if self.batch.len() >= BATCH_BYTES {
            self.write_batch();
        }
    }

    fn write_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.file.is_none() {
            self.reopen();
        }
        if let Some(file) = &mut self.file {
            match file.write_all(&self.batch) {
                Ok(()) => self.size_bytes += self.batch.len() as u64,
                // A full disk may have taken a part: no reader should meet half a record. If
                // nothing helps, the reader skips what it cannot read.
                Err(_) => file.set_len(self.size_bytes).unwrap_or_default(),
            }
        }
        self.batch.clear();
    }

    /// Begins a new file. The new one is there before the old one goes: who follows the path
    /// always finds one.
    fn rotate(&mut self) {
        let path = &self.settings.path;
        for number in (1..self.settings.files_max.saturating_sub(1)).rev() {
            // A file that is not there yet needs no new name.
            std::fs::rename(numbered(path, number), numbered(path, number + 1)).ok();
        }
        if self.settings.files_max > 1 {
            std::fs::hard_link(path, with_suffix(path, ".1.new")).ok();
            std::fs::rename(with_suffix(path, ".1.new"), numbered(path, 1)).ok();
        }
        let next = with_suffix(path, ".new");
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&next);
        match file {
            Ok(file) if std::fs::rename(&next, path).is_ok() => {
                self.file = Some(file);
                self.size_bytes = 0;
            }
            // Better one file that is too long than none: the next record tries again.
            Ok(_) | Err(_) => std::fs::remove_file(&next).unwrap_or_default(),
        }
    }
}

/// `path.number`.
fn numbered(path: &std::path::Path, number: u32) -> PathBuf {
    with_suffix(path, &format!(".{number}"))
}

fn with_suffix(path: &std::path::Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn name(stream: OutputStream) -> &'static [u8] {
    match stream {
        OutputStream::Stdout => b"stdout",
        OutputStream::Stderr => b"stderr",
    }
}

fn slot(stream: OutputStream) -> usize {
    match stream {
        OutputStream::Stdout => 0,
        OutputStream::Stderr => 1,
    }
}

/// Length of `2006-01-02T15:04:05.000000000`.
const TIME_BYTES: usize = 29;

/// Writes times as text; the part that is the same within a second is kept.
#[derive(Debug)]
struct Clock {
    second: u64,
    text: [u8; TIME_BYTES],
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            second: 0,
            text: *b"1970-01-01T00:00:00.000000000",
        }
    }
}

impl Clock {
    /// The time now in UTC, without the zone.
    fn now(&mut self) -> [u8; TIME_BYTES] {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.at(since.as_secs(), since.subsec_nanos())
    }

    fn at(&mut self, second: u64, nanosecond: u32) -> [u8; TIME_BYTES] {
        if second != self.second {
            let timestamp = i64::try_from(second)
                .ok()
                .and_then(|second| Timestamp::from_second(second).ok());
            let mut start = &mut self.text[..19];
            // Shorter than 19 bytes it never is, and a zone that follows is cut off.
            write!(start, "{}", timestamp.unwrap_or(Timestamp::UNIX_EPOCH)).ok();
            self.second = second;
        }
        let mut rest = nanosecond;
        for digit in self.text[20..].iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).expect("a digit fits in a byte");
            rest /= 10;
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_in(directory: &std::path::Path, driver: LogDriver, size_max: u64, files: u32) -> Log {
        Log::open(LogSettings {
            driver,
            path: directory.join("ctr.log"),
            size_max_bytes: size_max,
            files_max: files,
            journal: None,
        })
    }

    fn lines(path: PathBuf) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What follows the time.
    fn without_times(path: PathBuf) -> Vec<String> {
        let after_time = |line: String| line.split_once(' ').unwrap().1.to_owned();
        lines(path).into_iter().map(after_time).collect()
    }

    #[test]
    fn times_are_written_with_all_digits() {
        let mut clock = Clock::default();
        let cases: [(u64, u32, &[u8]); 5] = [
            (0, 0, b"1970-01-01T00:00:00.000000000"),
            (1, 5, b"1970-01-01T00:00:01.000000005"),
            (951_782_400, 999_999_999, b"2000-02-29T00:00:00.999999999"),
            (951_782_400, 120, b"2000-02-29T00:00:00.000000120"),
            (4_102_444_799, 1_000, b"2099-12-31T23:59:59.000001000"),
        ];
        for (second, nanosecond, expected) in cases {
            assert_eq!(&clock.at(second, nanosecond), expected);
        }
    }

    #[test]
    fn k8s_lines_are_full_or_partial() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ctr.log");
        let mut log = log_in(directory.path(), LogDriver::K8sFile, 0, 1);
        log.write(OutputStream::Stdout, b"one\n\ntwo ");
        log.write(OutputStream::Stderr, b"word\n");
        log.write(OutputStream::Stdout, b"parts\r\n");
        log.finish();
        let expected = [
            "stdout F one",
            "stdout F ",
            "stdout P two ",
            "stderr F word",
            "stdout F parts\r",
        ];
        // `lines` takes the carriage return away.
        let expected = expected.map(|line| line.trim_end_matches('\r'));
        assert_eq!(without_times(path.clone()), expected);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(&text[29..36], "+00:00 ");
    }

    #[test]
    fn json_lines_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log_in(directory.path(), LogDriver::JsonFile, 0, 1);
        log.write(OutputStream::Stdout, "caf\u{e9} \"1\"".as_bytes());
        log.write(OutputStream::Stderr, b"other\n");
        log.write(OutputStream::Stdout, b"\x1b[m\n");
        log.write(OutputStream::Stdout, &vec![b'y'; JSON_LINE_BYTES_MAX + 1]);
        log.write(OutputStream::Stdout, b"end");
        log.finish();
        let records: Vec<serde_json::Value> = lines(directory.path().join("ctr.log"))
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let texts: Vec<&str> = records
            .iter()
            .map(|record| record["log"].as_str().unwrap())
            .collect();
        let long = "y".repeat(JSON_LINE_BYTES_MAX);
        assert_eq!(
            texts,
            ["other\n", "caf\u{e9} \"1\"\u{1b}[m\n", &long, "yend"]
        );
        assert_eq!(records[0]["stream"], "stderr");
        assert!(records[0]["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_log_begins_anew_when_it_is_full() {
        for files in [1, 2, 3] {
            let directory = tempfile::tempdir().unwrap();
            let mut log = log_in(directory.path(), LogDriver::K8sFile, 200, files);
            for number in 0..20 {
                log.write(OutputStream::Stdout, format!("line {number}\n").as_bytes());
            }
            let mut kept = Vec::new();
            for number in (1..files).rev() {
                let path = directory.path().join(format!("ctr.log.{number}"));
                assert!(path.metadata().unwrap().len() <= 200);
                kept.extend(without_times(path));
            }
            kept.extend(without_times(directory.path().join("ctr.log")));
            let newest: Vec<String> = (0..20).map(|n| format!("stdout F line {n}")).collect();
            assert_eq!(kept, newest[20 - kept.len()..], "{files} files");
            let names = std::fs::read_dir(directory.path()).unwrap().count();
            assert_eq!(names, files as usize);
        }
    }

    #[test]
    fn one_write_may_fill_many_files() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log_in(directory.path(), LogDriver::K8sFile, 1000, 1);
        log.write(OutputStream::Stdout, "x\n".repeat(500).as_bytes());
        let length = directory.path().join("ctr.log").metadata().unwrap().len();
        assert!((1..=1000).contains(&length), "{length}");
    }

    #[test]
    fn a_record_longer_than_the_limit_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log_in(directory.path(), LogDriver::K8sFile, 10, 1);
        log.write(OutputStream::Stdout, b"much longer than that\n");
        assert_eq!(lines(directory.path().join("ctr.log")).len(), 1);
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ctr.log");
        let mut log = log_in(directory.path(), LogDriver::K8sFile, 0, 1);
        log.write(OutputStream::Stdout, b"old\n");
        std::fs::rename(&path, directory.path().join("moved")).unwrap();
        log.write(OutputStream::Stdout, b"still there\n");
        log.reopen();
        log.write(OutputStream::Stdout, b"new\n");
        assert_eq!(without_times(path), ["stdout F new"]);
    }

    #[test]
    fn what_a_full_disk_refuses_is_lost_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ctr.log");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut log = log_in(directory.path(), LogDriver::K8sFile, 0, 1);
        log.write(OutputStream::Stdout, b"lost\n");
        std::fs::remove_file(&path).unwrap();
        log.reopen();
        log.write(OutputStream::Stdout, b"kept\n");
        assert_eq!(without_times(path), ["stdout F kept"]);
    }
}
