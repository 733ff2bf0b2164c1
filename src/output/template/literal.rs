// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Texts, characters and numbers written in a template, with Go's escapes and notations.

use super::lex::{Kind, Token};
use crate::output::value::Value;

/// The text of a quoted or raw string token.
pub(super) fn string(token: &Token) -> Result<String, String> {
    let quoted = &token.text;
    let inner = &quoted[1..quoted.len().saturating_sub(1).max(1)];
    if token.kind == Kind::RawString {
        return Ok(inner.replace('\r', ""));
    }
    unquote(inner, '"').ok_or_else(|| "invalid syntax".to_owned())
}

/// The value of a number or of a character constant.
pub(super) fn number(token: &Token) -> Result<Value, String> {
    let text = &token.text;
    if token.kind == Kind::CharConstant {
        let inner = &text[1..text.len().saturating_sub(1).max(1)];
        let unquoted = unquote(inner, '\'').unwrap_or_default();
        let mut characters = unquoted.chars();
        return match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(Value::Int(u32::from(character).into())),
            _ => Err(format!("malformed character constant: {text}")),
        };
    }
    integer(text)
        .or_else(|| float(text))
        .ok_or_else(|| format!("bad number syntax: {text:?}"))
}

fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) => {
            (8, &digits[1..])
        }
        _ => (10, digits),
    };
    let magnitude = i128::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value)
        .map(Value::Int)
        .or_else(|_| u64::try_from(value).map(Value::Uint))
        .ok()
}

fn float(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    let written = plain
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let number: f64 = written.then(|| plain.parse().ok())??;
    number.is_finite().then_some(Value::Float(number))
}

/// Resolves Go's escapes in the text between two `quote`s.
fn unquote(inner: &str, quote: char) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            push(&mut bytes, character);
            continue;
        }
        match rest.next()? {
            'a' => bytes.push(0x07),
            'b' => bytes.push(0x08),
            'f' => bytes.push(0x0c),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(0x0b),
            '\\' => bytes.push(b'\\'),
            same if same == quote => push(&mut bytes, quote),
            'x' => bytes.push(u8::try_from(code(&mut rest, None, 2, 16)?).ok()?),
            'u' => push(&mut bytes, char::from_u32(code(&mut rest, None, 4, 16)?)?),
            'U' => push(&mut bytes, char::from_u32(code(&mut rest, None, 8, 16)?)?),
            first @ '0'..='7' => {
                bytes.push(u8::try_from(code(&mut rest, Some(first), 2, 8)?).ok()?);
            }
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn push(bytes: &mut Vec<u8>, character: char) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Reads `count` digits after `first`.
fn code(
    rest: &mut std::str::Chars<'_>,
    first: Option<char>,
    count: usize,
    radix: u32,
) -> Option<u32> {
    let mut value = first.map_or(Some(0), |digit| digit.to_digit(radix))?;
    for _ in 0..count {
        let digit = rest.next()?.to_digit(radix)?;
        value = value.checked_mul(radix)?.checked_add(digit)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(kind: Kind, text: &str) -> Token {
        Token {
            kind,
            at: 0,
            text: text.to_owned(),
        }
    }

    #[test]
    fn strings() {
        let table = [
            (r#""a\tb\n\"\\""#, Some("a\tb\n\"\\")),
            (r#""\x41\101\u00e9\U0001F600""#, Some("AAé😀")),
            (r#""\q""#, None),
            (r#""\x4""#, None),
            (r#""\777""#, None),
            (r#""""#, Some("")),
        ];
        for (text, expected) in table {
            assert_eq!(
                string(&token(Kind::Str, text)).ok().as_deref(),
                expected,
                "{text}"
            );
        }
        assert_eq!(string(&token(Kind::RawString, "`a\\n`")).unwrap(), "a\\n");
    }

    #[test]
    fn numbers() {
        let table = [
            ("1", Some(Value::Int(1))),
            ("-0x1F", Some(Value::Int(-31))),
            ("017", Some(Value::Int(15))),
            ("0b11", Some(Value::Int(3))),
            ("1_000", Some(Value::Int(1000))),
            ("1.5e3", Some(Value::Float(1500.0))),
            ("18446744073709551615", Some(Value::Uint(u64::MAX))),
            ("+", None),
            ("0x", None),
            (".", None),
        ];
        for (text, expected) in table {
            assert_eq!(number(&token(Kind::Number, text)).ok(), expected, "{text}");
        }
        assert_eq!(
            number(&token(Kind::CharConstant, "'a'")).ok(),
            Some(Value::Int(97))
        );
        assert!(number(&token(Kind::CharConstant, "''")).is_err());
    }
}
