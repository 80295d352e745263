//! Writes one event object of the wire, member by member.

use std::borrow::Cow;

use super::digits::decimal;
use super::masks::Masks;
use crate::capture::json_string;

/// Limits of the protocol, in code points.
pub(super) mod limit {
    pub(in super::super) const ID: usize = 200;
    pub(in super::super) const NAME: usize = 300;
    pub(in super::super) const TYPE: usize = 80;
    pub(in super::super) const STATUS: usize = 80;
    pub(in super::super) const ERROR_TYPE: usize = 200;
    pub(in super::super) const MESSAGE_PREVIEW: usize = 1000;
    pub(in super::super) const MODEL: usize = 200;
    pub(in super::super) const PROVIDER: usize = 100;
}

/// A JSON object being written to a buffer; closed by [`Object::end`].
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    mask: &'a Masks,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, mask: &'a Masks) -> Self {
        out.push(b'{');
        Self {
            out,
            mask,
            empty: true,
        }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// The key of a member whose value the caller appends to what this returns.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        json_string(key, self.out);
        self.out.push(b':');
        self.out
    }

    /// A member that is a plain ASCII word of ours, which needs no escapes.
    pub(super) fn word(&mut self, key: &'static str, value: &str) {
        let out = self.plain_key(key);
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }

    /// The key of a member, one of ours, which needs no escapes.
    pub(super) fn plain_key(&mut self, key: &'static str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A text of at most `limit` code points; a longer one ends in an ellipsis.
    pub(super) fn text(&mut self, key: &'static str, text: &str, limit: usize) {
        let mask = self.mask;
        let out = self.plain_key(key);
        put_text(text, limit, mask, out);
    }

    /// An integer.
    pub(super) fn number(&mut self, key: &'static str, value: impl itoa::Integer) {
        decimal(value, self.plain_key(key));
    }

    /// An id, whose digits `write` writes.
    pub(super) fn id(&mut self, key: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let out = self.plain_key(key);
        out.push(b'"');
        write(out);
        out.push(b'"');
    }

    /// A value that is JSON already.
    pub(super) fn json(&mut self, key: &'static str, value: &[u8]) {
        self.plain_key(key).extend_from_slice(value);
    }

    /// A value in the capture format.
    pub(super) fn captured(&mut self, key: &str, bytes: &[u8]) {
        let mask = self.mask;
        let out = self.key(key);
        mask.captured(bytes, out);
    }

    /// An object below a key, left out where `write` writes no member.
    pub(super) fn object(&mut self, key: &'static str, write: impl FnOnce(&mut Object<'_>)) {
        let before = (self.out.len(), self.empty);
        let mask = self.mask;
        let out = self.plain_key(key);
        let mut inner = Object::begin(out, mask);
        write(&mut inner);
        let empty = inner.empty;
        inner.end();
        if empty {
            self.out.truncate(before.0);
            self.empty = before.1;
        }
    }

    /// Members that are JSON already, without the braces around them.
    pub(super) fn members(&mut self, members: &[u8]) {
        if members.is_empty() {
            return;
        }
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(members);
    }
}

/// Appends a text as JSON, masked and cut to a number of code points.
pub(super) fn put_text(text: &str, limit: usize, mask: &Masks, out: &mut Vec<u8>) {
    let masked = mask.text(text);
    let text = masked.as_deref().unwrap_or(text);
    json_string(&cut(text, limit), out);
}

/// A text of at most so many code points; a longer one ends in an ellipsis.
pub(super) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit || text.char_indices().nth(limit).is_none() {
        return Cow::Borrowed(text);
    }
    let kept = text
        .char_indices()
        .nth(limit - 1)
        .map_or(0, |(index, _)| index);
    Cow::Owned(format!("{}…", &text[..kept]))
}
