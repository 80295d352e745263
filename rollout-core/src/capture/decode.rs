//! From the binary format to JSON, on the worker.

use std::fmt;
use std::io::Write as _;

use super::{AT_LEAST, SecretMask, Tag, static_name};

/// Reads values one after another.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    mask: Option<&'a SecretMask>,
}

/// An open container: whether it is a map, and whether it has an entry yet.
struct Open {
    map: bool,
    started: bool,
}

impl<'a> Decoder<'a> {
    /// A decoder of these bytes; texts go through `mask`, if there is one.
    pub(crate) fn new(bytes: &'a [u8], mask: Option<&'a SecretMask>) -> Self {
        Self { rest: bytes, mask }
    }

    /// Appends the next value as JSON. Bytes that are no value become `null`.
    pub(crate) fn json(&mut self, out: &mut Vec<u8>) {
        let mut open: Vec<Open> = Vec::new();
        loop {
            if let Some(container) = open.last_mut() {
                if container.map {
                    match self.key(container, out) {
                        Key::Value => {}
                        Key::Done => continue,
                        Key::End => {
                            out.push(b'}');
                            open.pop();
                            if open.is_empty() {
                                return;
                            }
                            continue;
                        }
                    }
                } else if self.rest.first().is_none_or(|tag| *tag == Tag::End as u8) {
                    self.take::<1>();
                    out.push(b']');
                    open.pop();
                    if open.is_empty() {
                        return;
                    }
                    continue;
                } else if std::mem::replace(&mut container.started, true) {
                    out.push(b',');
                }
            }
            match self.tag() {
                Some(Tag::Seq) => {
                    out.push(b'[');
                    open.push(Open {
                        map: false,
                        started: false,
                    });
                    continue;
                }
                Some(Tag::Map) => {
                    out.push(b'{');
                    open.push(Open {
                        map: true,
                        started: false,
                    });
                    continue;
                }
                tag => self.scalar(tag, out),
            }
            if open.is_empty() {
                return;
            }
        }
    }

    fn key(&mut self, container: &mut Open, out: &mut Vec<u8>) -> Key {
        let tag = self.tag();
        if !matches!(tag, Some(Tag::Key | Tag::StaticKey | Tag::CutFields)) {
            return Key::End;
        }
        if std::mem::replace(&mut container.started, true) {
            out.push(b',');
        }
        if tag == Some(Tag::CutFields) {
            let count = self.take::<8>().map_or(0, u64::from_le_bytes);
            let _ = write!(out, "\"…\":\"[cut: {} more fields]\"", Count(count));
            return Key::Done;
        }
        let number = self.length();
        if tag == Some(Tag::StaticKey) {
            string(static_name(number as u32).unwrap_or_default(), out);
        } else {
            let key = self.text(number);
            string(&key, out);
        }
        out.push(b':');
        Key::Value
    }

    fn scalar(&mut self, tag: Option<Tag>, out: &mut Vec<u8>) {
        match tag {
            Some(Tag::False) => out.extend_from_slice(b"false"),
            Some(Tag::True) => out.extend_from_slice(b"true"),
            Some(Tag::U8) => number(out, self.take::<1>().map(u8::from_le_bytes)),
            Some(Tag::U64) => number(out, self.take::<8>().map(u64::from_le_bytes)),
            Some(Tag::I64) => number(out, self.take::<8>().map(i64::from_le_bytes)),
            Some(Tag::F32) => number(out, self.take::<4>().map(f32::from_le_bytes)),
            Some(Tag::F64) => number(out, self.take::<8>().map(f64::from_le_bytes)),
            Some(Tag::Number) => {
                let length = self.length();
                out.extend_from_slice(self.text(length).as_bytes());
            }
            Some(Tag::Text) => {
                let length = self.length();
                let text = self.text(length);
                match self.mask.and_then(|mask| mask.apply(&text)) {
                    Some(masked) => string(&masked, out),
                    None => string(&text, out),
                }
            }
            Some(Tag::CutText) => {
                let length = self.length();
                let total = self.take::<8>().map_or(0, u64::from_le_bytes);
                let text = self.text(length);
                let masked = self.mask.and_then(|mask| mask.apply(&text));
                let head = masked.as_deref().unwrap_or(&text);
                string(&format!("{head}… [cut: {total} bytes in all]"), out);
            }
            Some(Tag::Binary) => {
                let total = self.take::<8>().map_or(0, u64::from_le_bytes);
                let hash = self.take::<8>().map_or(0, u64::from_le_bytes);
                let length = self.length();
                let media_type = self.text(length);
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
                let length = self.length();
                let reason = self.text(length);
                string(&format!("[not recorded: {reason}]"), out);
            }
            Some(Tag::CutItems) => {
                let count = self.take::<8>().map_or(0, u64::from_le_bytes);
                let _ = write!(out, "\"… [cut: {} more items]\"", Count(count));
            }
            Some(Tag::Redacted) => out.extend_from_slice(b"\"[redacted]\""),
            Some(
                Tag::Null
                | Tag::End
                | Tag::Seq
                | Tag::Map
                | Tag::Key
                | Tag::StaticKey
                | Tag::CutFields,
            )
            | None => {
                out.extend_from_slice(b"null");
            }
        }
    }

    fn tag(&mut self) -> Option<Tag> {
        self.take::<1>().and_then(|[byte]| Tag::from_byte(byte))
    }

    fn length(&mut self) -> usize {
        self.take::<4>().map_or(0, u32::from_le_bytes) as usize
    }

    fn text(&mut self, length: usize) -> std::borrow::Cow<'a, str> {
        let (text, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        String::from_utf8_lossy(text)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
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

enum Key {
    Value,
    Done,
    End,
}

/// Appends a JSON string.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = serde_json::to_writer(&mut *out, text);
}

fn number<T: serde::Serialize>(out: &mut Vec<u8>, value: Option<T>) {
    let _ = serde_json::to_writer(&mut *out, &value);
}
