// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Spans and moments as people type them: `1h30m`, `2006-01-02`. `output::units` prints them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const SECOND: u64 = 1_000_000_000;

/// Reads Go's form of a span, such as `1h30m` or `-1.5s`, in nanoseconds; `None` for anything else.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (nanoseconds, after) = parse_part(rest)?;
        total = total.checked_add(nanoseconds)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// One number with its unit, and what follows it.
fn parse_part(text: &str) -> Option<(i128, &str)> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(number_end);
    let unit_end = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let unit: i128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND.into(),
        "m" => (60 * SECOND).into(),
        "h" => (3600 * SECOND).into(),
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<i128>().ok()
        }
    };
    // More digits than these are below a nanosecond of the longest unit.
    let fraction = &fraction[..fraction.len().min(15)];
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let nanoseconds = digits(whole)?.checked_mul(unit)? + digits(fraction)? * unit / scale;
    Some((nanoseconds, rest))
}

/// A text that names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "time {text:?}: want RFC 3339 (2006-01-02T15:04:05Z), a date, seconds since 1970, or a span before now such as 10m"
)]
pub struct NoMoment {
    /// What was typed.
    pub text: String,
}

/// Reads a moment: RFC 3339, a date or a date and time of the local zone, seconds since 1970 with
/// a fraction, or a span such as `1h30m` before `now`.
///
/// # Errors
///
/// [`NoMoment`] with the text.
pub fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, NoMoment> {
    unix_seconds(text)
        .or_else(|| before_now(text, now))
        .or_else(|| text.parse().ok())
        .or_else(|| local_time(text))
        .ok_or_else(|| NoMoment {
            text: text.to_owned(),
        })
}

fn unix_seconds(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let whole = seconds.strip_prefix('-').unwrap_or(seconds);
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
    let sign = if seconds.starts_with('-') { -1 } else { 1 };
    Timestamp::new(seconds.parse().ok()?, sign * nanoseconds).ok()
}

fn before_now(text: &str, now: Timestamp) -> Option<Timestamp> {
    let nanoseconds = parse_duration(text)?;
    now.checked_sub(SignedDuration::from_nanos(nanoseconds))
        .ok()
}

fn local_time(text: &str) -> Option<Timestamp> {
    let zone = || TimeZone::system();
    if let Some(date) = text.strip_suffix('Z') {
        let date: Date = date.parse().ok()?;
        return TimeZone::UTC
            .to_timestamp(date.to_datetime(jiff::civil::Time::midnight()))
            .ok();
    }
    if let Ok(date) = text.parse::<Date>()
        && !text.contains(':')
    {
        return zone()
            .to_timestamp(date.to_datetime(jiff::civil::Time::midnight()))
            .ok();
    }
    zone().to_timestamp(text.parse::<DateTime>().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_go() {
        let table = [
            ("0", Some(0)),
            ("5s", Some(5_000_000_000)),
            ("-1.5h", Some(-5_400_000_000_000)),
            ("1h15m30.918273645s", Some(4_530_918_273_645)),
            ("+.5ms", Some(500_000)),
            ("1us1µs", Some(2_000)),
            ("", None),
            ("-", None),
            ("3", None),
            ("s", None),
            (".s", None),
            ("1d", None),
            ("1.1.1s", None),
            ("9999999999h", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_every_form() {
        let now: Timestamp = "2024-05-06T12:00:00Z".parse().unwrap();
        let table = [
            ("2024-05-06T07:08:09Z", Some("2024-05-06T07:08:09Z")),
            (
                "2024-05-06T07:08:09.5+02:00",
                Some("2024-05-06T05:08:09.5Z"),
            ),
            ("0", Some("1970-01-01T00:00:00Z")),
            ("1714979289.25", Some("2024-05-06T07:08:09.25Z")),
            ("10m", Some("2024-05-06T11:50:00Z")),
            ("1h30m", Some("2024-05-06T10:30:00Z")),
            ("-1h", Some("2024-05-06T13:00:00Z")),
            ("2024-05-06Z", Some("2024-05-06T00:00:00Z")),
            ("", None),
            ("yesterday", None),
            ("99999999999999999999", None),
            ("1.x", None),
        ];
        for (text, expected) in table {
            let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(parse_moment(text, now).ok(), expected, "{text}");
        }
        for local in ["2024-05-06", "2024-05-06T07:08:09", "2024-05-06T07:08"] {
            assert!(parse_moment(local, now).is_ok(), "{local}");
        }
    }
}
