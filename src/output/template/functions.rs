// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of a template: Go's own and those that Podman and Docker add.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

use super::printf::{print, print_line, printf};
use crate::output::value::{JsonStyle, Value, print_value, to_json, type_name};

/// Why a function gives no value.
pub(super) enum Problem {
    /// It was called with the wrong number or kind of arguments.
    Usage(String),
    /// It could not do its work.
    Failed(String),
}

type Arguments<'a> = [Cow<'a, Value>];
type Answer = Result<Value, Problem>;

struct Function {
    name: &'static str,
    least: usize,
    most: Option<usize>,
    run: fn(&Arguments<'_>) -> Answer,
}

/// `and` and `or` stand here for their names: the executor runs them.
const FUNCTIONS: &[Function] = &[
    Function::new("and", 1, None, |_| Ok(Value::NoValue)),
    Function::new("call", 1, None, |_| failed("call of non-function")),
    Function::new("eq", 1, None, equal),
    Function::new("ge", 2, Some(2), |a| compare(a, Ordering::is_ge)),
    Function::new("gt", 2, Some(2), |a| compare(a, Ordering::is_gt)),
    Function::new("html", 0, None, |a| Ok(Value::Str(escape_html(&joined(a))))),
    Function::new("index", 1, None, index),
    Function::new("join", 2, Some(2), join),
    Function::new("js", 0, None, |a| Ok(Value::Str(escape_js(&joined(a))))),
    Function::new("json", 1, Some(1), |a| {
        Ok(Value::Str(to_json(&a[0], JsonStyle::Compact)))
    }),
    Function::new("le", 2, Some(2), |a| compare(a, Ordering::is_le)),
    Function::new("len", 1, Some(1), length),
    Function::new("lower", 1, Some(1), |a| {
        Ok(Value::Str(text(a, 0)?.to_lowercase()))
    }),
    Function::new("lt", 2, Some(2), |a| compare(a, Ordering::is_lt)),
    Function::new("ne", 2, Some(2), |a| match equal(a)? {
        Value::Bool(same) => Ok(Value::Bool(!same)),
        other => Ok(other),
    }),
    Function::new("not", 1, Some(1), |a| Ok(Value::Bool(!a[0].is_true()))),
    Function::new("or", 1, None, |_| Ok(Value::NoValue)),
    Function::new("pad", 3, Some(3), pad),
    Function::new("print", 0, None, |a| Ok(Value::Str(print(a)))),
    Function::new("printf", 1, None, |a| {
        Ok(Value::Str(printf(text(a, 0)?, &a[1..])))
    }),
    Function::new("println", 0, None, |a| Ok(Value::Str(print_line(a)))),
    Function::new("slice", 1, None, slice),
    Function::new("split", 2, Some(2), split),
    Function::new("title", 1, Some(1), |a| Ok(Value::Str(title(text(a, 0)?)))),
    Function::new("truncate", 2, Some(2), truncate),
    Function::new("upper", 1, Some(1), |a| {
        Ok(Value::Str(text(a, 0)?.to_uppercase()))
    }),
    Function::new("urlquery", 0, None, |a| {
        Ok(Value::Str(escape_query(&joined(a))))
    }),
];

impl Function {
    const fn new(
        name: &'static str,
        least: usize,
        most: Option<usize>,
        run: fn(&Arguments<'_>) -> Answer,
    ) -> Self {
        Self {
            name,
            least,
            most,
            run,
        }
    }

    fn check_count(&self, count: usize) -> Result<(), Problem> {
        let name = self.name;
        match self.most {
            None if count < self.least => Err(Problem::Usage(format!(
                "wrong number of args for {name}: want at least {} got {count}",
                self.least
            ))),
            Some(most) if count < self.least || count > most => Err(Problem::Usage(format!(
                "wrong number of args for {name}: want {most} got {count}"
            ))),
            None | Some(_) => Ok(()),
        }
    }
}

/// Whether there is a function `name`.
pub(super) fn exists(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.name == name)
}

/// Whether a row of headings passes through `name` unchanged.
pub(super) fn keeps_headings(name: &str) -> bool {
    matches!(
        name,
        "join" | "json" | "lower" | "pad" | "split" | "title" | "truncate" | "upper"
    )
}

/// Calls the function `name`.
pub(super) fn call(name: &str, arguments: &Arguments<'_>) -> Answer {
    let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
        return Err(Problem::Usage(format!(
            "{name:?} is not a defined function"
        )));
    };
    function.check_count(arguments.len())?;
    (function.run)(arguments)
}

fn failed(message: impl Into<String>) -> Answer {
    Err(Problem::Failed(message.into()))
}

fn wrong_type(expected: &str, found: &Value) -> Problem {
    let found = match found {
        Value::NoValue | Value::Nil => {
            return Problem::Usage(format!("invalid value; expected {expected}"));
        }
        found => type_name(found),
    };
    Problem::Usage(format!(
        "wrong type for value; expected {expected}; got {found}"
    ))
}

fn text<'v>(arguments: &'v Arguments<'_>, at: usize) -> Result<&'v str, Problem> {
    match &*arguments[at] {
        Value::Str(text) => Ok(text),
        other => Err(wrong_type("string", other)),
    }
}

fn count(arguments: &Arguments<'_>, at: usize) -> Result<i64, Problem> {
    match &*arguments[at] {
        Value::Int(number) => Ok(*number),
        Value::Uint(number) => Ok(i64::try_from(*number).unwrap_or(i64::MAX)),
        other => Err(wrong_type("int", other)),
    }
}

/// What the escaping functions work on: one text as it is, else all as `print` shows them.
fn joined(arguments: &Arguments<'_>) -> String {
    match arguments {
        [only] => {
            let mut out = String::new();
            print_value(only, &mut out);
            out
        }
        _ => print(arguments),
    }
}

/// The kinds that Go compares.
#[derive(PartialEq, Eq)]
enum Basic {
    Bool,
    Integer,
    Float,
    Text,
    None,
}

fn basic(value: &Value) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(_) | Value::Uint(_) | Value::Duration(_) => Basic::Integer,
        Value::Float(_) => Basic::Float,
        Value::Str(_) => Basic::Text,
        Value::NoValue
        | Value::Nil
        | Value::Time(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Struct(_) => Basic::None,
    }
}

fn integer(value: &Value) -> i128 {
    match value {
        Value::Int(number) | Value::Duration(number) => (*number).into(),
        Value::Uint(number) => (*number).into(),
        _ => 0,
    }
}

fn equal(arguments: &Arguments<'_>) -> Answer {
    let [first, others @ ..] = arguments else {
        return failed("missing argument for comparison");
    };
    if others.is_empty() {
        return failed("missing argument for comparison");
    }
    for other in others {
        if equals(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn equals(first: &Value, other: &Value) -> Result<bool, Problem> {
    let is_nil = |value: &Value| matches!(value, Value::Nil | Value::NoValue);
    if is_nil(first) || is_nil(other) {
        return Ok(is_nil(first) && is_nil(other));
    }
    let (kind, other_kind) = (basic(first), basic(other));
    if kind != other_kind {
        return Err(Problem::Failed(
            "incompatible types for comparison".to_owned(),
        ));
    }
    match (first, other) {
        _ if kind == Basic::Integer => Ok(integer(first) == integer(other)),
        (Value::List(_) | Value::Map(_), _) | (_, Value::List(_) | Value::Map(_)) => {
            Err(Problem::Failed(format!(
                "non-comparable types {}, {}",
                type_name(first),
                type_name(other)
            )))
        }
        _ => Ok(first == other),
    }
}

fn compare(arguments: &Arguments<'_>, accept: fn(Ordering) -> bool) -> Answer {
    let (first, second) = (&*arguments[0], &*arguments[1]);
    if basic(first) != basic(second) {
        return failed("incompatible types for comparison");
    }
    let ordering = match (first, second) {
        (Value::Str(first), Value::Str(second)) => Some(first.cmp(second)),
        (Value::Float(first), Value::Float(second)) => first.partial_cmp(second),
        _ if basic(first) == Basic::Integer => Some(integer(first).cmp(&integer(second))),
        _ => return failed("invalid type for comparison"),
    };
    Ok(Value::Bool(ordering.is_some_and(accept)))
}

fn length(arguments: &Arguments<'_>) -> Answer {
    let length = match &*arguments[0] {
        Value::Str(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.entries.len(),
        Value::NoValue => return failed("len of nil pointer"),
        Value::Nil => 0,
        other => return failed(format!("len of type {}", type_name(other))),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(arguments: &Arguments<'_>) -> Answer {
    let mut item = Cow::Borrowed(&*arguments[0]);
    if matches!(&*item, Value::NoValue) {
        return failed("index of untyped nil");
    }
    for key in &arguments[1..] {
        item = match &*item {
            Value::Map(map) => {
                let Value::Str(key) = &**key else {
                    return failed(format!(
                        "value has type {}; should be string",
                        type_name(key)
                    ));
                };
                let found = map.entries.get(key).cloned();
                Cow::Owned(found.unwrap_or_else(|| map.missing()))
            }
            Value::List(items) => {
                let at = position(key, items.len(), Bound::Exclusive)?;
                Cow::Owned(items[at].clone())
            }
            Value::Str(text) => {
                let at = position(key, text.len(), Bound::Exclusive)?;
                Cow::Owned(Value::Uint(text.as_bytes()[at].into()))
            }
            // A nil map: every key is missing.
            Value::Nil => Cow::Owned(Value::NoValue),
            other => return failed(format!("can't index item of type {}", type_name(other))),
        };
    }
    Ok(item.into_owned())
}

/// Whether a position may be the length itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Exclusive,
    Inclusive,
}

fn position(key: &Value, length: usize, bound: Bound) -> Result<usize, Problem> {
    let number = match key {
        Value::Int(_) | Value::Uint(_) => integer(key),
        Value::Nil | Value::NoValue => {
            return Err(Problem::Failed(
                "cannot index slice/array with nil".to_owned(),
            ));
        }
        other => {
            let message = format!("cannot index slice/array with type {}", type_name(other));
            return Err(Problem::Failed(message));
        }
    };
    let limit = if bound == Bound::Inclusive {
        length + 1
    } else {
        length
    };
    usize::try_from(number)
        .ok()
        .filter(|position| *position < limit)
        .ok_or_else(|| Problem::Failed(format!("index out of range: {number}")))
}

fn slice(arguments: &Arguments<'_>) -> Answer {
    let (item, bounds) = (&*arguments[0], &arguments[1..]);
    if bounds.len() > 3 {
        return failed(format!("too many slice indexes: {}", bounds.len()));
    }
    let length = match item {
        Value::Str(_) if bounds.len() == 3 => {
            return failed("cannot 3-index slice a string");
        }
        Value::Str(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Nil | Value::NoValue => return failed("slice of untyped nil"),
        other => return failed(format!("can't slice item of type {}", type_name(other))),
    };
    let mut ends = [0, length];
    for (end, bound) in ends.iter_mut().zip(bounds) {
        *end = position(bound, length, Bound::Inclusive)?;
    }
    let [start, end] = ends;
    if start > end {
        return failed(format!("invalid slice index: {start} > {end}"));
    }
    Ok(match item {
        Value::List(items) => Value::List(items[start..end].to_vec()),
        Value::Str(text) => {
            Value::Str(String::from_utf8_lossy(&text.as_bytes()[start..end]).into_owned())
        }
        _ => Value::NoValue,
    })
}

fn join(arguments: &Arguments<'_>) -> Answer {
    let items = match &*arguments[0] {
        Value::List(items) => items.as_slice(),
        Value::Nil => &[],
        other => return Err(wrong_type("[]string", other)),
    };
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        let Value::Str(text) = item else {
            return Err(wrong_type("[]string", &arguments[0]));
        };
        texts.push(text.as_str());
    }
    Ok(Value::Str(texts.join(text(arguments, 1)?)))
}

fn split(arguments: &Arguments<'_>) -> Answer {
    let (whole, separator) = (text(arguments, 0)?, text(arguments, 1)?);
    let parts = if separator.is_empty() {
        whole
            .chars()
            .map(|part| Value::Str(part.to_string()))
            .collect()
    } else {
        whole.split(separator).map(Value::from).collect()
    };
    Ok(Value::List(parts))
}

/// More padding than this is a mistake, and would only fill the memory.
const PAD_LIMIT: i64 = 1 << 20;

fn pad(arguments: &Arguments<'_>) -> Answer {
    let source = text(arguments, 0)?;
    let mut widths = [0; 2];
    for (at, width) in widths.iter_mut().enumerate() {
        let asked = count(arguments, at + 1)?;
        if !(0..=PAD_LIMIT).contains(&asked) {
            return failed(format!("cannot pad by {asked} spaces"));
        }
        *width = usize::try_from(asked).unwrap_or(0);
    }
    if source.is_empty() {
        return Ok(Value::Str(String::new()));
    }
    let [before, after] = widths.map(|width| " ".repeat(width));
    Ok(Value::Str(format!("{before}{source}{after}")))
}

fn truncate(arguments: &Arguments<'_>) -> Answer {
    let source = text(arguments, 0)?;
    let length = usize::try_from(count(arguments, 1)?);
    let Ok(length) = length else {
        return failed("cannot truncate to a negative length");
    };
    let end = source.floor_char_boundary(length);
    Ok(Value::from(&source[..end]))
}

/// Capitalizes the first letter of each word, as Go's `strings.Title`.
fn title(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut inside = false;
    for character in source.chars() {
        if inside {
            out.push(character);
        } else {
            out.extend(character.to_uppercase());
        }
        let ends_word = character.is_ascii() || character.is_whitespace();
        inside = character == '_' || character.is_alphanumeric() || !ends_word;
    }
    out
}

fn escape_html(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for character in source.chars() {
        match character {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            _ => out.push(character),
        }
    }
    out
}

fn escape_js(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for character in source.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' | '\u{7f}' => {
                push(&mut out, format_args!("\\u{:04X}", u32::from(character)));
            }
            _ => out.push(character),
        }
    }
    out
}

fn escape_query(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for byte in source.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => push(&mut out, format_args!("%{byte:02X}")),
        }
    }
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("writing to a string cannot fail");
}
