// SPDX-License-Identifier: Apache-2.0 OR MIT
//! YAML as Go's encoder writes it from a JSON document: keys sorted, texts plain where YAML would
//! read them back as texts.

use super::value::{Field, JsonStyle, Presence, Value, to_json};

/// Writes `value` as YAML, with a final newline.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match members(value) {
        Some(members) if !members.is_empty() => mapping(&members, 0, &mut out),
        _ => {
            scalar_or_list(value, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

/// The members of a struct or a map, sorted by key; `None` for anything else.
fn members(value: &Value) -> Option<Vec<(&str, &Value)>> {
    let mut members: Vec<(&str, &Value)> = match value {
        Value::Struct(value) => value.fields.iter().filter_map(member).collect(),
        Value::Map(map) => map
            .entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
            .collect(),
        _ => return None,
    };
    members.sort_by_key(|(key, _)| *key);
    Some(members)
}

fn member(field: &Field) -> Option<(&str, &Value)> {
    let name = if field.json_name.is_empty() {
        field.name
    } else {
        field.json_name
    };
    match field.presence {
        Presence::Hidden => None,
        Presence::OmitEmpty if !field.value.is_true() => None,
        Presence::NullEmpty if !field.value.is_true() => Some((name, &Value::Nil)),
        Presence::Always | Presence::OmitEmpty | Presence::NullEmpty => Some((name, &field.value)),
    }
}

fn mapping(members: &[(&str, &Value)], level: usize, out: &mut String) {
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 || level == 0 {
            indent(level, out);
        }
        out.push_str(&text(key));
        out.push(':');
        below_key(value, level, out);
    }
}

/// What stands behind `key:`, with its newline.
fn below_key(value: &Value, level: usize, out: &mut String) {
    if let Some(inner) = members(value).filter(|inner| !inner.is_empty()) {
        out.push('\n');
        indent(level + 1, out);
        mapping(&inner, level + 1, out);
        return;
    }
    if let Value::List(items) = value
        && !items.is_empty()
    {
        out.push('\n');
        list(items, level, out);
        return;
    }
    out.push(' ');
    scalar_or_list(value, level, out);
    out.push('\n');
}

fn list(items: &[Value], level: usize, out: &mut String) {
    for item in items {
        indent(level, out);
        out.push_str("- ");
        if let Some(inner) = members(item).filter(|inner| !inner.is_empty()) {
            mapping(&inner, level + 1, out);
        } else {
            scalar_or_list(item, level + 1, out);
            out.push('\n');
        }
    }
}

fn scalar_or_list(value: &Value, level: usize, out: &mut String) {
    match value {
        Value::NoValue | Value::Nil => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Time(time) => out.push_str(&quoted(&time.rfc3339())),
        Value::Str(text) if text.contains('\n') => block(text, level, out),
        Value::Str(plain) => out.push_str(&text(plain)),
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        // A list directly in a list stands in JSON's form, which is YAML as well.
        Value::List(_) | Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Duration(_) => {
            out.push_str(&to_json(value, JsonStyle::Compact));
        }
        Value::Map(_) | Value::Struct(_) => out.push_str("{}"),
    }
}

fn indent(level: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", level));
}

/// Several lines, each indented; `|-` has no newline at its end.
fn block(text: &str, level: usize, out: &mut String) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.trim_end_matches('\n').split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(level + 1, out);
            out.push_str(line);
        }
    }
}

/// A text of one line, in quotes where it would be read as something else.
fn text(text: &str) -> String {
    if text.is_empty() || reads_otherwise(text) || text.contains(char::is_control) {
        return quoted(text);
    }
    let indicator = text.starts_with([
        ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`',
    ]);
    let dash = text.starts_with(['-', '?', ':']) && !text[1..].starts_with(|c: char| c != ' ');
    let inside = text.contains(": ") || text.contains(" #") || text.ends_with(':');
    let spaces = text.starts_with(' ') || text.ends_with(' ');
    if indicator || dash || inside || spaces {
        return format!("'{}'", text.replace('\'', "''"));
    }
    text.to_owned()
}

/// JSON's quotes are YAML's double quotes.
fn quoted(text: &str) -> String {
    to_json(&Value::from(text), JsonStyle::Compact)
}

/// Whether YAML takes the plain text for a number, a truth value, nothing or a time.
fn reads_otherwise(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let word = matches!(
        lower.as_str(),
        "true"
            | "false"
            | "yes"
            | "no"
            | "on"
            | "off"
            | "y"
            | "n"
            | "null"
            | "~"
            | ".inf"
            | "-.inf"
            | ".nan"
            | "<<"
    );
    let unsigned = lower.strip_prefix(['-', '+']).unwrap_or(&lower);
    let digits = unsigned.replace('_', "");
    let based = |prefix: &str, radix| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|rest| u64::from_str_radix(rest, radix).is_ok())
    };
    let number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (digits.parse::<f64>().is_ok() || based("0x", 16) || based("0o", 8) || based("0b", 2));
    let date = text
        .get(..10)
        .is_some_and(|start| start.parse::<jiff::civil::Date>().is_ok());
    word || number || date
}

#[cfg(test)]
mod tests {
    use super::super::value::Struct;
    use super::*;

    #[test]
    fn as_podman_prints_info() {
        let inner = Struct::new("t")
            .with("version", "12")
            .with("package", "conmon version 2.1.6, commit: unknown")
            .with("lines", "a\n  b")
            .with("none", Value::Nil)
            .with("gone,gone,omitempty", "");
        let extent = Struct::new("t").with("size", 1_i64).with("host", 0_i64);
        let value = Struct::new("t")
            .with("z", true)
            .with("host", inner)
            .with("maps", vec![extent.clone(), extent])
            .with("list", vec!["a", "b: c"])
            .with("empty", Vec::<Value>::new())
            .with("map", Value::Map(super::super::value::Map::default()));
        let expected = "empty: []
host:
  lines: |-
    a
      b
  none: null
  package: 'conmon version 2.1.6, commit: unknown'
  version: \"12\"
list:
- a
- 'b: c'
map: {}
maps:
- host: 0
  size: 1
- host: 0
  size: 1
z: true
";
        assert_eq!(to_yaml(&value.into()), expected);
    }

    #[test]
    fn texts_stay_texts() {
        let table = [
            ("", "\"\""),
            ("true", "\"true\""),
            ("1e3", "\"1e3\""),
            ("0x1F", "\"0x1F\""),
            ("2024-05-06", "\"2024-05-06\""),
            ("1.2.3", "1.2.3"),
            ("- a", "'- a'"),
            ("-a", "-a"),
            ("it's", "it's"),
            ("'x", "'''x'"),
            ("a\tb", "\"a\\tb\""),
            ("0h 47m 31.00s", "0h 47m 31.00s"),
            ("/run/x.sock", "/run/x.sock"),
        ];
        for (plain, expected) in table {
            assert_eq!(text(plain), expected, "{plain}");
        }
    }
}
