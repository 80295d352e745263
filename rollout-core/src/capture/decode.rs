//! From the binary format to JSON, on the worker.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use super::{AT_LEAST, SecretMask, Tag, WordReader, static_name};

/// Reads a value.
pub(crate) struct Decoder<'a> {
    words: WordReader<'a>,
    mask: Option<&'a SecretMask>,
}

/// An open container: whether it is a map, and whether it has an entry yet.
struct Open {
    map: bool,
    started: bool,
}

/// The word before a value.
#[derive(Clone, Copy)]
struct Opening(u64);

impl Opening {
    fn tag(self) -> Option<Tag> {
        Tag::from_byte(self.0 as u8)
    }

    /// The number of a key, or 0.
    fn key(self) -> u32 {
        (self.0 >> 8) as u32 & 0x00ff_ffff
    }

    fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl<'a> Decoder<'a> {
    /// A decoder of these bytes; texts go through `mask`, if there is one.
    pub(crate) fn new(bytes: &'a [u8], mask: Option<&'a SecretMask>) -> Self {
        Self {
            words: WordReader::new(bytes),
            mask,
        }
    }

    /// Appends the value as JSON. Bytes that are no value become `null`.
    pub(crate) fn json(mut self, out: &mut Vec<u8>) {
        self.containers(Vec::new(), out);
    }

    /// Appends the values up to the last one as members of a JSON object.
    pub(crate) fn arguments(mut self, out: &mut Vec<u8>) {
        out.push(b'{');
        let arguments = Open {
            map: true,
            started: false,
        };
        self.containers(vec![arguments], out);
    }

    /// Appends a value, or what is left of those that are open; an end that is missing is the end of the bytes.
    fn containers(&mut self, mut open: Vec<Open>, out: &mut Vec<u8>) {
        loop {
            let mut opening = self.words.word().map(Opening);
            if let Some(container) = open.last_mut() {
                let Some(there) = opening.filter(|word| word.tag() != Some(Tag::End)) else {
                    out.push(if container.map { b'}' } else { b']' });
                    open.pop();
                    if open.is_empty() {
                        return;
                    }
                    continue;
                };
                if std::mem::replace(&mut container.started, true) {
                    out.push(b',');
                }
                if container.map {
                    if there.tag() == Some(Tag::CutFields) {
                        let count = self.words.word().unwrap_or_default();
                        let _ = write!(out, "\"…\":\"[cut: {} more fields]\"", Count(count));
                        continue;
                    }
                    if there.tag() == Some(Tag::Key) {
                        string(&self.text(there), out);
                        opening = self.words.word().map(Opening);
                    } else {
                        string(static_name(there.key()).unwrap_or_default(), out);
                    }
                    out.push(b':');
                }
            }
            let map = match opening.and_then(Opening::tag) {
                Some(Tag::Seq) => false,
                Some(Tag::Map) => true,
                _ => {
                    self.scalar(opening, out);
                    if open.is_empty() {
                        return;
                    }
                    continue;
                }
            };
            out.push(if map { b'{' } else { b'[' });
            open.push(Open {
                map,
                started: false,
            });
        }
    }

    fn scalar(&mut self, opening: Option<Opening>, out: &mut Vec<u8>) {
        let tag = opening.and_then(Opening::tag);
        let opening = opening.unwrap_or(Opening(0));
        match tag {
            Some(Tag::False) => out.extend_from_slice(b"false"),
            Some(Tag::True) => out.extend_from_slice(b"true"),
            Some(Tag::U8 | Tag::U32) => number(out, Some(opening.number())),
            Some(Tag::I32) => number(out, Some(opening.number().cast_signed())),
            Some(Tag::F32) => number(out, Some(f32::from_bits(opening.number()))),
            Some(Tag::U64) => number(out, self.words.word()),
            Some(Tag::I64) => number(out, self.words.word().map(u64::cast_signed)),
            Some(Tag::F64) => number(out, self.words.word().map(f64::from_bits)),
            Some(Tag::Number) => out.extend_from_slice(self.text(opening).as_bytes()),
            Some(Tag::Text) => {
                let text = self.text(opening);
                match self.mask.and_then(|mask| mask.apply(&text)) {
                    Some(masked) => string(&masked, out),
                    None => string(&text, out),
                }
            }
            Some(Tag::CutText) => {
                let total = self.words.word().unwrap_or_default();
                let text = self.text(opening);
                let masked = self.mask.and_then(|mask| mask.apply(&text));
                let head = masked.as_deref().unwrap_or(&text);
                string(&format!("{head}… [cut: {total} bytes in all]"), out);
            }
            Some(Tag::Binary) => {
                let total = self.words.word().unwrap_or_default();
                let hash = self.words.word().unwrap_or_default();
                let media_type = self.text(opening);
                let _ = write!(
                    out,
                    "{{\"rollout.binary\":{{\"bytes\":{total},\"hash\":\"fnv1a64:{hash:016x}\""
                );
                if !media_type.is_empty() {
                    out.extend_from_slice(b",\"media_type\":");
                    string(&media_type, out);
                }
                out.extend_from_slice(b"}}");
            }
            Some(Tag::Failed) => {
                let reason = self.text(opening);
                string(&format!("[not recorded: {reason}]"), out);
            }
            Some(Tag::CutItems) => {
                let count = self.words.word().unwrap_or_default();
                let _ = write!(out, "\"… [cut: {} more items]\"", Count(count));
            }
            Some(Tag::Redacted) => out.extend_from_slice(b"\"[redacted]\""),
            Some(Tag::Null | Tag::End | Tag::Seq | Tag::Map | Tag::Key | Tag::CutFields) | None => {
                out.extend_from_slice(b"null");
            }
        }
    }

    /// The text whose length the opening word says.
    fn text(&mut self, opening: Opening) -> Cow<'a, str> {
        let bytes = self.words.bytes(opening.number() as usize);
        String::from_utf8_lossy(bytes.unwrap_or_default())
    }
}

/// How much was passed over.
struct Count(u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 & AT_LEAST, self.0 & !AT_LEAST) {
            (0, count) => write!(f, "{count}"),
            (_, 0) => f.write_str("an unknown number of"),
            (_, count) => write!(f, "at least {count}"),
        }
    }
}

/// Appends a JSON string.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = serde_json::to_writer(&mut *out, text);
}

fn number<T: serde::Serialize>(out: &mut Vec<u8>, value: Option<T>) {
    let _ = serde_json::to_writer(&mut *out, &value);
}
