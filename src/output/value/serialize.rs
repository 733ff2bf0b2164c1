// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The conversion of any `Serialize` type into a [`Value`].

use std::fmt::{self, Display};

use serde::ser::{self, Serialize};

use super::{Field, Map, Struct, Time, Value};

/// A serializer whose output is a [`Value`].
pub(super) struct ToValue;

/// Why a type has no [`Value`]: a key that is no text, or the type's own reason.
#[derive(Debug)]
pub(super) struct Unsupported(String);

impl Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unsupported {}

impl ser::Error for Unsupported {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Converted = Result<Value, Unsupported>;

impl ser::Serializer for ToValue {
    type Ok = Value;
    type Error = Unsupported;
    type SerializeSeq = ListBuilder;
    type SerializeTuple = ListBuilder;
    type SerializeTupleStruct = ListBuilder;
    type SerializeTupleVariant = ListBuilder;
    type SerializeMap = MapBuilder;
    type SerializeStruct = StructBuilder;
    type SerializeStructVariant = StructBuilder;

    fn serialize_bool(self, value: bool) -> Converted {
        Ok(Value::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Converted {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i16(self, value: i16) -> Converted {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i32(self, value: i32) -> Converted {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i64(self, value: i64) -> Converted {
        Ok(Value::Int(value))
    }

    fn serialize_u8(self, value: u8) -> Converted {
        Ok(Value::Uint(value.into()))
    }

    fn serialize_u16(self, value: u16) -> Converted {
        Ok(Value::Uint(value.into()))
    }

    fn serialize_u32(self, value: u32) -> Converted {
        Ok(Value::Uint(value.into()))
    }

    fn serialize_u64(self, value: u64) -> Converted {
        Ok(Value::Uint(value))
    }

    fn serialize_f32(self, value: f32) -> Converted {
        Ok(Value::Float(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Converted {
        Ok(Value::Float(value))
    }

    fn serialize_char(self, value: char) -> Converted {
        Ok(Value::Str(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Converted {
        Ok(Value::Str(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Converted {
        Ok(Value::Str(String::from_utf8_lossy(value).into_owned()))
    }

    fn serialize_none(self) -> Converted {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Converted {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Converted {
        Ok(Value::NoValue)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Converted {
        Ok(Value::Struct(Struct::new(name)))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Converted {
        Ok(Value::Str(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Converted {
        let inner = value.serialize(self)?;
        Ok(match (name, inner) {
            ("time.Time", Value::Str(text)) => Value::Time(parse_time(&text)),
            ("time.Time", Value::Nil) => Value::Time(Time::zero()),
            ("time.Duration", Value::Int(nanoseconds)) => Value::Duration(nanoseconds),
            ("any", Value::Map(map)) => Value::Map(Map {
                untyped: true,
                ..map
            }),
            (_, inner) => inner,
        })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Converted {
        let inner = value.serialize(Self)?;
        Ok(variant_of(name, variant, inner))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<ListBuilder, Unsupported> {
        Ok(ListBuilder {
            items: Vec::with_capacity(length.unwrap_or(0).min(1024)),
            variant: None,
        })
    }

    fn serialize_tuple(self, length: usize) -> Result<ListBuilder, Unsupported> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<ListBuilder, Unsupported> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<ListBuilder, Unsupported> {
        let mut list = self.serialize_seq(Some(length))?;
        list.variant = Some((name, variant));
        Ok(list)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MapBuilder, Unsupported> {
        Ok(MapBuilder {
            map: Map::default(),
            key: None,
        })
    }

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<StructBuilder, Unsupported> {
        Ok(StructBuilder {
            value: Struct {
                type_name: name,
                fields: Vec::with_capacity(length),
                methods: &[],
            },
            variant: None,
        })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<StructBuilder, Unsupported> {
        let mut value = self.serialize_struct(name, length)?;
        value.variant = Some((name, variant));
        Ok(value)
    }
}

/// Reads the text of a `time.Time`; what is no time is Go's zero time.
fn parse_time(text: &str) -> Time {
    text.parse().map_or_else(|_| Time::zero(), Time::local)
}

fn variant_of(name: &'static str, variant: &'static str, inner: Value) -> Value {
    Value::Struct(Struct {
        type_name: name,
        fields: vec![Field::tagged(variant, inner)],
        methods: &[],
    })
}

/// Collects a list.
pub(super) struct ListBuilder {
    items: Vec<Value>,
    variant: Option<(&'static str, &'static str)>,
}

impl ListBuilder {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.items.push(value.serialize(ToValue)?);
        Ok(())
    }

    fn finish(self) -> Value {
        let list = Value::List(self.items);
        match self.variant {
            Some((name, variant)) => variant_of(name, variant, list),
            None => list,
        }
    }
}

impl ser::SerializeSeq for ListBuilder {
    type Ok = Value;
    type Error = Unsupported;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.push(value)
    }

    fn end(self) -> Converted {
        Ok(self.finish())
    }
}

impl ser::SerializeTuple for ListBuilder {
    type Ok = Value;
    type Error = Unsupported;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.push(value)
    }

    fn end(self) -> Converted {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleStruct for ListBuilder {
    type Ok = Value;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.push(value)
    }

    fn end(self) -> Converted {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleVariant for ListBuilder {
    type Ok = Value;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.push(value)
    }

    fn end(self) -> Converted {
        Ok(self.finish())
    }
}

/// Collects a map.
pub(super) struct MapBuilder {
    map: Map,
    key: Option<String>,
}

impl ser::SerializeMap for MapBuilder {
    type Ok = Value;
    type Error = Unsupported;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unsupported> {
        self.key = Some(key_text(key.serialize(ToValue)?)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        let key = self.key.take().unwrap_or_default();
        self.map.entries.insert(key, value.serialize(ToValue)?);
        Ok(())
    }

    fn end(self) -> Converted {
        Ok(Value::Map(self.map))
    }
}

/// Collects a struct.
pub(super) struct StructBuilder {
    value: Struct,
    variant: Option<(&'static str, &'static str)>,
}

impl StructBuilder {
    fn push<T: Serialize + ?Sized>(
        &mut self,
        tag: &'static str,
        value: &T,
    ) -> Result<(), Unsupported> {
        let value = value.serialize(ToValue)?;
        self.value.fields.push(Field::tagged(tag, value));
        Ok(())
    }

    fn finish(self) -> Value {
        let value = Value::Struct(self.value);
        match self.variant {
            Some((name, variant)) => variant_of(name, variant, value),
            None => value,
        }
    }
}

impl ser::SerializeStruct for StructBuilder {
    type Ok = Value;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        tag: &'static str,
        value: &T,
    ) -> Result<(), Unsupported> {
        self.push(tag, value)
    }

    fn end(self) -> Converted {
        Ok(self.finish())
    }
}

impl ser::SerializeStructVariant for StructBuilder {
    type Ok = Value;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        tag: &'static str,
        value: &T,
    ) -> Result<(), Unsupported> {
        self.push(tag, value)
    }

    fn end(self) -> Converted {
        Ok(self.finish())
    }
}

/// The text of a map's key: Go, too, writes numbers as text.
fn key_text(key: Value) -> Result<String, Unsupported> {
    match key {
        Value::Str(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        Value::Uint(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::NoValue
        | Value::Nil
        | Value::Float(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Struct(_) => Err(ser::Error::custom("a key of a map is not a text")),
    }
}
