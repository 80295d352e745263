//! A sequence that grows while a stream runs.

use super::{KeyMatcher, Tag, ValueWriter};

/// The items of a stream, as one sequence within a bound.
pub(crate) struct ItemList {
    bytes: Vec<u8>,
    left: usize,
    /// Items that were not kept, and what was cut inside those that were, in bytes.
    skipped: u64,
    cut: u64,
}

impl ItemList {
    /// A list of at most `bound` bytes; 0 records nothing.
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            bytes: Vec::new(),
            left: bound,
            skipped: 0,
            cut: 0,
        }
    }

    /// Adds the item that `write` writes.
    pub(crate) fn push(&mut self, keys: &KeyMatcher, write: impl FnOnce(&mut ValueWriter<'_>)) {
        if self.left < 64 {
            self.skipped += 1;
            return;
        }
        if self.bytes.is_empty() {
            self.bytes.push(Tag::Seq as u8);
        }
        let from = self.bytes.len();
        let mut writer = ValueWriter::new(&mut self.bytes, keys, self.left);
        write(&mut writer);
        let cut_from = writer.finish().cut_from;
        let written = self.bytes.len() - from;
        self.left = self.left.saturating_sub(written);
        if let Some(there_were) = cut_from {
            self.cut += there_were.saturating_sub(written as u64).max(1);
        }
    }

    /// The sequence, and how much there was if that is more; nothing where no item was recorded.
    pub(crate) fn finish(&mut self) -> Option<(&[u8], Option<u64>)> {
        if self.bytes.is_empty() {
            return None;
        }
        if self.skipped > 0 {
            self.bytes.push(Tag::CutItems as u8);
            self.bytes.extend_from_slice(&self.skipped.to_le_bytes());
        }
        self.bytes.push(Tag::End as u8);
        let cut = self.cut > 0 || self.skipped > 0;
        let there_were = self.bytes.len() as u64 + self.cut + self.skipped;
        Some((&self.bytes, cut.then_some(there_were)))
    }
}
