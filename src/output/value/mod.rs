// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The data that templates and JSON documents show: Go's distinctions, as far as they can be seen.
//!
//! Templates refuse an unknown field of a struct but print `<no value>` for a missing key of a
//! map, so the two are different here. [`Value::of`] converts any `Serialize` type: a Rust struct
//! becomes a [`Struct`], a map becomes a [`Map`]. A field is named as a Go field with its tag:
//! `#[serde(rename = "GoName,jsonName,omitempty")]`, where the parts after a comma are optional
//! (`nullempty` in the third place is ours: JSON shows an empty list or map as null).
//! Newtypes named `time.Time` (RFC 3339 text), `time.Duration` (nanoseconds) and `any` (a map
//! whose missing keys have no type) carry those meanings through serde.

mod json;
mod print;
mod serialize;
mod time;

use std::collections::BTreeMap;

use serde::Serialize;

pub use json::{JsonStyle, to_json};
pub(crate) use print::{
    Detail, fixed, print_detailed, print_value, scientific, significant, type_name,
};
pub use time::{Time, Zone};

/// One datum of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// What a missing key of a map gives; JSON `null`.
    NoValue,
    /// A nil pointer or slice; prints `<nil>`.
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Str(String),
    /// A moment.
    Time(Time),
    /// A span in nanoseconds.
    Duration(i64),
    /// An array.
    List(Vec<Value>),
    /// Keys that the data decide.
    Map(Map),
    /// Fields that the program decides.
    Struct(Struct),
}

/// A Go map with text keys, printed in the order of its keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map {
    /// The entries.
    pub entries: BTreeMap<String, Value>,
    /// Whether values may be of any type, so that `index` of a missing key has no value.
    pub untyped: bool,
}

/// A Go struct: a fixed, ordered set of fields, and methods.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Struct {
    /// The Go type's name, shown in errors.
    pub type_name: &'static str,
    /// The fields in their order.
    pub fields: Vec<Field>,
    /// What templates may call on it beside reading its fields.
    pub methods: &'static [Method],
}

/// One field of a [`Struct`].
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name in templates.
    pub name: &'static str,
    /// Its name in JSON, which templates accept as well; empty is the same.
    pub json_name: &'static str,
    /// When JSON shows it.
    pub presence: Presence,
    /// What it holds.
    pub value: Value,
}

/// When a field stands in a JSON document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Presence {
    /// Always.
    #[default]
    Always,
    /// Unless it is empty: false, zero, nil, an empty text, list or map.
    OmitEmpty,
    /// Always, and as null if it is empty: a nil list or map of Go.
    NullEmpty,
    /// Never: only templates see it.
    Hidden,
}

/// A method that templates can call, such as `.Label "key"`.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Computes it from the receiver and the arguments; the error ends the template.
    pub call: fn(&Struct, &[Value]) -> Result<Value, String>,
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Value {
    /// Converts `document`, keeping the difference between structs and maps.
    ///
    /// What JSON cannot hold (a map with keys that are no text) becomes [`Value::Nil`].
    pub fn of<T: Serialize + ?Sized>(document: &T) -> Self {
        document.serialize(serialize::ToValue).unwrap_or(Self::Nil)
    }

    /// Go's truth: neither empty nor zero nor nil.
    pub fn is_true(&self) -> bool {
        match self {
            Self::NoValue | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Duration(value) => *value != 0,
            Self::Uint(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Time(_) | Self::Struct(_) => true,
        }
    }
}

impl Struct {
    /// An empty struct of the Go type `type_name`.
    pub fn new(type_name: &'static str) -> Self {
        Self {
            type_name,
            ..Self::default()
        }
    }

    /// Adds a field named `tag`: `GoName[,jsonName[,omitempty|nullempty]]`; a JSON name of `-`
    /// hides it.
    #[must_use]
    pub fn with(mut self, tag: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push(Field::tagged(tag, value.into()));
        self
    }

    /// The field that templates know as `name`.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let named = self.fields.iter().find(|field| field.name == name);
        let field = named.or_else(|| self.fields.iter().find(|field| field.json_name == name));
        field.map(|field| &field.value)
    }

    /// Takes the field that templates know as `name` out of the struct.
    pub(crate) fn into_field(self, name: &str) -> Option<Value> {
        let position = |by_name: fn(&Field) -> &str| {
            self.fields.iter().position(|field| by_name(field) == name)
        };
        let index = position(|field| field.name).or_else(|| position(|field| field.json_name))?;
        self.fields.into_iter().nth(index).map(|field| field.value)
    }
}

impl Field {
    /// A field named by a Go tag: `GoName[,jsonName[,omitempty|nullempty]]`.
    pub fn tagged(tag: &'static str, value: Value) -> Self {
        let mut parts = tag.split(',');
        let name = parts.next().unwrap_or(tag);
        let json_name = parts.next().unwrap_or("");
        let presence = match (json_name, parts.next()) {
            ("-", _) => Presence::Hidden,
            (_, Some("omitempty")) => Presence::OmitEmpty,
            (_, Some("nullempty")) => Presence::NullEmpty,
            (_, _) => Presence::Always,
        };
        Self {
            name,
            json_name,
            presence,
            value,
        }
    }
}

impl Map {
    /// What `index` gives for a key that is not there: Go's zero of the map's value type.
    pub(crate) fn missing(&self) -> Value {
        if self.untyped {
            return Value::NoValue;
        }
        match self.entries.values().next() {
            None | Some(Value::Str(_)) => Value::Str(String::new()),
            Some(Value::Bool(_)) => Value::Bool(false),
            Some(Value::Int(_)) => Value::Int(0),
            Some(Value::Uint(_)) => Value::Uint(0),
            Some(Value::Float(_)) => Value::Float(0.0),
            Some(Value::Duration(_)) => Value::Duration(0),
            Some(Value::Time(_)) => Value::Time(Time::zero()),
            Some(Value::List(_)) => Value::List(Vec::new()),
            Some(Value::Map(_)) => Value::Map(Self::default()),
            Some(Value::NoValue) => Value::NoValue,
            Some(Value::Nil | Value::Struct(_)) => Value::Nil,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Uint(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Uint(value.into())
    }
}

impl From<Time> for Value {
    fn from(time: Time) -> Self {
        Self::Time(time)
    }
}

impl From<Struct> for Value {
    fn from(value: Struct) -> Self {
        Self::Struct(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<BTreeMap<String, T>> for Value {
    fn from(entries: BTreeMap<String, T>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key, value.into()));
        Self::Map(Map {
            entries: entries.collect(),
            untyped: false,
        })
    }
}
