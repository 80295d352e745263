//! The fields of a span, within bounds.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use tracing_core::field::{Field, Visit};

/// Fields that are kept of one span.
const MOST_FIELDS: usize = 128;

/// Bytes that are kept of all texts of one span.
const MOST_BYTES: usize = 1 << 20;

/// Sources that are kept of an error.
const SOURCES: usize = 16;

/// Fields by their names, in the order in which they were recorded first.
#[derive(Debug, Default)]
pub(super) struct Fields {
    list: Vec<Entry>,
    bytes: usize,
    /// What there was no room for.
    dropped: usize,
}

/// A field.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) value: Value,
    /// It is in an event already.
    pub(super) told: bool,
}

impl Fields {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.list
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| &entry.value)
    }

    pub(super) fn list_mut(&mut self) -> &mut Vec<Entry> {
        &mut self.list
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    /// Room for a text.
    fn room(&self) -> usize {
        MOST_BYTES.saturating_sub(self.bytes)
    }

    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        let bytes = size(&value);
        if let Some(known) = self.list.iter_mut().find(|entry| entry.name == name) {
            self.bytes = self.bytes.saturating_sub(size(&known.value)) + bytes;
            known.told = false;
            known.value = value;
        } else if self.list.len() < MOST_FIELDS {
            self.bytes += bytes;
            self.list.push(Entry {
                name,
                value,
                told: false,
            });
        } else {
            self.dropped += 1;
        }
    }

    /// Takes over what was recorded later.
    pub(super) fn merge(&mut self, later: Self) {
        self.dropped += later.dropped;
        for entry in later.list {
            let known = self.get(entry.name).map_or(0, size);
            if size(&entry.value) <= self.room() + known {
                self.set(entry.name, entry.value);
            } else {
                self.dropped += 1;
            }
        }
    }

    /// Of an event, what it says of the span around it.
    pub(super) fn only_errors(mut self) -> Self {
        self.list
            .retain(|entry| matches!(entry.name, "error" | "err"));
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.dropped == 0
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = head(value, self.room());
        self.set(field.name(), text.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut chain = vec![written(&format_args!("{value}"), self.room())];
        let mut next = value.source();
        while let Some(error) = next.filter(|_| chain.len() <= SOURCES) {
            chain.push(written(&format_args!("{error}"), self.room()));
            next = error.source();
        }
        self.set(field.name(), chain.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = written(&format_args!("{value:?}"), self.room());
        self.set(field.name(), text.into());
    }
}

/// What a value takes, about.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(chain) => chain.iter().map(size).sum(),
        _ => 16,
    }
}

fn head(text: &str, room: usize) -> &str {
    &text[..text.floor_char_boundary(text.len().min(room))]
}

/// What the program's own code writes, up to a bound.
fn written(value: &fmt::Arguments<'_>, room: usize) -> String {
    struct Head {
        text: String,
        room: usize,
    }

    impl fmt::Write for Head {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let kept = head(text, self.room);
            self.text.push_str(kept);
            self.room -= kept.len();
            if kept.len() < text.len() {
                Err(fmt::Error)
            } else {
                Ok(())
            }
        }
    }

    let mut head = Head {
        text: String::new(),
        room,
    };
    match catch_unwind(AssertUnwindSafe(|| write!(head, "{value}"))) {
        Ok(_) => head.text,
        Err(_) => "[not recorded: its Debug panicked]".to_owned(),
    }
}
