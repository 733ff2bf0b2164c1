// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Spans of time: Go's `1h2m3.5s`, and the rough words that tables show.

use std::fmt::Write as _;

use jiff::Timestamp;

const SECOND: u64 = 1_000_000_000;

/// A span of nanoseconds as Go's `time.Duration` prints it, such as `1m30s` or `1.5ms`.
pub fn go_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let magnitude = nanoseconds.unsigned_abs();
    let mut out = String::from(sign);
    match magnitude {
        0 => return "0s".to_owned(),
        1..1_000 => push(&mut out, format_args!("{magnitude}ns")),
        1_000..1_000_000 => push_fraction(&mut out, magnitude, 1_000, "µs"),
        1_000_000..SECOND => push_fraction(&mut out, magnitude, 1_000_000, "ms"),
        _ => push_clock(&mut out, magnitude),
    }
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("writing to a string cannot fail");
}

/// `magnitude` in units of `unit` with as many digits as it has.
fn push_fraction(out: &mut String, magnitude: u64, unit: u64, name: &str) {
    push(out, format_args!("{}", magnitude / unit));
    let rest = magnitude % unit;
    if rest != 0 {
        let width = unit.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        push(out, format_args!(".{}", digits.trim_end_matches('0')));
    }
    out.push_str(name);
}

fn push_clock(out: &mut String, magnitude: u64) {
    let seconds = magnitude / SECOND;
    if seconds >= 3600 {
        push(out, format_args!("{}h", seconds / 3600));
    }
    if seconds >= 60 {
        push(out, format_args!("{}m", seconds / 60 % 60));
    }
    push_fraction(out, magnitude % (60 * SECOND), SECOND, "s");
}

/// A span of `seconds` in rough words: `2 minutes`, `About an hour`.
pub fn rough_duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// The span from `then` to `now` in rough words.
pub fn rough_span(then: Timestamp, now: Timestamp) -> String {
    rough_duration(now.duration_since(then).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_like_go() {
        let table = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (3_600_000_000_000 * 5 + 6_000_000_001, "5h0m6.000000001s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanoseconds, expected) in table {
            assert_eq!(go_duration(nanoseconds), expected);
        }
    }

    #[test]
    fn rough_words() {
        let day = 24 * 3600;
        let table = [
            (-5, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (47 * 3600, "47 hours"),
            (2 * day, "2 days"),
            (14 * day, "2 weeks"),
            (60 * day, "2 months"),
            (730 * day, "2 years"),
        ];
        for (seconds, expected) in table {
            assert_eq!(rough_duration(seconds), expected, "{seconds}");
        }
    }
}
