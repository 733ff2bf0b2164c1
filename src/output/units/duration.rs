// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Spans of time: Go's `1h2m3.5s` in both directions, and the rough words that tables show.

use std::fmt::Write as _;

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
}
