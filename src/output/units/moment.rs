// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moments as people type them for `--since`, `--until` and the filter `until`.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::duration::parse_duration;

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
