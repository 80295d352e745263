//! Values on their way out of the program: serialized on the caller's thread into bounded bytes, made JSON by the
//! worker.
//!
//! # Format
//!
//! A value is a word of 8 bytes, little-endian, and what belongs to it. From its lowest bits up: a [`Tag`] (8), the
//! number of its key among the names that live as long as the program or 0 (24), a number (32). Bytes fill whole words.
//!
//! | tag | number | follows |
//! |---|---|---|
//! | `Null` `False` `True` `Redacted` `End` | | |
//! | `U8` `U32` `I32` `F32` | the value | |
//! | `U64` `I64` `F64` | | the value (a word) |
//! | `Text` | its length | UTF-8 |
//! | `Number` | length | the digits of an integer that 64 bits do not hold |
//! | `CutText` | length kept | length there was (a word), UTF-8 |
//! | `Binary` | length of the media type | length there was (a word), hash (a word), media type, empty where unknown |
//! | `Failed` | length | why there is no value |
//! | `Seq` | | values, then `End` |
//! | `Map` | | values with keys, then `End` |
//! | `Key` | length | UTF-8: the key of the next value, where that has no number |
//! | `CutItems` `CutFields` | | before an `End`: how many more there were (a word), or [`AT_LEAST`] how many |
//!
//! Arguments are a row of values with keys, without `Map` and `End`.
//!
//! # Bound
//!
//! A value takes at most `max_value_bytes`. A text that does not fit keeps half of what is left, so that what comes
//! behind it is still seen; of a sequence or map no more is kept once an eighth of the bound is left. What is passed
//! over is still counted, up to sixteen times the bound; there the value is closed. A container that is too deep for
//! readers of JSON is left out.
//!
//! # Redaction
//!
//! The value of a field or map key with a sensitive name is never written: see [`KeyMatcher`].

mod binary;
mod decode;
mod items;
mod key_text;
mod keys;
mod mask;
mod serializer;
mod words;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde_json::Value;

pub(crate) use decode::{Decoder, string as json_string};
pub(crate) use items::ItemList;
pub(crate) use keys::{KeyMatcher, static_name};
pub(crate) use mask::SecretMask;
pub(crate) use words::{WordReader, Words, header};
pub(crate) use writer::ValueWriter;

/// Set in the count of what was passed over where not all of it was counted.
const AT_LEAST: u64 = 1 << 63;

/// A value that is recorded later. One that fails or panics costs itself: a marker says so.
pub(crate) fn to_json(value: &(impl Serialize + ?Sized)) -> Value {
    let reason = match catch_unwind(AssertUnwindSafe(|| serde_json::to_value(value))) {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its Serialize panicked".to_owned(),
    };
    Value::String(format!("[not recorded: {reason}]"))
}

/// What kind of value follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    End = 0,
    Null = 1,
    False = 2,
    True = 3,
    U8 = 4,
    U64 = 5,
    I64 = 6,
    F32 = 7,
    F64 = 8,
    Text = 9,
    Number = 10,
    CutText = 11,
    Binary = 12,
    Failed = 13,
    Seq = 14,
    Map = 15,
    CutItems = 16,
    Redacted = 17,
    Key = 18,
    CutFields = 19,
    U32 = 20,
    I32 = 21,
}

impl Tag {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [Tag; 22] = [
            Tag::End,
            Tag::Null,
            Tag::False,
            Tag::True,
            Tag::U8,
            Tag::U64,
            Tag::I64,
            Tag::F32,
            Tag::F64,
            Tag::Text,
            Tag::Number,
            Tag::CutText,
            Tag::Binary,
            Tag::Failed,
            Tag::Seq,
            Tag::Map,
            Tag::CutItems,
            Tag::Redacted,
            Tag::Key,
            Tag::CutFields,
            Tag::U32,
            Tag::I32,
        ];
        ALL.get(usize::from(byte)).copied()
    }
}
