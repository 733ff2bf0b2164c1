// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Patterns of filters: Go's `path.Match`, and labels.

use std::collections::BTreeMap;

/// Whether `text` matches `pattern` by the rules of Go's `path.Match`: `*` and `?` do not match a
/// slash, `[a-z]` and `[^a]` are sets, a backslash makes the next character plain.
pub(crate) fn matches_path(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // The place to go back to: behind the last `*`, and one character further in the text.
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == '*' {
            p += 1;
            back = Some((p, t));
            continue;
        }
        let step = match text.get(t) {
            None if p == pattern.len() => return true,
            None => None,
            Some(&character) => one(&pattern[p..], character),
        };
        match (step, back) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, Some((after_star, from))) if text.get(from).is_some_and(|c| *c != '/') => {
                back = Some((after_star, from + 1));
                (p, t) = (after_star, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// How many characters of the pattern match `character`; `None` if they do not.
fn one(pattern: &[char], character: char) -> Option<usize> {
    match pattern.first()? {
        '?' => (character != '/').then_some(1),
        '[' => set(pattern, character),
        '\\' => (pattern.get(1) == Some(&character)).then_some(2),
        plain => (*plain == character).then_some(1),
    }
}

fn set(pattern: &[char], character: char) -> Option<usize> {
    let negated = pattern.get(1) == Some(&'^');
    let first = if negated { 2 } else { 1 };
    let end = first + 1 + pattern.get(first + 1..)?.iter().position(|c| *c == ']')?;
    let inside = &pattern[first..end];
    let mut found = false;
    let mut at = 0;
    while at < inside.len() {
        let low = inside[at];
        let (high, length) = match inside.get(at + 1..at + 3) {
            Some(['-', high]) => (*high, 3),
            _ => (low, 1),
        };
        found |= (low..=high).contains(&character);
        at += length;
    }
    (found != negated).then_some(end + 1)
}

/// Whether `labels` hold what `KEY[=VALUE]` asks for. A key with `*` is a pattern of any part of a
/// label's name; no value and an empty one stand for any.
pub(super) fn matches_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    let (key, value) = wanted.split_once('=').unwrap_or((wanted, ""));
    // A slash is a character like others here.
    let pattern = format!("*{}*", key.replace('/', "|"));
    let fits = |known: &str| {
        known == key || key.contains('*') && matches_path(&pattern, &known.replace('/', "|"))
    };
    labels
        .iter()
        .any(|(known, found)| (value.is_empty() || value == found) && fits(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "abc", true),
            ("*", "a/b", false),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("a*b*c", "aXbYbZc", true),
            ("*/*", "a/b", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("a[b-d]e", "ace", true),
            ("a[^b-d]e", "ace", false),
            ("a[", "a[", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("abc", "ab", false),
            ("ab", "abc", false),
        ] {
            assert_eq!(matches_path(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn labels() {
        let labels = [("a.b", "1=2"), ("example.com/tier", "x")];
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let labels = BTreeMap::from(labels.map(owned));
        for (wanted, expected) in [
            ("a.b", true),
            ("a.b=1=2", true),
            ("a.b=", true),
            ("a.b=1", false),
            ("a.*", true),
            ("com*er", true),
            ("com*y", false),
            ("a.*=1=2", true),
            ("x", false),
        ] {
            assert_eq!(matches_label(&labels, wanted), expected, "{wanted}");
        }
    }
}
