// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lines of containers' logs on the two streams of the command: standard output to standard
//! output, standard error to standard error.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Written at the latest when so much has come together.
const BUFFER_BYTES: usize = 32 * 1024;

/// Podman's colours, by the number of the container.
const COLORS: [&str; 7] = [
    "\u{1b}[37m",
    "\u{1b}[31m",
    "\u{1b}[33m",
    "\u{1b}[34m",
    "\u{1b}[35m",
    "\u{1b}[36m",
    "\u{1b}[32m",
];

const COLOR_END: &str = "\u{1b}[0m";

/// How lines are shown.
#[derive(Debug, Default)]
pub struct LogStyle {
    /// What stands before the lines of each container; none for none.
    pub labels: Vec<String>,
    /// A colour for each container.
    pub colors: Coloring,
    /// The time of each line, in that zone.
    pub times: Option<Zone>,
}

/// Whether lines are coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Coloring {
    /// As they were written.
    #[default]
    Off,
    /// Each container has its colour.
    ByContainer,
}

/// The zone in which times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// The user's.
    Local,
    /// Greenwich.
    Utc,
}

/// The command's stream on which a line is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of a log, or a part of one.
#[derive(Debug, Clone, Copy)]
pub struct LogText<'a> {
    /// The number of its container.
    pub container: usize,
    /// Where it goes.
    pub stream: LogStream,
    /// When it was written.
    pub time: Timestamp,
    /// The text, without the end of its line.
    pub text: &'a [u8],
    /// Whether its line ends with it.
    pub end: LineEnd,
}

/// Whether a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// It does.
    Here,
    /// It goes on with the next text of the same container and stream.
    Later,
}

/// Writes lines of logs.
#[derive(Debug)]
pub struct LogPrinter {
    style: LogStyle,
    zone: TimeZone,
    buffer: Vec<u8>,
    /// Where `buffer` goes.
    stream: LogStream,
    /// Whose line was begun and not ended, on standard output and standard error.
    unfinished: [Option<usize>; 2],
}

impl LogPrinter {
    /// A printer that has not written anything.
    pub fn new(style: LogStyle) -> Self {
        let zone = match style.times {
            Some(Zone::Local) => TimeZone::system(),
            Some(Zone::Utc) | None => TimeZone::UTC,
        };
        Self {
            style,
            zone,
            buffer: Vec::new(),
            stream: LogStream::Stdout,
            unfinished: [None, None],
        }
    }

    /// Adds a text; it is written at once only when much has come together.
    ///
    /// # Errors
    ///
    /// What write(2) says.
    pub fn print(&mut self, text: &LogText<'_>) -> io::Result<()> {
        if text.stream != self.stream {
            self.flush()?;
            self.stream = text.stream;
        }
        self.add(text);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what has come together.
    ///
    /// # Errors
    ///
    /// What write(2) says.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = match self.stream {
            LogStream::Stdout => write_all(io::stdout().lock(), &self.buffer),
            LogStream::Stderr => write_all(io::stderr().lock(), &self.buffer),
        };
        self.buffer.clear();
        written
    }

    fn add(&mut self, text: &LogText<'_>) {
        let unfinished = &mut self.unfinished[slot(text.stream)];
        let goes_on = *unfinished == Some(text.container);
        if unfinished.is_some() && !goes_on {
            self.end_line();
        }
        self.unfinished[slot(text.stream)] = match text.end {
            LineEnd::Here => None,
            LineEnd::Later => Some(text.container),
        };
        if !goes_on {
            self.begin_line(text);
        }
        self.buffer.extend_from_slice(text.text);
        if text.end == LineEnd::Here {
            self.end_line();
        }
    }

    fn begin_line(&mut self, text: &LogText<'_>) {
        if self.style.colors == Coloring::ByContainer {
            let color = COLORS[text.container % COLORS.len()];
            self.buffer.extend_from_slice(color.as_bytes());
        }
        if let Some(label) = self.style.labels.get(text.container) {
            self.buffer.extend_from_slice(label.as_bytes());
            self.buffer.push(b' ');
        }
        if self.style.times.is_some() {
            let time = time_text(text.time, &self.zone);
            self.buffer.extend_from_slice(time.as_bytes());
            self.buffer.push(b' ');
        }
    }

    fn end_line(&mut self) {
        if self.style.colors == Coloring::ByContainer {
            self.buffer.extend_from_slice(COLOR_END.as_bytes());
        }
        self.buffer.push(b'\n');
    }
}

fn write_all(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

fn slot(stream: LogStream) -> usize {
    match stream {
        LogStream::Stdout => 0,
        LogStream::Stderr => 1,
    }
}

/// Go's RFC 3339 with all digits: `2006-01-02T15:04:05.000000000Z07:00`.
fn time_text(time: Timestamp, zone: &TimeZone) -> String {
    let zoned = time.to_zoned(zone.clone());
    let form = if zoned.offset().is_zero() {
        "%Y-%m-%dT%H:%M:%S.%9fZ"
    } else {
        "%Y-%m-%dT%H:%M:%S.%9f%:z"
    };
    zoned.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(container: usize, text: &str, end: LineEnd) -> LogText<'_> {
        LogText {
            container,
            stream: LogStream::Stdout,
            time: Timestamp::from_second(7).unwrap(),
            text: text.as_bytes(),
            end,
        }
    }

    fn shown(style: LogStyle, texts: &[LogText<'_>]) -> String {
        let mut printer = LogPrinter::new(style);
        for text in texts {
            printer.add(text);
        }
        String::from_utf8(printer.buffer).unwrap()
    }

    #[test]
    fn lines_begin_with_what_was_asked_for() {
        let labels = || vec!["one".to_owned(), "two".to_owned()];
        let line = [text(1, "hello", LineEnd::Here)];
        let cases = [
            (LogStyle::default(), "hello\n"),
            (
                LogStyle {
                    labels: labels(),
                    ..LogStyle::default()
                },
                "two hello\n",
            ),
            (
                LogStyle {
                    labels: labels(),
                    colors: Coloring::ByContainer,
                    times: Some(Zone::Utc),
                },
                "\u{1b}[31mtwo 1970-01-01T00:00:07.000000000Z hello\u{1b}[0m\n",
            ),
        ];
        for (style, expected) in cases {
            assert_eq!(shown(style, &line), expected);
        }
    }

    #[test]
    fn parts_are_joined_and_others_do_not_get_between() {
        let texts = [
            text(0, "a", LineEnd::Later),
            text(0, "b", LineEnd::Here),
            text(0, "c", LineEnd::Later),
            text(1, "other", LineEnd::Here),
            text(0, "d", LineEnd::Here),
            text(0, "end", LineEnd::Later),
        ];
        let style = LogStyle {
            labels: vec!["0".to_owned(), "1".to_owned()],
            ..LogStyle::default()
        };
        assert_eq!(shown(style, &texts), "0 ab\n0 c\n1 other\n0 d\n0 end");
    }

    #[test]
    fn times_have_the_zone_of_the_user() {
        let time = Timestamp::new(951_782_400, 120_000_000).unwrap();
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(
            time_text(time, &berlin),
            "2000-02-29T01:00:00.120000000+01:00"
        );
        assert_eq!(
            time_text(time, &TimeZone::UTC),
            "2000-02-29T00:00:00.120000000Z"
        );
    }
}
