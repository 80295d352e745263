//! The serializer in front of [`ValueWriter`]: every method in one quiet file.

use std::fmt::{self, Write as _};

use serde::ser::{self, Serialize};

use super::binary::ByteRun;
use super::key_text::KeyText;
use super::words::header;
use super::writer::BoundedText;
use super::{AT_LEAST, Tag, ValueWriter};

/// Bytes that are kept of what a failed `Serialize` says.
const REASON: usize = 1024;

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
        let mut text = BoundedText::new(REASON);
        // What is longer, or fails itself, says enough by what there is.
        let _ = write!(text, "{message}");
        Self(Some(Box::new(text.kept)))
    }
}

type Writer<'w, 'a> = &'w mut ValueWriter<'a>;

/// Where the next value goes: the writer, and the value's key, or 0 where it has none or that is written already.
pub(crate) struct Slot<'w, 'a> {
    writer: Writer<'w, 'a>,
    key: u32,
}

impl<'w, 'a> Slot<'w, 'a> {
    #[inline]
    pub(super) fn new(writer: Writer<'w, 'a>, key: u32) -> Self {
        Self { writer, key }
    }

    /// A value that its tag and 32 bits say.
    #[inline]
    fn short(self, tag: Tag, value: u32) -> Result<(), Stop> {
        self.writer.put(header(tag as u8, self.key, value))
    }

    /// A value of 64 bits.
    #[inline]
    fn long(self, tag: Tag, value: u64) -> Result<(), Stop> {
        self.writer.put_two(header(tag as u8, self.key, 0), value)
    }

    #[inline]
    fn text(self, text: &str) -> Result<(), Stop> {
        self.writer.text(self.key, text)
    }
}

impl<'w, 'a> ser::Serializer for Slot<'w, 'a> {
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
        self.short(if value { Tag::True } else { Tag::False }, 0)
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), Stop> {
        self.serialize_i32(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), Stop> {
        self.serialize_i32(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Stop> {
        self.short(Tag::I32, value.cast_unsigned())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Stop> {
        self.long(Tag::I64, value.cast_unsigned())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Stop> {
        self.writer.number(self.key, &value.to_string())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Stop> {
        self.writer.wrote_byte(value);
        self.short(Tag::U8, value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Stop> {
        self.serialize_u32(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Stop> {
        self.short(Tag::U32, value)
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Stop> {
        self.long(Tag::U64, value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Stop> {
        self.writer.number(self.key, &value.to_string())
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), Stop> {
        self.short(Tag::F32, value.to_bits())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Stop> {
        self.long(Tag::F64, value.to_bits())
    }

    fn serialize_char(self, value: char) -> Result<(), Stop> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Stop> {
        self.text(value)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Stop> {
        self.writer.display(self.key, value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Stop> {
        self.writer.bytes(self.key, value)
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
        self.short(Tag::Null, 0)
    }

    #[inline]
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Stop> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Stop> {
        self.text(variant)
    }

    #[inline]
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

    #[inline]
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
        Ok(match self.variant(variant) {
            Variant::Open(slot) => Items::opened(slot, Progress::WRAPPED),
            Variant::Left(slot) => Items::ignored(slot.writer),
        })
    }

    #[inline]
    fn serialize_map(self, _length: Option<usize>) -> Result<Fields<'w, 'a>, Stop> {
        Ok(Fields::open(self))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _length: usize) -> Result<Fields<'w, 'a>, Stop> {
        if name == RAW_JSON {
            return Ok(Fields::raw(self));
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
        Ok(match self.variant(variant) {
            Variant::Open(slot) => Fields::opened(slot, Progress::WRAPPED),
            Variant::Left(slot) => Fields::ignored(slot.writer),
        })
    }
}

/// What becomes of an enum's variant that has fields.
enum Variant<'w, 'a> {
    /// Its fields go here, inside a map of one entry that stays open.
    Open(Slot<'w, 'a>),
    /// It is too deep.
    Left(Slot<'w, 'a>),
}

impl<'w, 'a> Slot<'w, 'a> {
    fn variant(self, name: &'static str) -> Variant<'w, 'a> {
        if self.writer.begin(Tag::Map, self.key) {
            self.writer.key(name);
            Variant::Open(Slot::new(self.writer, 0))
        } else {
            Variant::Left(self)
        }
    }
}

/// As many bytes in a row as make a sequence binary data.
const BINARY_FROM: usize = 64;

/// Bytes of a sequence that are counted. One that goes on is taken for one that never ends.
const MOST_BYTES: u64 = 1 << 26;

/// What becomes of a container.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Open,
    /// From here on its elements are only counted.
    Full,
    /// Its elements are bytes, and too many to be kept one by one.
    Binary,
    /// It is none, but JSON that passes as text: see [`RAW_JSON`].
    Raw,
    /// It is too deep: a marker stands in its place, and nobody looks inside.
    Ignored,
    Closed,
}

/// What a container must know, in one word: its state, two marks, and a number of 32 bits. Serializers are moved about
/// while they are in use, and a move has to wait for what was written in pieces (measured, `benches/span.rs`).
#[derive(Clone, Copy)]
struct Progress(u64);

impl Progress {
    /// One container more is to be closed: the map around an enum's variant.
    const WRAPPED: u64 = 1 << 8;
    /// All items so far are bytes.
    const BYTES: u64 = 1 << 9;
    /// The value of the key just written must not be recorded.
    const SENSITIVE: u64 = 1 << 10;

    #[inline]
    fn new(opened: bool, marks: u64, number: u32) -> Self {
        let state = if opened { State::Open } else { State::Ignored };
        Self(state as u64 | marks | u64::from(number) << 32)
    }

    #[inline]
    fn is(self, state: State) -> bool {
        self.0 as u8 == state as u8
    }

    #[inline]
    fn set(&mut self, state: State) {
        self.0 = self.0 & !0xff | state as u64;
    }

    #[inline]
    fn has(self, mark: u64) -> bool {
        self.0 & mark != 0
    }

    fn mark(&mut self, mark: u64, value: bool) {
        self.0 = if value { self.0 | mark } else { self.0 & !mark };
    }

    fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A sequence being written. Where serialization ends early, its drop closes it.
pub(crate) struct Items<'w, 'a> {
    writer: Writer<'w, 'a>,
    /// Its number is where the sequence was opened.
    progress: Progress,
}

impl<'w, 'a> Items<'w, 'a> {
    #[inline(always)]
    fn open(slot: Slot<'w, 'a>) -> Self {
        Self::opened(slot, 0)
    }

    #[inline(always)]
    fn opened(slot: Slot<'w, 'a>, marks: u64) -> Self {
        // Lengths are of 32 bits everywhere.
        let start = slot.writer.mark() as u32;
        let opened = slot.writer.begin(Tag::Seq, slot.key);
        Self {
            writer: slot.writer,
            progress: Progress::new(opened, marks | Progress::BYTES, start),
        }
    }

    fn ignored(writer: Writer<'w, 'a>) -> Self {
        Self {
            writer,
            progress: Progress::new(false, 0, 0),
        }
    }

    #[inline(always)]
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        if !self.progress.is(State::Open) || !self.writer.takes_item() {
            return self.item_otherwise(value);
        }
        value.serialize(Slot::new(self.writer, 0))?;
        if self.progress.has(Progress::BYTES) {
            self.look_for_bytes();
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn item_otherwise<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        if self.progress.is(State::Ignored) {
            return Ok(());
        }
        if self.writer.is_stopped() {
            return Err(Stop::bound());
        }
        if self.progress.is(State::Binary) {
            let mark = self.writer.mark();
            value.serialize(Slot::new(self.writer, 0))?;
            self.writer.withdraw(mark);
            let byte = self.writer.take_byte();
            if let Some(run) = &mut self.writer.run {
                match byte {
                    Some(byte) => run.push(byte),
                    None => run.push_other(),
                }
                if run.length() >= MOST_BYTES {
                    return self.writer.stop();
                }
            }
            return Ok(());
        }
        if self.progress.is(State::Open) {
            let has_bytes = self.progress.has(Progress::BYTES) && !self.since_start().is_empty();
            if has_bytes && !self.writer.is_muted() {
                // A few bytes more, and they count as one value.
                value.serialize(Slot::new(self.writer, 0))?;
                self.look_for_bytes();
                return Ok(());
            }
            self.progress.set(State::Full);
            self.writer.is_full();
        }
        self.writer.pass_over(value)
    }

    /// After an item of a sequence that may still turn out to be binary data.
    #[inline(always)]
    fn look_for_bytes(&mut self) {
        if self.writer.take_byte().is_some() {
            self.count_bytes();
        } else {
            self.progress.mark(Progress::BYTES, false);
        }
    }

    #[inline(never)]
    fn count_bytes(&mut self) {
        // Each byte takes one word.
        let words = self.since_start();
        if words.len() > BINARY_FROM {
            let run = ByteRun::new(words.iter().map(|word| (word >> 32) as u8));
            self.writer.run = Some(run);
            self.progress.set(State::Binary);
        }
    }

    fn start(&self) -> usize {
        self.progress.number() as usize
    }

    /// What was written of the items.
    fn since_start(&self) -> &[u64] {
        self.writer.since(self.start() + 1)
    }

    #[inline(always)]
    fn close(&mut self) {
        if self.progress.is(State::Open) && !self.progress.has(Progress::WRAPPED) {
            self.progress.set(State::Closed);
            self.writer.end();
        } else {
            self.close_otherwise(0);
        }
    }

    #[cold]
    #[inline(never)]
    fn close_otherwise(&mut self, at_least: u64) {
        if self.progress.is(State::Binary) {
            if let Some(run) = self.writer.run.take() {
                self.writer.close_as_binary(self.start(), &run);
            }
        } else {
            close(self.writer, self.progress, Tag::CutItems, at_least);
        }
        close_variant(self.writer, &mut self.progress);
    }
}

impl Drop for Items<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if !self.progress.is(State::Closed) {
            self.close_otherwise(AT_LEAST);
        }
    }
}

/// Ends a container that may be full, or that ends early.
fn close(writer: &mut ValueWriter<'_>, progress: Progress, cut: Tag, at_least: u64) {
    if progress.is(State::Full) {
        writer.cut_here(cut, writer.passed() | at_least);
        writer.end();
    } else if progress.is(State::Open) {
        if at_least != 0 {
            writer.cut_here(cut, at_least);
        }
        writer.end();
    }
}

/// Ends the map around an enum's variant.
fn close_variant(writer: &mut ValueWriter<'_>, progress: &mut Progress) {
    if progress.has(Progress::WRAPPED) && !progress.is(State::Closed) {
        writer.end();
    }
    progress.set(State::Closed);
}

/// The name under which `serde_json::value::RawValue` passes: a struct whose one field is the JSON text.
const RAW_JSON: &str = "$serde_json::private::RawValue";

/// A map or struct being written. Where serialization ends early, its drop closes it.
pub(crate) struct Fields<'w, 'a> {
    writer: Writer<'w, 'a>,
    /// Its number is its own key.
    progress: Progress,
}

impl<'w, 'a> Fields<'w, 'a> {
    #[inline(always)]
    fn open(slot: Slot<'w, 'a>) -> Self {
        Self::opened(slot, 0)
    }

    #[inline(always)]
    fn opened(slot: Slot<'w, 'a>, marks: u64) -> Self {
        let opened = slot.writer.begin(Tag::Map, slot.key);
        Self {
            writer: slot.writer,
            progress: Progress::new(opened, marks, slot.key),
        }
    }

    fn raw(slot: Slot<'w, 'a>) -> Self {
        let mut progress = Progress::new(true, 0, slot.key);
        progress.set(State::Raw);
        Self {
            writer: slot.writer,
            progress,
        }
    }

    fn ignored(writer: Writer<'w, 'a>) -> Self {
        Self {
            writer,
            progress: Progress::new(false, 0, 0),
        }
    }

    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
        if !self.progress.is(State::Open) || !self.writer.takes_field() {
            return self.field_otherwise(value);
        }
        match self.writer.static_key(key) {
            Some(key) => value.serialize(Slot::new(self.writer, key)),
            None => Ok(()),
        }
    }

    #[cold]
    #[inline(never)]
    fn field_otherwise<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        if self.progress.is(State::Raw) {
            let text = value.serialize(KeyText)?;
            let slot = Slot::new(self.writer, self.progress.number());
            return match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(value) => value.serialize(slot),
                Err(_) => slot.text(&text),
            };
        }
        self.pass_over(value)
    }

    #[cold]
    #[inline(never)]
    fn pass_over<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        if self.progress.is(State::Ignored) {
            return Ok(());
        }
        if self.writer.is_stopped() {
            return Err(Stop::bound());
        }
        self.fill();
        self.writer.pass_over(value)
    }

    /// From here on nothing is written.
    fn fill(&mut self) {
        if self.progress.is(State::Open) {
            self.progress.set(State::Full);
            self.writer.is_full();
        }
    }

    #[inline(always)]
    fn close(&mut self) {
        if self.progress.is(State::Open) && !self.progress.has(Progress::WRAPPED) {
            self.progress.set(State::Closed);
            self.writer.end();
        } else {
            self.close_otherwise(0);
        }
    }

    #[cold]
    #[inline(never)]
    fn close_otherwise(&mut self, at_least: u64) {
        close(self.writer, self.progress, Tag::CutFields, at_least);
        close_variant(self.writer, &mut self.progress);
    }
}

impl Drop for Fields<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if !self.progress.is(State::Closed) {
            self.close_otherwise(AT_LEAST);
        }
    }
}

macro_rules! items {
    ($($trait:ident :: $method:ident),*) => {$(
        impl ser::$trait for Items<'_, '_> {
            type Ok = ();
            type Error = Stop;

            #[inline(always)]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
                self.item(value)
            }

            #[inline(always)]
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

            #[inline(always)]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
                self.field(key, value)
            }

            #[inline(always)]
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
        if !self.writer.takes_field() {
            self.fill();
        }
        if self.progress.is(State::Open) {
            let key = key.serialize(KeyText)?;
            self.writer.key(&key);
            let sensitive = self.writer.keys.is_sensitive(&key);
            self.progress.mark(Progress::SENSITIVE, sensitive);
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        if !self.progress.is(State::Open) {
            return self.pass_over(value);
        }
        if self.progress.has(Progress::SENSITIVE) {
            self.writer.put_redacted(0);
            return Ok(());
        }
        value.serialize(Slot::new(self.writer, 0))
    }

    fn end(mut self) -> Result<(), Stop> {
        self.close();
        Ok(())
    }
}
