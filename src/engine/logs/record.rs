// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One record of a log file, in Podman's format (`TIME STREAM F|P TEXT`) or in Docker's (a JSON
//! object). Each line says for itself which it is, so that a file may hold both.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

use crate::monitor::protocol::OutputStream;

/// Output that was written at once, without the end of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) time: Timestamp,
    pub(super) stream: OutputStream,
    pub(super) text: Cow<'a, [u8]>,
    pub(super) line: Line,
}

/// Whether a record ends its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Whole,
    Part,
}

/// Reads a record from a line of the file, without the newline; `None` for what is none, such as
/// the rest of one that a full disk has cut off.
pub(super) fn parse(line: &[u8]) -> Option<Record<'_>> {
    if line.starts_with(b"{") {
        parse_json(line)
    } else {
        parse_k8s(line)
    }
}

fn parse_k8s(line: &[u8]) -> Option<Record<'_>> {
    let mut fields = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let stream = stream_named(fields.next()?)?;
    // More tags may follow the first one, after a colon.
    let kind = match fields.next()?.split(|byte| *byte == b':').next()? {
        b"F" => Line::Whole,
        b"P" => Line::Part,
        _ => return None,
    };
    Some(Record {
        time,
        stream,
        text: Cow::Borrowed(fields.next()?),
        line: kind,
    })
}

#[derive(Deserialize)]
struct JsonRecord {
    log: String,
    stream: String,
    time: Timestamp,
}

fn parse_json(line: &[u8]) -> Option<Record<'_>> {
    let record: JsonRecord = serde_json::from_slice(line).ok()?;
    let mut text = record.log.into_bytes();
    let kind = if text.last() == Some(&b'\n') {
        text.pop();
        Line::Whole
    } else {
        Line::Part
    };
    Some(Record {
        time: record.time,
        stream: stream_named(record.stream.as_bytes())?,
        text: Cow::Owned(text),
        line: kind,
    })
}

fn stream_named(name: &[u8]) -> Option<OutputStream> {
    match name {
        b"stdout" => Some(OutputStream::Stdout),
        b"stderr" => Some(OutputStream::Stderr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time in seconds, stream, text, kind.
    type Read<'a> = (i64, OutputStream, &'a [u8], Line);

    #[test]
    fn both_formats_are_read() {
        let out = OutputStream::Stdout;
        let cases: &[(&[u8], Option<Read<'_>>)] = &[
            (
                b"1970-01-01T00:00:07.000000000+00:00 stdout F text with  spaces",
                Some((7, out, b"text with  spaces", Line::Whole)),
            ),
            (
                b"1970-01-01T01:00:07+01:00 stderr P part",
                Some((7, OutputStream::Stderr, b"part", Line::Part)),
            ),
            (
                b"1970-01-01T00:00:07Z stdout F ",
                Some((7, out, b"", Line::Whole)),
            ),
            (
                b"1970-01-01T00:00:07Z stdout P:x \xff\r",
                Some((7, out, b"\xff\r", Line::Part)),
            ),
            (
                br#"{"log":"line\n","stream":"stdout","time":"1970-01-01T00:00:07Z"}"#,
                Some((7, out, b"line", Line::Whole)),
            ),
            (
                br#"{"log":"part","stream":"stderr","time":"1970-01-01T00:00:07Z","attrs":{}}"#,
                Some((7, OutputStream::Stderr, b"part", Line::Part)),
            ),
            (b"", None),
            (b"1970-01-01T00:00:07Z stdout F", None),
            (b"1970-01-01T00:00:07Z stdin F x", None),
            (b"1970-01-01T00:00:07Z stdout X x", None),
            (b"yesterday stdout F x", None),
            (br#"{"log":"x"}"#, None),
            (b"{", None),
        ];
        for (line, expected) in cases {
            let record = parse(line);
            let read = record.as_ref().map(|record| {
                let seconds = record.time.as_second();
                (seconds, record.stream, &record.text[..], record.line)
            });
            assert_eq!(read, *expected, "{}", String::from_utf8_lossy(line));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_a_panic(line: Vec<u8>) {
            let record = parse(&line);
            proptest::prop_assert!(record.is_none_or(|record| record.text.len() < line.len()));
        }

        #[test]
        fn hardly_a_record_is_no_panic_either(tail in "[ -~]{0,40}", json: bool) {
            let begin = if json { "{\"log\":" } else { "1970-01-01T00:00:07Z " };
            let line = format!("{begin}{tail}");
            let record = parse(line.as_bytes());
            proptest::prop_assert!(record.is_none_or(|record| record.text.len() < line.len()));
        }

        #[test]
        fn what_podman_writes_is_read(text in "[^\n]{0,60}", seconds in 0i64..4_000_000_000) {
            let time = Timestamp::from_second(seconds).unwrap();
            let line = format!("{time} stderr F {text}");
            let record = parse(line.as_bytes()).unwrap();
            proptest::prop_assert_eq!(&record.text[..], text.as_bytes());
            proptest::prop_assert_eq!(record.time, time);
        }
    }
}
