// SPDX-License-Identifier: Apache-2.0 OR MIT
//! JSON as Go's encoder writes it: fields in their order, keys of maps sorted.

use std::fmt::Write as _;

use super::{Field, Presence, Value};

/// The layout of a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonStyle {
    /// On one line without spaces.
    Compact,
    /// One member per line, indented by this many spaces per level.
    Indented(usize),
}

/// Writes `value` as JSON, without a final newline.
pub fn to_json(value: &Value, style: JsonStyle) -> String {
    let mut writer = Writer {
        out: String::new(),
        style,
        level: 0,
    };
    writer.value(value);
    writer.out
}

struct Writer {
    out: String,
    style: JsonStyle,
    level: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) {
        match value {
            Value::NoValue | Value::Nil => self.out.push_str("null"),
            Value::Bool(value) => self.number(value),
            Value::Int(value) | Value::Duration(value) => self.number(value),
            Value::Uint(value) => self.number(value),
            Value::Float(value) => self.float(*value),
            Value::Str(text) => write_text(text, &mut self.out),
            Value::Time(time) => write_text(&time.rfc3339(), &mut self.out),
            Value::List(items) => self.list(items),
            Value::Map(map) => {
                let members = map.entries.iter().map(|(key, value)| (key.as_str(), value));
                self.object(members);
            }
            Value::Struct(value) => {
                let shown = value.fields.iter().filter(|field| is_shown(field));
                self.object(shown.map(|field| (json_name(field), shown_value(field))));
            }
        }
    }

    fn number(&mut self, number: impl std::fmt::Display) {
        write!(self.out, "{number}").expect("writing to a string cannot fail");
    }

    /// JSON has no infinities: they are null here, where Go refuses the whole document.
    fn float(&mut self, number: f64) {
        if !number.is_finite() {
            self.out.push_str("null");
        } else if number != 0.0 && (number.abs() < 1e-6 || number.abs() >= 1e21) {
            self.number(format_args!("{number:e}"));
        } else {
            self.number(number);
        }
    }

    fn list(&mut self, items: &[Value]) {
        self.out.push('[');
        self.level += 1;
        for (index, item) in items.iter().enumerate() {
            self.separate(index);
            self.value(item);
        }
        self.level -= 1;
        self.close(items.is_empty());
        self.out.push(']');
    }

    fn object<'a>(&mut self, members: impl Iterator<Item = (&'a str, &'a Value)>) {
        self.out.push('{');
        self.level += 1;
        let mut count = 0;
        for (key, value) in members {
            self.separate(count);
            write_text(key, &mut self.out);
            self.out.push(':');
            if matches!(self.style, JsonStyle::Indented(_)) {
                self.out.push(' ');
            }
            self.value(value);
            count += 1;
        }
        self.level -= 1;
        self.close(count == 0);
        self.out.push('}');
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
        self.line();
    }

    fn close(&mut self, empty: bool) {
        if !empty {
            self.line();
        }
    }

    fn line(&mut self) {
        let JsonStyle::Indented(width) = self.style else {
            return;
        };
        self.out.push('\n');
        let spaces = width * self.level;
        self.out.extend(std::iter::repeat_n(' ', spaces));
    }
}

fn json_name(field: &Field) -> &'static str {
    if field.json_name.is_empty() {
        field.name
    } else {
        field.json_name
    }
}

fn is_shown(field: &Field) -> bool {
    match field.presence {
        Presence::Always | Presence::NullEmpty => true,
        Presence::Hidden => false,
        // Go's omitempty never drops a struct, and so no time either.
        Presence::OmitEmpty => field.value.is_true(),
    }
}

fn shown_value(field: &Field) -> &Value {
    if field.presence == Presence::NullEmpty && !field.value.is_true() {
        return &Value::Nil;
    }
    &field.value
}

/// Writes `text` in quotes with Go's escapes (HTML characters are left alone).
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(character))
                    .expect("writing to a string cannot fail");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::{Map, Struct};
    use super::*;

    fn sample() -> Value {
        let empty = Value::Map(Map::default());
        Struct::new("t")
            .with("ID,Id", "a\"<b>\u{1}\u{2028}")
            .with("Size,size,omitempty", 0_i64)
            .with("Secret,-", "x")
            .with("Nothing,Nothing,nullempty", Vec::<Value>::new())
            .with("List", vec![1_i64, 2])
            .with("Empty", empty)
            .with("None", Value::Nil)
            .into()
    }

    #[test]
    fn compact() {
        assert_eq!(
            to_json(&sample(), JsonStyle::Compact),
            r#"{"Id":"a\"<b>\u0001\u2028","Nothing":null,"List":[1,2],"Empty":{},"None":null}"#
        );
    }

    #[test]
    fn indented() {
        let expected = "{\n  \"Id\": \"a\\\"<b>\\u0001\\u2028\",\n  \"Nothing\": null,\n  \"List\": [\n    1,\n    2\n  ],\n  \"Empty\": {},\n  \"None\": null\n}";
        assert_eq!(to_json(&sample(), JsonStyle::Indented(2)), expected);
    }

    #[test]
    fn numbers() {
        let table = [
            (Value::Float(1.0), "1"),
            (Value::Float(0.5), "0.5"),
            (Value::Float(f64::NAN), "null"),
            (Value::Float(1e-9), "1e-9"),
            (Value::Duration(5), "5"),
            (Value::Uint(u64::MAX), "18446744073709551615"),
        ];
        for (value, expected) in table {
            assert_eq!(to_json(&value, JsonStyle::Compact), expected);
        }
    }
}
