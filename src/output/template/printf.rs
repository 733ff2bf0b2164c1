// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's `fmt`: `print`, `println` and `printf` with its verbs, flags and words for mistakes.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::output::value::{
    Detail, Value, fixed, print_detailed, print_value, scientific, significant, type_name,
};

type Arguments<'a> = [Cow<'a, Value>];

/// Widths and precisions beyond this are refused, as Go does.
const SIZE_LIMIT: usize = 1_000_000;

/// Go's `Sprint`: a space between two operands of which neither is a text.
pub(super) fn print(arguments: &Arguments<'_>) -> String {
    let mut out = String::new();
    let mut after_text = true;
    for argument in arguments {
        let is_text = matches!(&**argument, Value::Str(_));
        if !is_text && !after_text {
            out.push(' ');
        }
        print_operand(argument, &mut out);
        after_text = is_text;
    }
    out
}

/// Go's `Sprintln`: spaces between all operands and a newline behind.
pub(super) fn print_line(arguments: &Arguments<'_>) -> String {
    let mut out = String::new();
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        print_operand(argument, &mut out);
    }
    out.push('\n');
    out
}

/// An operand of a function that has no value is nil there.
fn print_operand(value: &Value, out: &mut String) {
    match value {
        Value::NoValue => out.push_str("<nil>"),
        value => print_value(value, out),
    }
}

/// Go's `Sprintf`.
pub(super) fn printf(format: &str, arguments: &Arguments<'_>) -> String {
    let mut printer = Printer {
        out: String::with_capacity(format.len() + 16),
        arguments,
        next: 0,
        reordered: false,
    };
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        printer.out.push_str(&rest[..at]);
        rest = printer.directive(&rest[at + 1..]);
    }
    printer.out.push_str(rest);
    printer.extra();
    printer.out
}

struct Printer<'a> {
    out: String,
    arguments: &'a Arguments<'a>,
    next: usize,
    /// Whether an explicit `[n]` was used: then extra arguments are no mistake.
    reordered: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Why a width, precision or argument cannot be taken.
enum Bad {
    Index,
    Width,
    Precision,
}

impl Printer<'_> {
    /// One directive behind its `%`; returns what follows it.
    fn directive<'f>(&mut self, format: &'f str) -> &'f str {
        let mut scan = Scan { rest: format };
        let mut flags = scan.flags();
        let mut bad = self.size(&mut scan, &mut flags).err();
        if self.index(&mut scan).is_err() {
            bad = Some(Bad::Index);
        }
        let Some(verb) = scan.take() else {
            self.out.push_str("%!(NOVERB)");
            return scan.rest;
        };
        match bad {
            None => {}
            Some(Bad::Width) => self.out.push_str("%!(BADWIDTH)"),
            Some(Bad::Precision) => self.out.push_str("%!(BADPREC)"),
            Some(Bad::Index) => {
                self.write(format_args!("%!{verb}(BADINDEX)"));
                return scan.rest;
            }
        }
        if verb == '%' {
            self.out.push('%');
            return scan.rest;
        }
        match self.arguments.get(self.next) {
            None => self.write(format_args!("%!{verb}(MISSING)")),
            Some(argument) => {
                self.next += 1;
                format_verb(argument, verb, flags, &mut self.out);
            }
        }
        scan.rest
    }

    /// Width and precision, each a number or `*`.
    fn size(&mut self, scan: &mut Scan<'_>, flags: &mut Flags) -> Result<(), Bad> {
        let mut result = self.index(scan);
        if scan.accept('*') {
            match self.star() {
                Some(width) => {
                    flags.minus |= width < 0;
                    flags.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => result = Err(Bad::Width),
            }
        } else {
            match scan.number(Bad::Width) {
                Ok(width) => flags.width = width,
                Err(bad) => result = Err(bad),
            }
        }
        if !scan.accept('.') {
            return result;
        }
        let index = self.index(scan);
        result = result.and(index);
        if scan.accept('*') {
            let precision = self
                .star()
                .and_then(|precision| usize::try_from(precision).ok());
            flags.precision = precision;
            return precision.map_or(Err(Bad::Precision), |_| result);
        }
        flags.precision = scan.number(Bad::Precision)?.or(Some(0));
        result
    }

    /// The argument that a `*` stands for.
    fn star(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next)?;
        self.next += 1;
        let number = match &**argument {
            Value::Int(number) => *number,
            Value::Uint(number) => i64::try_from(*number).ok()?,
            _ => return None,
        };
        let limit = i64::try_from(SIZE_LIMIT).unwrap_or(i64::MAX);
        (-limit..=limit).contains(&number).then_some(number)
    }

    /// An explicit `[n]`.
    fn index(&mut self, scan: &mut Scan<'_>) -> Result<(), Bad> {
        if !scan.accept('[') {
            return Ok(());
        }
        self.reordered = true;
        let Some(end) = scan.rest.find(']') else {
            return Err(Bad::Index);
        };
        let number = scan.rest[..end].parse::<usize>();
        scan.rest = &scan.rest[end + 1..];
        match number {
            Ok(number) if (1..=self.arguments.len()).contains(&number) => {
                self.next = number - 1;
                Ok(())
            }
            Ok(_) | Err(_) => Err(Bad::Index),
        }
    }

    fn extra(&mut self) {
        if self.reordered || self.next >= self.arguments.len() {
            return;
        }
        let rest = self.arguments[self.next..]
            .iter()
            .map(|argument| typed(argument));
        let rest: Vec<String> = rest.collect();
        self.write(format_args!("%!(EXTRA {})", rest.join(", ")));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.out
            .write_fmt(text)
            .expect("writing to a string cannot fail");
    }
}

/// The part of a format that is still to be read.
struct Scan<'f> {
    rest: &'f str,
}

impl Scan<'_> {
    fn take(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = &self.rest[character.len_utf8()..];
        Some(character)
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.rest.starts_with(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        loop {
            let flag = match self.rest.as_bytes().first() {
                Some(b'-') => &mut flags.minus,
                Some(b'+') => &mut flags.plus,
                Some(b'#') => &mut flags.sharp,
                Some(b' ') => &mut flags.space,
                Some(b'0') => &mut flags.zero,
                _ => return flags,
            };
            *flag = true;
            self.rest = &self.rest[1..];
        }
    }

    fn number(&mut self, bad: Bad) -> Result<Option<usize>, Bad> {
        let rest = self.rest;
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.rest = &rest[length..];
        if length == 0 {
            return Ok(None);
        }
        match rest[..length].parse() {
            Ok(number) if number <= SIZE_LIMIT => Ok(Some(number)),
            Ok(_) | Err(_) => Err(bad),
        }
    }
}

/// `type=value`, as Go's mistakes show an argument.
fn typed(value: &Value) -> String {
    if let Value::NoValue | Value::Nil = value {
        return "<nil>".to_owned();
    }
    let mut out = format!("{}=", type_name(value));
    print_value(value, &mut out);
    out
}

/// One argument by one verb.
fn format_verb(value: &Value, verb: char, flags: Flags, out: &mut String) {
    match verb {
        'T' => return pad(&type_name(value), flags, out),
        'v' => return general(value, flags, out),
        _ => {}
    }
    match value {
        Value::List(items) => {
            let elements = items.iter().map(|item| (None, item));
            compound(['[', ']'], elements, verb, flags, out);
        }
        Value::Map(map) => {
            out.push_str("map");
            let entries = map
                .entries
                .iter()
                .map(|(key, item)| (Some(key.as_str()), item));
            compound(['[', ']'], entries, verb, flags, out);
        }
        Value::Struct(value) => {
            let fields = value.fields.iter().map(|field| (None, &field.value));
            compound(['{', '}'], fields, verb, flags, out);
        }
        Value::Int(number) => integer(value, *number < 0, number.unsigned_abs(), verb, flags, out),
        Value::Uint(number) => integer(value, false, *number, verb, flags, out),
        Value::Duration(number) if !matches!(verb, 's' | 'q') => {
            integer(value, *number < 0, number.unsigned_abs(), verb, flags, out);
        }
        Value::Float(number) => float(value, *number, verb, flags, out),
        Value::Bool(true_or_false) if verb == 't' => pad(&true_or_false.to_string(), flags, out),
        Value::Str(text) => texts(value, text, verb, flags, out),
        Value::Time(_) | Value::Duration(_) => {
            let mut text = String::new();
            print_value(value, &mut text);
            texts(value, &text, verb, flags, out);
        }
        Value::Bool(_) | Value::NoValue | Value::Nil => mistake(value, verb, out),
    }
}

/// The elements of a list, map or struct, each by the verb.
fn compound<'v>(
    [open, close]: [char; 2],
    elements: impl Iterator<Item = (Option<&'v str>, &'v Value)>,
    verb: char,
    flags: Flags,
    out: &mut String,
) {
    out.push(open);
    for (index, (key, element)) in elements.enumerate() {
        if index > 0 {
            out.push(' ');
        }
        if let Some(key) = key {
            texts(&Value::from(key), key, verb, flags, out);
            out.push(':');
        }
        format_verb(element, verb, flags, out);
    }
    out.push(close);
}

fn mistake(value: &Value, verb: char, out: &mut String) {
    write!(out, "%!{verb}({})", typed(value)).expect("writing to a string cannot fail");
}

/// `%v`, `%+v`, `%#v`.
fn general(value: &Value, flags: Flags, out: &mut String) {
    match value {
        Value::Str(text) if flags.sharp => pad(&quoted(text), flags, out),
        Value::NoValue => pad("<nil>", flags, out),
        Value::Int(_) | Value::Uint(_) => format_verb(value, 'd', flags, out),
        Value::Float(_) => format_verb(value, 'g', flags, out),
        _ => {
            let detail = if flags.plus {
                Detail::Names
            } else {
                Detail::Values
            };
            let mut text = String::new();
            print_detailed(value, detail, &mut text);
            pad(&text, flags, out);
        }
    }
}

fn texts(value: &Value, text: &str, verb: char, flags: Flags, out: &mut String) {
    let cut = match flags.precision {
        Some(length) => text
            .char_indices()
            .nth(length)
            .map_or(text, |(at, _)| &text[..at]),
        None => text,
    };
    match verb {
        's' => pad(cut, flags, out),
        'q' => pad(&quoted(cut), flags, out),
        'x' => pad(&hexadecimal(cut, flags), flags, out),
        'X' => pad(&hexadecimal(cut, flags).to_uppercase(), flags, out),
        _ => mistake(value, verb, out),
    }
}

fn hexadecimal(text: &str, flags: Flags) -> String {
    let digits: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let separator = if flags.space { " " } else { "" };
    let prefix = if flags.sharp && !digits.is_empty() {
        "0x"
    } else {
        ""
    };
    format!("{prefix}{}", digits.join(separator))
}

/// A text in double quotes with Go's escapes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                write!(out, "\\x{:02x}", u32::from(character))
                    .expect("writing to a string cannot fail");
            }
            _ if character.is_control() => {
                write!(out, "\\u{:04x}", u32::from(character))
                    .expect("writing to a string cannot fail");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

fn integer(
    value: &Value,
    negative: bool,
    magnitude: u64,
    verb: char,
    flags: Flags,
    out: &mut String,
) {
    let (prefix, mut digits) = match verb {
        'd' => ("", magnitude.to_string()),
        'b' => (
            if flags.sharp { "0b" } else { "" },
            format!("{magnitude:b}"),
        ),
        'o' => (if flags.sharp { "0" } else { "" }, format!("{magnitude:o}")),
        'O' => ("0o", format!("{magnitude:o}")),
        'x' => (
            if flags.sharp { "0x" } else { "" },
            format!("{magnitude:x}"),
        ),
        'X' => (
            if flags.sharp { "0X" } else { "" },
            format!("{magnitude:X}"),
        ),
        'c' | 'q' | 'U' => return character(value, negative, magnitude, verb, flags, out),
        _ => return mistake(value, verb, out),
    };
    let sign = sign(negative, flags);
    let mut fill = flags.precision.unwrap_or(0);
    if flags.precision.is_none() && flags.zero && !flags.minus {
        fill = flags
            .width
            .unwrap_or(0)
            .saturating_sub(sign.len() + prefix.len());
    }
    if flags.precision == Some(0) && magnitude == 0 {
        digits.clear();
    }
    let zeros = "0".repeat(fill.saturating_sub(digits.len()));
    pad_spaces(&format!("{sign}{prefix}{zeros}{digits}"), flags, out);
}

fn sign(negative: bool, flags: Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

fn character(
    value: &Value,
    negative: bool,
    magnitude: u64,
    verb: char,
    flags: Flags,
    out: &mut String,
) {
    let code = u32::try_from(magnitude).ok().filter(|_| !negative);
    let character = code.and_then(char::from_u32).unwrap_or('\u{fffd}');
    match verb {
        'c' => pad(&character.to_string(), flags, out),
        'q' if character == '\'' => pad("'\\''", flags, out),
        'q' if character == '"' => pad("'\"'", flags, out),
        'q' => {
            let inner = quoted(&character.to_string());
            pad(&format!("'{}'", &inner[1..inner.len() - 1]), flags, out);
        }
        'U' if flags.sharp => pad(&format!("U+{magnitude:04X} '{character}'"), flags, out),
        'U' => pad(&format!("U+{magnitude:04X}"), flags, out),
        _ => mistake(value, verb, out),
    }
}

fn float(value: &Value, number: f64, verb: char, flags: Flags, out: &mut String) {
    let magnitude = number.abs();
    let digits = match (verb, flags.precision) {
        _ if !number.is_finite() => {
            let name = if number.is_nan() { "NaN" } else { "Inf" };
            name.to_owned()
        }
        ('f' | 'F', precision) => fixed(magnitude, precision.unwrap_or(6)),
        ('e', precision) => scientific(magnitude, precision.unwrap_or(6)),
        ('E', precision) => scientific(magnitude, precision.unwrap_or(6)).to_uppercase(),
        ('g', None) => shortest(magnitude),
        ('G', None) => shortest(magnitude).to_uppercase(),
        ('g', Some(precision)) => significant(magnitude, precision),
        ('G', Some(precision)) => significant(magnitude, precision).to_uppercase(),
        _ => return mistake(value, verb, out),
    };
    let infinite = number.is_infinite();
    let sign = if infinite && number > 0.0 {
        "+"
    } else {
        sign(number.is_sign_negative() && !number.is_nan(), flags)
    };
    let mut zeros = String::new();
    if flags.zero && !flags.minus && number.is_finite() {
        let width = flags.width.unwrap_or(0);
        zeros = "0".repeat(width.saturating_sub(sign.len() + digits.len()));
    }
    pad_spaces(&format!("{sign}{zeros}{digits}"), flags, out);
}

/// `%g`: the shortest digits that give the number back.
fn shortest(magnitude: f64) -> String {
    let mut out = String::new();
    print_value(&Value::Float(magnitude), &mut out);
    out
}

/// Pads with zeros where the flag asks for it, else with spaces.
fn pad(text: &str, flags: Flags, out: &mut String) {
    let missing = flags
        .width
        .unwrap_or(0)
        .saturating_sub(text.chars().count());
    if flags.zero && !flags.minus {
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(text);
        return;
    }
    pad_spaces(text, flags, out);
}

fn pad_spaces(text: &str, flags: Flags, out: &mut String) {
    let missing = flags
        .width
        .unwrap_or(0)
        .saturating_sub(text.chars().count());
    let spaces = std::iter::repeat_n(' ', missing);
    if flags.minus {
        out.push_str(text);
        out.extend(spaces);
    } else {
        out.extend(spaces);
        out.push_str(text);
    }
}
