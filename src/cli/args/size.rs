// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sizes as docker and podman read them: `64m`, `1.5GiB`, `512`.

/// A size that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid size: '{text}'")]
pub(crate) struct SizeError {
    text: String,
}

/// What a `k` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kilo {
    /// 1024, as for memory.
    Binary,
    /// 1000, as for log files.
    Decimal,
}

/// Reads a size in bytes.
pub(crate) fn parse(text: &str, kilo: Kilo) -> Result<u64, SizeError> {
    let invalid = || SizeError {
        text: text.to_owned(),
    };
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let digits = digits.strip_suffix(' ').unwrap_or(digits);
    let starts_with_digit = digits.starts_with(|first: char| first.is_ascii_digit());
    let number: f64 = digits.parse().map_err(|_error| invalid())?;
    if !starts_with_digit || !number.is_finite() {
        return Err(invalid());
    }
    let base: f64 = match kilo {
        Kilo::Binary => 1024.0,
        Kilo::Decimal => 1000.0,
    };
    let exponent = exponent(&unit).ok_or_else(invalid)?;
    let bytes = number * base.powi(exponent);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is finite and not negative; what is too large becomes u64::MAX"
    )]
    Ok(bytes as u64)
}

fn exponent(unit: &str) -> Option<i32> {
    let letter = unit.strip_suffix('b').unwrap_or(unit);
    let letter = letter
        .strip_suffix('i')
        .filter(|rest| !rest.is_empty())
        .unwrap_or(letter);
    match letter {
        "" => Some(0),
        "k" => Some(1),
        "m" => Some(2),
        "g" => Some(3),
        "t" => Some(4),
        "p" => Some(5),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let cases = [
            ("512", 512, 512),
            ("512b", 512, 512),
            ("64k", 65_536, 64_000),
            ("64KB", 65_536, 64_000),
            ("1.5MiB", 1_572_864, 1_500_000),
            ("2 g", 2 << 30, 2_000_000_000),
            ("0", 0, 0),
        ];
        for (text, binary, decimal) in cases {
            assert_eq!(parse(text, Kilo::Binary), Ok(binary), "{text}");
            assert_eq!(parse(text, Kilo::Decimal), Ok(decimal), "{text}");
        }
        for bad in ["", "m", "-1", "1x", "1mm", "inf", "1e999", "0x10"] {
            assert!(parse(bad, Kilo::Binary).is_err(), "{bad}");
        }
        assert_eq!(
            parse("bogus", Kilo::Binary).unwrap_err().to_string(),
            "invalid size: 'bogus'"
        );
    }
}
