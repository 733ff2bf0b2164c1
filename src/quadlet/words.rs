// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The words of a unit file's value, and words put together to such a value: the quotes and
//! escapes of systemd.syntax(7).

use std::fmt::Write as _;

/// What a backslash in a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Nothing: names of units hold it.
    Literal,
    /// A sequence of C, as on a command line.
    Decoded,
}

/// A value that cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// One that systemd does not know either.
    #[error("unsupported escape char")]
    Escape,
    /// A quote without its end, where that matters.
    #[error("unbalanced quotes")]
    Quotes,
}

/// The words of `text`. On a command line an open quote ends with the line.
///
/// # Errors
///
/// See [`WordsError`].
pub(super) fn split(text: &str, escapes: Escapes) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        if first == '\\' && escapes == Escapes::Decoded {
            // The last one of a line says nothing.
            if !rest.is_empty() {
                let (decoded, length) = decode(rest).ok_or(WordsError::Escape)?;
                word.get_or_insert_default().push(decoded);
                rest = &rest[length..];
            }
            continue;
        }
        match quote {
            Some(open) if open == first => quote = None,
            None if matches!(first, '"' | '\'') => {
                quote = Some(first);
                word.get_or_insert_default();
            }
            None if matches!(first, ' ' | '\t' | '\n' | '\r') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(first),
        }
    }
    if quote.is_some() && escapes == Escapes::Literal {
        return Err(WordsError::Quotes);
    }
    words.extend(word);
    Ok(words)
}

/// The character that `text`, which follows a backslash, stands for, and how many bytes say so.
fn decode(text: &str) -> Option<(char, usize)> {
    let number = |from: usize, digits: usize, radix: u32| {
        let digits = text.get(from..from + digits)?;
        let all = digits.chars().all(|digit| digit.is_digit(radix));
        let value = u32::from_str_radix(digits, radix).ok()?;
        let value = char::from_u32(value).filter(|value| all && *value != '\0')?;
        Some((value, from + digits.len()))
    };
    let simple = match text.as_bytes().first()? {
        b'a' => '\x07',
        b'b' => '\x08',
        b'f' => '\x0c',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'v' => '\x0b',
        b's' => ' ',
        byte @ (b'\\' | b'"' | b'\'') => char::from(*byte),
        b'x' => return number(1, 2, 16),
        b'u' => return number(1, 4, 16),
        b'U' => return number(1, 8, 16),
        b'0'..=b'7' => return number(0, 3, 8).filter(|(value, _)| u32::from(*value) <= 255),
        _ => return None,
    };
    Some((simple, 1))
}

/// One line of `words` that [`split`], and systemd, take apart again.
pub(super) fn join<S: AsRef<str>>(words: &[S]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word.as_ref())).collect();
    words.join(" ")
}

/// `word` with the quotes and escapes that it needs.
pub(super) fn quoted(word: &str) -> String {
    // A semicolon by itself ends a command.
    if !matches!(word, "" | ";") && !word.chars().any(needs_escape) {
        return word.to_owned();
    }
    let mut line = String::with_capacity(word.len() + 2);
    line.push('"');
    for character in word.chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            '\\' => line.push_str("\\\\"),
            '"' => line.push_str("\\\""),
            '\'' => line.push('\''),
            other if needs_escape(other) => {
                let code = u32::from(other);
                write!(line, "\\x{code:02x}").expect("a string takes all");
            }
            other => line.push(other),
        }
    }
    line.push('"');
    line
}

fn needs_escape(character: char) -> bool {
    character.is_ascii_control()
        || character.is_ascii_whitespace()
        || matches!(character, '"' | '\'' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_words() {
        let cases: [(&str, &[&str]); 10] = [
            ("", &[]),
            ("  a  b\tc ", &["a", "b", "c"]),
            ("'a b' \"c d\"e", &["a b", "c de"]),
            ("\"it's\" 'a \"b\"'", &["it's", "a \"b\""]),
            ("a '' b", &["a", "", "b"]),
            (r"a\x20b \u00e4 \U0001f600 \101", &["a b", "ä", "😀", "A"]),
            (r#"\s\n\t\"\'\\"#, &[" \n\t\"'\\"]),
            ("open 'to the end", &["open", "to the end"]),
            ("last\\", &["last"]),
            ("$HOME %n;", &["$HOME", "%n;"]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line, Escapes::Decoded).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn what_systemd_does_not_know_is_refused() {
        for line in [r"\z", r"\x2", r"\x00", r"\8", r"\777", r"\x+1", r"\ud800"] {
            assert_eq!(split(line, Escapes::Decoded), Err(WordsError::Escape));
        }
        assert_eq!(split("'a", Escapes::Literal), Err(WordsError::Quotes));
        let unit = r"dev-disk-by\x2dlabel.device";
        assert_eq!(split(unit, Escapes::Literal).unwrap(), [unit]);
    }

    #[test]
    fn words_survive_a_line() {
        let words = [
            "a",
            "",
            "a b",
            "it's",
            "\"",
            "\\n",
            "\u{1}\t\r\n",
            "ä %n $A",
        ];
        let line = join(&words);
        assert_eq!(split(&line, Escapes::Decoded).unwrap(), words, "{line}");
        assert_eq!(quoted("/with space"), "\"/with\\x20space\"");
    }
}
