//! Values on their way out of the program: serialized on the caller's thread into bounded bytes, made JSON by the
//! worker.
//!
//! # Format
//!
//! A value is a [`Tag`] and what belongs to it; integers are little-endian.
//!
//! | tag | follows |
//! |---|---|
//! | `Null` `False` `True` `Redacted` `End` | nothing |
//! | `U8` | the byte |
//! | `U64` `I64` `F64` | 8 bytes |
//! | `F32` | 4 bytes |
//! | `Text` | length (4 bytes), UTF-8 |
//! | `Number` | length (4 bytes), the digits of an integer that 64 bits do not hold |
//! | `CutText` | length kept (4), length there was (8), UTF-8 |
//! | `Binary` | length there was (8), hash (8), media type as length (4) and text, empty where unknown |
//! | `Failed` | length (4), why there is no value |
//! | `Seq` | values, then `End` |
//! | `Map` | pairs of `Key` or `StaticKey` and value, then `End` |
//! | `Key` | length (4), UTF-8 |
//! | `StaticKey` | the number (4) of a name that lives as long as the program |
//! | `CutItems` `CutFields` | before an `End`: how many more there were (8), or [`AT_LEAST`] how many |
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
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde_json::Value;

pub(crate) use decode::{Decoder, string as json_string};
pub(crate) use items::ItemList;
pub(crate) use keys::{KeyMatcher, static_name};
pub(crate) use mask::SecretMask;
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
    StaticKey = 20,
}

impl Tag {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::End,
            1 => Self::Null,
            2 => Self::False,
            3 => Self::True,
            4 => Self::U8,
            5 => Self::U64,
            6 => Self::I64,
            7 => Self::F32,
            8 => Self::F64,
            9 => Self::Text,
            10 => Self::Number,
            11 => Self::CutText,
            12 => Self::Binary,
            13 => Self::Failed,
            14 => Self::Seq,
            15 => Self::Map,
            16 => Self::CutItems,
            17 => Self::Redacted,
            18 => Self::Key,
            19 => Self::CutFields,
            20 => Self::StaticKey,
            _ => return None,
        })
    }
}
