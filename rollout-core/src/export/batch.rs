//! A batch: some events of the spool, as they stand there.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

/// Some events, each one compact JSON object.
///
/// A batch keeps its identity while it is retried; parts of it are batches of their own.
#[derive(Clone, Debug)]
pub struct Batch {
    id: u128,
    writer: Option<Arc<str>>,
    number: u64,
    again: bool,
    text: Arc<[u8]>,
    /// Where in `text` each event stands, without its line's end.
    events: Arc<[Range<usize>]>,
}

impl Batch {
    /// A batch of the lines of `text`; blank lines are left out.
    pub fn from_lines(text: &[u8]) -> Self {
        let mut events = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let event = line.trim_ascii();
            if !event.is_empty() {
                let from = start + (event.as_ptr() as usize - line.as_ptr() as usize);
                events.push(from..from + event.len());
            }
            start += line.len();
        }
        Self {
            id: random_id(),
            writer: None,
            number: 0,
            again: false,
            text: text.into(),
            events: events.into(),
        }
    }

    /// The same batch, recorded by a process of this name.
    pub(crate) fn of_writer(self, writer: Option<Arc<str>>) -> Self {
        Self { writer, ..self }
    }

    /// The process that recorded the events: the name of its folder in the spool, if it has one.
    pub fn writer(&self) -> Option<&str> {
        self.writer.as_deref()
    }

    /// The same batch, with this number among those of its writer, and whether it was handed over before.
    pub(crate) fn numbered(self, number: u64, again: bool) -> Self {
        Self {
            number,
            again,
            ..self
        }
    }

    /// Counts the batches of one writer that this exporter is given, from 1 on: see
    /// [`Exporter::needs_from`](super::Exporter::needs_from). Parts of a batch have its number; a batch that is made of
    /// lines by hand has 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether an earlier process has handed these events over already. They come once more because the exporter still
    /// needed them when that process died: to know what it knew then, and not to be sent, though that does no harm.
    pub fn is_again(&self) -> bool {
        self.again
    }

    /// What tells this batch from every other; the same when it is retried.
    pub fn id(&self) -> u128 {
        self.id
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The bytes of the events, without what a request puts around them.
    pub fn bytes(&self) -> usize {
        self.events.iter().map(ExactSizeIterator::len).sum()
    }

    /// The events as JSON text.
    pub fn events(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.events.iter().map(|range| &self.text[range.clone()])
    }

    /// The events read as `T`; one that does not fit is an error in its place.
    pub fn parsed<'a, T: Deserialize<'a>>(
        &'a self,
    ) -> impl ExactSizeIterator<Item = serde_json::Result<T>> {
        self.events().map(serde_json::from_slice)
    }

    /// The events of some indices as a batch of their own; indices beyond the end are left out.
    pub fn select(&self, indices: impl IntoIterator<Item = usize>) -> Self {
        let events: Vec<_> = indices
            .into_iter()
            .filter_map(|index| self.events.get(index).cloned())
            .collect();
        Self {
            id: random_id(),
            writer: self.writer.clone(),
            number: self.number,
            again: self.again,
            text: Arc::clone(&self.text),
            events: events.into(),
        }
    }
}

/// Random bits, written out as a UUID of version 4 by [`uuid`].
fn random_id() -> u128 {
    fastrand::u128(..)
}

/// A UUID of version 4 from random bits, in its usual form.
pub(crate) fn uuid(random: u128) -> String {
    let bits = random & !(0xf000 << 64) & !(0b11 << 62) | (0x4000 << 64) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let (a, b, c) = (&hex[..8], &hex[8..12], &hex[12..16]);
    format!("{a}-{b}-{c}-{}-{}", &hex[16..20], &hex[20..])
}
