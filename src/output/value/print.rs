// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How Go's `%v` prints a value, and what Go calls its type.

use std::fmt::Write as _;

use super::{Map, Struct, Value};
use crate::output::units::duration::go_duration;

/// How much of a struct is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// `%v`: the values alone.
    Values,
    /// `%+v`: with the names of the fields.
    Names,
}

/// Appends `value` as Go's `%v` prints it.
pub(crate) fn print_value(value: &Value, out: &mut String) {
    print_detailed(value, Detail::Values, out);
}

/// Appends `value` as `%v` or `%+v` prints it.
pub(crate) fn print_detailed(value: &Value, detail: Detail, out: &mut String) {
    match value {
        Value::NoValue => out.push_str("<no value>"),
        Value::Nil => out.push_str("<nil>"),
        Value::Bool(value) => display(value, out),
        Value::Int(value) => display(value, out),
        Value::Uint(value) => display(value, out),
        Value::Float(value) => out.push_str(&go_float(*value)),
        Value::Str(text) => out.push_str(text),
        Value::Time(time) => out.push_str(&time.go_string()),
        Value::Duration(nanoseconds) => out.push_str(&go_duration(*nanoseconds)),
        Value::List(items) => print_list(items, detail, out),
        Value::Map(map) => print_map(map, detail, out),
        Value::Struct(value) => print_struct(value, detail, out),
    }
}

fn display(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("writing to a string cannot fail");
}

/// Inside another value Go knows no "no value", only nil.
fn print_inner(value: &Value, detail: Detail, out: &mut String) {
    match value {
        Value::NoValue => out.push_str("<nil>"),
        _ => print_detailed(value, detail, out),
    }
}

fn print_list(items: &[Value], detail: Detail, out: &mut String) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        print_inner(item, detail, out);
    }
    out.push(']');
}

fn print_map(map: &Map, detail: Detail, out: &mut String) {
    out.push_str("map[");
    for (index, (key, value)) in map.entries.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(key);
        out.push(':');
        print_inner(value, detail, out);
    }
    out.push(']');
}

fn print_struct(value: &Struct, detail: Detail, out: &mut String) {
    out.push('{');
    for (index, field) in value.fields.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        if detail == Detail::Names {
            out.push_str(field.name);
            out.push(':');
        }
        print_inner(&field.value, detail, out);
    }
    out.push('}');
}

/// A float as Go's `%v` prints it: shortest form, an exponent below 1e-4 and from 1e21 on.
pub(crate) fn go_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if number != 0.0 && (number.abs() < 1e-4 || number.abs() >= 1e21) {
        return go_exponent(&format!("{number:e}"));
    }
    format!("{number}")
}

/// Rust's `1.5e-7` with Go's signed exponent of at least two digits: `1.5e-07`.
fn go_exponent(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return text.to_owned();
    };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// No number of 64 bits has more digits; std's formatting panics at a precision of 65,536, where Go
/// goes on with zeros.
const MOST_DIGITS: usize = 1100;

/// `%.Nf` of a finite number.
pub(crate) fn fixed(magnitude: f64, decimals: usize) -> String {
    let digits = format!("{magnitude:.*}", decimals.min(MOST_DIGITS));
    digits + &"0".repeat(decimals.saturating_sub(MOST_DIGITS))
}

/// `%.Ne` of a finite number.
pub(crate) fn scientific(magnitude: f64, decimals: usize) -> String {
    let text = format!("{magnitude:.*e}", decimals.min(MOST_DIGITS));
    let zeros = "0".repeat(decimals.saturating_sub(MOST_DIGITS));
    go_exponent(&text.replacen('e', &(zeros + "e"), 1))
}

/// A number as Go's `%.3g` prints it: that many significant digits, trailing zeros dropped.
pub(crate) fn significant(magnitude: f64, precision: usize) -> String {
    let precision = precision.clamp(1, MOST_DIGITS);
    let scientific = format!("{magnitude:.*e}", precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let trim = |digits: &str| {
        if digits.contains('.') {
            digits
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
        } else {
            digits.to_owned()
        }
    };
    let significant = i64::try_from(precision).unwrap_or(i64::MAX);
    if exponent < -4 || exponent >= significant {
        return go_exponent(&format!("{}e{exponent}", trim(mantissa)));
    }
    let decimals = usize::try_from(significant - 1 - exponent).unwrap_or(0);
    trim(&format!("{magnitude:.decimals$}"))
}

/// What Go would call the type of `value`, as template errors and `%T` show it.
pub(crate) fn type_name(value: &Value) -> String {
    match value {
        Value::NoValue | Value::Nil => "<nil>".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Int(_) => "int".to_owned(),
        Value::Uint(_) => "uint".to_owned(),
        Value::Float(_) => "float64".to_owned(),
        Value::Str(_) => "string".to_owned(),
        Value::Time(_) => "time.Time".to_owned(),
        Value::Duration(_) => "time.Duration".to_owned(),
        Value::List(items) => format!("[]{}", element_name(items.first())),
        Value::Map(map) if map.untyped => "map[string]interface {}".to_owned(),
        Value::Map(map) => format!("map[string]{}", element_name(map.entries.values().next())),
        Value::Struct(value) => value.type_name.to_owned(),
    }
}

/// The type of a list's or map's elements, told from the first; an empty one holds texts.
fn element_name(first: Option<&Value>) -> String {
    match first {
        None => "string".to_owned(),
        Some(Value::NoValue | Value::Nil) => "interface {}".to_owned(),
        Some(value) => type_name(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn printed(value: impl Into<Value>) -> String {
        let mut out = String::new();
        print_value(&value.into(), &mut out);
        out
    }

    #[test]
    fn as_go_prints() {
        assert_eq!(printed(vec!["a", "b"]), "[a b]");
        let map = BTreeMap::from([("k2".to_owned(), "v2"), ("k".to_owned(), "v")]);
        assert_eq!(printed(map), "map[k:v k2:v2]");
        let inner = Struct::new("t.Inner")
            .with("A", 1_i64)
            .with("B", Value::Nil);
        assert_eq!(printed(inner), "{1 <nil>}");
        assert_eq!(printed(Value::Nil), "<nil>");
        assert_eq!(printed(Value::NoValue), "<no value>");
        assert_eq!(printed(Value::List(vec![Value::NoValue])), "[<nil>]");
        assert_eq!(printed(Value::Duration(90_000_000_000)), "1m30s");
    }

    #[test]
    fn floats() {
        let table = [
            (1.0, "1"),
            (0.5, "0.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (0.000_01, "1e-05"),
            (f64::INFINITY, "+Inf"),
        ];
        for (number, expected) in table {
            assert_eq!(go_float(number), expected);
        }
    }

    #[test]
    fn types() {
        assert_eq!(type_name(&Value::List(vec![Value::Int(1)])), "[]int");
        assert_eq!(type_name(&Value::Map(Map::default())), "map[string]string");
    }
}
