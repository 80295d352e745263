//! Keys of maps, which JSON has as text.

use std::fmt::{Display, Write as _};

use serde::ser::{self, Impossible, Serialize};

use super::serializer::Stop;
use super::writer::BoundedText;

/// Makes the text of a map's key, as JSON wants one.
pub(super) struct KeyText;

fn no_key<T>() -> Result<T, Stop> {
    Err(ser::Error::custom(
        "a map has a key that is no text, number or bool",
    ))
}

macro_rules! key_texts {
    ($($method:ident($type:ty)),*) => {$(
        fn $method(self, value: $type) -> Result<String, Stop> {
            Ok(value.to_string())
        }
    )*};
}

/// The longest key that is put together out of what a `Display` prints: it may have no end.
const LONGEST: usize = 64 << 10;

impl ser::Serializer for KeyText {
    type Ok = String;
    type Error = Stop;
    type SerializeSeq = Impossible<String, Stop>;
    type SerializeTuple = Impossible<String, Stop>;
    type SerializeTupleStruct = Impossible<String, Stop>;
    type SerializeTupleVariant = Impossible<String, Stop>;
    type SerializeMap = Impossible<String, Stop>;
    type SerializeStruct = Impossible<String, Stop>;
    type SerializeStructVariant = Impossible<String, Stop>;

    key_texts! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_i128(i128), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_u128(u128), serialize_f32(f32), serialize_f64(f64), serialize_char(char), serialize_str(&str)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<String, Stop> {
        let mut text = BoundedText::new(LONGEST);
        match write!(text, "{value}") {
            Ok(()) if text.is_whole() => Ok(text.kept),
            _ => Err(ser::Error::custom(
                "a map has a key that is no text to its end",
            )),
        }
    }

    fn serialize_bytes(self, _value: &[u8]) -> Result<String, Stop> {
        no_key()
    }

    fn serialize_none(self) -> Result<String, Stop> {
        no_key()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, Stop> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<String, Stop> {
        no_key()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<String, Stop> {
        no_key()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<String, Stop> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<String, Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<String, Stop> {
        no_key()
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Self::SerializeSeq, Stop> {
        no_key()
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self::SerializeTuple, Stop> {
        no_key()
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleStruct, Stop> {
        no_key()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, Stop> {
        no_key()
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Self::SerializeMap, Stop> {
        no_key()
    }

    #[inline]
    fn serialize_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStruct, Stop> {
        no_key()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, Stop> {
        no_key()
    }
}
