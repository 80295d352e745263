//! The serializer in front of [`ValueWriter`]: every method in one quiet file.

use std::fmt;

use serde::ser::{self, Serialize};

use super::binary::{Hash, media_type};
use super::key_text::KeyText;
use super::{AT_LEAST, Tag, ValueWriter};

/// Why serialization ended early.
#[derive(Debug)]
#[expect(
    clippy::box_collection,
    reason = "thin, so that a result stays in registers"
)]
pub(crate) struct Stop(Option<Box<String>>);

impl Stop {
    /// The bound is reached; what there is stays.
    pub(super) fn bound() -> Self {
        Self(None)
    }

    /// What went wrong, or nothing where the bound was reached.
    pub(super) fn reason(&self) -> Option<&str> {
        self.0.as_ref().map(|reason| reason.as_str())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason().unwrap_or("the bound is reached"))
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Some(Box::new(message.to_string())))
    }
}

type Writer<'w, 'a> = &'w mut ValueWriter<'a>;

impl<'w, 'a> ser::Serializer for Writer<'w, 'a> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Items<'w, 'a>;
    type SerializeTuple = Items<'w, 'a>;
    type SerializeTupleStruct = Items<'w, 'a>;
    type SerializeTupleVariant = Items<'w, 'a>;
    type SerializeMap = Fields<'w, 'a>;
    type SerializeStruct = Fields<'w, 'a>;
    type SerializeStructVariant = Fields<'w, 'a>;

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Stop> {
        self.fixed(if value { Tag::True } else { Tag::False }, [])
    }

    fn serialize_i8(self, value: i8) -> Result<(), Stop> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Stop> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Stop> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Stop> {
        self.fixed(Tag::I64, value.to_le_bytes())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Stop> {
        self.number(&value.to_string())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Stop> {
        self.last_byte = Some(value);
        self.fixed(Tag::U8, [value])
    }

    fn serialize_u16(self, value: u16) -> Result<(), Stop> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Stop> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Stop> {
        self.fixed(Tag::U64, value.to_le_bytes())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Stop> {
        self.number(&value.to_string())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Stop> {
        self.fixed(Tag::F32, value.to_le_bytes())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Stop> {
        self.fixed(Tag::F64, value.to_le_bytes())
    }

    fn serialize_char(self, value: char) -> Result<(), Stop> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Stop> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Stop> {
        self.bytes(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Stop> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Stop> {
        self.fixed(Tag::Null, [])
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Stop> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Stop> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        let mut fields = Fields::open(self);
        fields.field(variant, value)?;
        fields.close();
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _length: Option<usize>) -> Result<Items<'w, 'a>, Stop> {
        Ok(Items::open(self))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Items<'w, 'a>, Stop> {
        Ok(Items::open(self))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Items<'w, 'a>, Stop> {
        Ok(Items::open(self))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Items<'w, 'a>, Stop> {
        if self.begin(Tag::Map) {
            self.key(variant);
            let mut items = Items::open(self);
            items.wrapped = true;
            Ok(items)
        } else {
            Ok(Items::new(self, State::Ignored))
        }
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Fields<'w, 'a>, Stop> {
        Ok(Fields::open(self))
    }

    fn serialize_struct(self, name: &'static str, _length: usize) -> Result<Fields<'w, 'a>, Stop> {
        if name == RAW_JSON {
            return Ok(Fields::new(self, State::Raw));
        }
        Ok(Fields::open(self))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Fields<'w, 'a>, Stop> {
        if self.begin(Tag::Map) {
            self.key(variant);
            let mut fields = Fields::open(self);
            fields.wrapped = true;
            Ok(fields)
        } else {
            Ok(Fields::new(self, State::Ignored))
        }
    }
}

/// As many bytes in a row as make a sequence binary data.
const BINARY_FROM: u64 = 64;

/// What becomes of a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// It is none, but JSON that passes as text: see [`RAW_JSON`].
    Raw,
    /// It is too deep: a marker stands in its place, and nobody looks inside.
    Ignored,
    Closed,
}

impl State {
    fn of(opened: bool) -> Self {
        if opened { Self::Open } else { Self::Ignored }
    }
}

/// A sequence being written. Where serialization ends early, its drop closes it.
pub(crate) struct Items<'w, 'a> {
    writer: Writer<'w, 'a>,
    state: State,
    wrapped: bool,
    skipped: u64,
    start: usize,
    /// Items so far while all of them are bytes, and what they add up to.
    bytes: Option<(u64, Hash, [u8; 16])>,
}

impl<'w, 'a> Items<'w, 'a> {
    fn open(writer: Writer<'w, 'a>) -> Self {
        let start = writer.mark();
        let state = State::of(writer.begin(Tag::Seq));
        let mut items = Self::new(writer, state);
        items.start = start;
        items
    }

    fn new(writer: Writer<'w, 'a>, state: State) -> Self {
        Self {
            start: writer.mark(),
            writer,
            state,
            wrapped: false,
            skipped: 0,
            bytes: Some((0, Hash::EMPTY, [0; 16])),
        }
    }

    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        if self.state == State::Ignored {
            return Ok(());
        }
        if self.writer.is_stopped() {
            return Err(Stop::bound());
        }
        if self.bytes.is_some() {
            return self.first_items(value);
        }
        if self.skipped > 0 || self.writer.is_nearly_full() {
            self.skipped += 1;
            return self.writer.pass_over(value);
        }
        value.serialize(&mut *self.writer)
    }

    /// An item of a sequence that may still turn out to be binary data.
    fn first_items<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.writer.last_byte = None;
        let Some((count, mut hash, mut head)) = self.bytes.take() else {
            return Ok(());
        };
        if count > BINARY_FROM {
            let mark = self.writer.mark();
            value.serialize(&mut *self.writer)?;
            self.writer.withdraw(mark);
        } else {
            value.serialize(&mut *self.writer)?;
        }
        if let Some(byte) = self.writer.last_byte {
            if let Some(slot) = head.get_mut(count as usize) {
                *slot = byte;
            }
            hash.byte(byte);
            self.bytes = Some((count + 1, hash, head));
        } else if count > BINARY_FROM {
            self.bytes = Some((count + 1, hash, head));
        }
        Ok(())
    }

    fn close(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        if state == State::Open {
            let binary = self.bytes.filter(|(count, ..)| *count > BINARY_FROM);
            if let Some((count, hash, head)) = binary {
                self.writer.withdraw_open(self.start);
                self.writer.binary(count, hash, media_type(&head));
            } else {
                if self.skipped > 0 {
                    self.writer.cut_here(Tag::CutItems, self.skipped);
                }
                self.writer.close();
            }
        }
        if self.wrapped && state != State::Closed {
            self.writer.close();
        }
    }
}

impl Drop for Items<'_, '_> {
    fn drop(&mut self) {
        if self.state != State::Closed {
            self.skipped |= AT_LEAST;
            self.close();
        }
    }
}

/// The name under which `serde_json::value::RawValue` passes: a struct whose one field is the JSON text.
const RAW_JSON: &str = "$serde_json::private::RawValue";

/// A map or struct being written. Where serialization ends early, its drop closes it.
pub(crate) struct Fields<'w, 'a> {
    writer: Writer<'w, 'a>,
    state: State,
    wrapped: bool,
    skipped: u64,
    sensitive: bool,
}

impl<'w, 'a> Fields<'w, 'a> {
    fn open(writer: Writer<'w, 'a>) -> Self {
        let state = State::of(writer.begin(Tag::Map));
        Self::new(writer, state)
    }

    fn new(writer: Writer<'w, 'a>, state: State) -> Self {
        Self {
            writer,
            state,
            wrapped: false,
            skipped: 0,
            sensitive: false,
        }
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
        if self.state == State::Ignored {
            return Ok(());
        }
        if self.state == State::Raw {
            let text = value.serialize(KeyText)?;
            return match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(value) => value.serialize(&mut *self.writer),
                Err(_) => self.writer.text(&text),
            };
        }
        if self.must_skip()? {
            return self.pass_over(value);
        }
        if self.writer.field(key) {
            value.serialize(&mut *self.writer)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn must_skip(&self) -> Result<bool, Stop> {
        if self.writer.is_stopped() {
            return Err(Stop::bound());
        }
        Ok(self.skipped > 0 || self.writer.left() < 64)
    }

    fn pass_over<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.skipped += 1;
        self.writer.pass_over(value)
    }

    fn close(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        if state == State::Open {
            if self.skipped > 0 {
                self.writer.cut_here(Tag::CutFields, self.skipped);
            }
            self.writer.close();
        }
        if self.wrapped && state != State::Closed {
            self.writer.close();
        }
    }
}

impl Drop for Fields<'_, '_> {
    fn drop(&mut self) {
        if self.state != State::Closed {
            self.skipped |= AT_LEAST;
            self.close();
        }
    }
}

macro_rules! items {
    ($($trait:ident :: $method:ident),*) => {$(
        impl ser::$trait for Items<'_, '_> {
            type Ok = ();
            type Error = Stop;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
                self.item(value)
            }

            fn end(mut self) -> Result<(), Stop> {
                self.close();
                Ok(())
            }
        }
    )*};
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Fields<'_, '_> {
            type Ok = ();
            type Error = Stop;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
                self.field(key, value)
            }

            fn end(mut self) -> Result<(), Stop> {
                self.close();
                Ok(())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Fields<'_, '_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Stop> {
        if self.state == State::Ignored {
            return Ok(());
        }
        if self.must_skip()? {
            self.skipped += 1;
            return Ok(());
        }
        let key = key.serialize(KeyText)?;
        self.writer.key(&key);
        self.sensitive = self.writer.keys.is_sensitive(&key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        if self.state == State::Ignored {
            return Ok(());
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            return self.pass_over(value);
        }
        if std::mem::take(&mut self.sensitive) {
            self.writer.tag(Tag::Redacted);
            return Ok(());
        }
        value.serialize(&mut *self.writer)
    }

    fn end(mut self) -> Result<(), Stop> {
        self.close();
        Ok(())
    }
}
