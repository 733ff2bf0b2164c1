// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sizes in bytes: as tables show them (decimal, few digits) and as people type them (`64m`).

use crate::output::value::significant;

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// `bytes` in powers of 1000 with `digits` significant digits: `1.02MB`.
pub fn human_size(bytes: u64, digits: usize) -> String {
    let (number, unit) = scaled(bytes, 1000.0, &DECIMAL);
    format!("{}{unit}", significant(number, digits))
}

/// As [`human_size`] with a space before the unit, as image lists show it: `1.02 MB`.
pub fn spaced_size(bytes: u64, digits: usize) -> String {
    let (number, unit) = scaled(bytes, 1000.0, &DECIMAL);
    format!("{} {unit}", significant(number, digits))
}

/// `bytes` in powers of 1024 with four significant digits: `1.5GiB`.
pub fn binary_size(bytes: u64) -> String {
    let (number, unit) = scaled(bytes, 1024.0, &BINARY);
    format!("{}{unit}", significant(number, 4))
}

#[expect(clippy::cast_precision_loss, reason = "only a few digits are shown")]
fn scaled(bytes: u64, base: f64, units: &'static [&'static str; 9]) -> (f64, &'static str) {
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= base && unit < units.len() - 1 {
        number /= base;
        unit += 1;
    }
    (number, units[unit])
}

/// Reads a size: a number, perhaps with a fraction, and one of `b k m g t p` in either case, whose
/// powers are of 1024; `kb` and `KiB` mean the same. `None` for anything else.
pub fn parse_size(text: &str) -> Option<u64> {
    parse_scaled(text, 1024)
}

/// Reads a size whose units are powers of 1000, as those of log files are.
pub fn parse_decimal_size(text: &str) -> Option<u64> {
    parse_scaled(text, 1000)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the product is checked to lie within the range"
)]
fn parse_scaled(text: &str, base: u64) -> Option<u64> {
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if !number.starts_with(|first: char| first.is_ascii_digit()) || number.ends_with('.') {
        return None;
    }
    let factor = base.pow(unit_power(unit.strip_prefix(' ').unwrap_or(unit))?);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let number: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "the factors have few digits that matter"
    )]
    let bytes = number * factor as f64;
    (bytes < 1.8e19).then_some(bytes as u64)
}

fn unit_power(unit: &str) -> Option<u32> {
    let unit = unit.to_ascii_lowercase();
    let power = match unit.chars().next() {
        None | Some('b' | 'i') => 0,
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        Some('p') => 5,
        Some(_) => return None,
    };
    let rest = if power == 0 { &unit } else { &unit[1..] };
    matches!(rest, "" | "b" | "i" | "ib").then_some(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_like_go_units() {
        let table = [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1_024_000, "1.024MB"),
            (4_496_138, "4.496MB"),
            (26_500_000_000, "26.5GB"),
            (u64::MAX, "18.45EB"),
        ];
        for (bytes, expected) in table {
            assert_eq!(human_size(bytes, 4), expected);
        }
        assert_eq!(spaced_size(4_496_138, 3), "4.5 MB");
        assert_eq!(human_size(999_999, 3), "1e+03kB");
        assert_eq!(binary_size(1536), "1.5KiB");
    }

    #[test]
    fn log_files_count_in_thousands() {
        assert_eq!(parse_decimal_size("10m"), Some(10_000_000));
        assert_eq!(parse_decimal_size("3.511k"), Some(3511));
        assert_eq!(parse_decimal_size("x"), None);
    }

    #[test]
    fn reads_what_people_type() {
        let table = [
            ("0", Some(0)),
            ("32", Some(32)),
            ("32b", Some(32)),
            ("64m", Some(64 << 20)),
            ("64M", Some(64 << 20)),
            ("1kb", Some(1024)),
            ("1KiB", Some(1024)),
            ("1.5g", Some(3 << 29)),
            ("2 T", Some(2 << 40)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1x", None),
            ("1mm", None),
            ("1.2.3", None),
            ("1.", None),
            ("99999999999p", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }
}
