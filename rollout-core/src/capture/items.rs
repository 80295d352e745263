//! A sequence that grows while a stream runs.

use super::words::{Words, header};
use super::{KeyMatcher, Tag, ValueWriter};

/// The items of a stream, as one sequence within a bound.
pub(crate) struct ItemList {
    words: Words,
    /// Bytes that may still be written.
    left: usize,
    /// Items that were not kept, and what was cut inside those that were, in bytes.
    skipped: u64,
    cut: u64,
}

impl ItemList {
    /// A list of at most `bound` bytes; 0 records nothing.
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            words: Words::new(),
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
        if self.words.is_empty() {
            self.words.push(header(Tag::Seq as u8, 0, 0));
        }
        let from = self.words.len();
        let mut writer = ValueWriter::new(&mut self.words, keys, self.left);
        write(&mut writer);
        let cut_from = writer.cut_from();
        let written = (self.words.len() - from) * 8;
        self.left = self.left.saturating_sub(written);
        if let Some(there_were) = cut_from {
            self.cut += there_were.saturating_sub(written as u64).max(1);
        }
    }

    /// The sequence, and how many bytes there were if that is more; nothing where no item was recorded.
    pub(crate) fn finish(&mut self) -> Option<(&[u64], Option<u64>)> {
        if self.words.is_empty() {
            return None;
        }
        if self.skipped > 0 {
            let opening = header(Tag::CutItems as u8, 0, 0);
            self.words.push_two(opening, self.skipped);
        }
        self.words.push(header(Tag::End as u8, 0, 0));
        let cut = self.cut > 0 || self.skipped > 0;
        let there_were = self.words.len() as u64 * 8 + self.cut + self.skipped;
        Some((&self.words, cut.then_some(there_were)))
    }
}
