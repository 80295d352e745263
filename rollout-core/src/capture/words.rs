//! What is recorded is collected in words of 8 bytes, as the queues carry it: what was written as a word is read back
//! as one, so that no read has to wait for several small writes to meet in the cache.

use std::ops::{Deref, DerefMut};

/// Words that so many bytes take.
#[inline]
pub(crate) const fn words_of(bytes: usize) -> usize {
    bytes.div_ceil(8)
}

/// A word that says what follows: what it is, a number of 24 bits and one of 32.
#[inline]
pub(crate) const fn header(kind: u8, middle: u32, number: u32) -> u64 {
    kind as u64 | (middle as u64) << 8 | (number as u64) << 32
}

/// Words being written.
///
/// The slots are there before they are used, so that all words of a value are claimed at once: a `Vec` that grows word
/// by word reads and writes its length for each, and each read has to wait for the write before (measured,
/// `benches/span.rs`).
#[derive(Debug, Default, Clone)]
pub(crate) struct Words {
    slots: Vec<u64>,
    used: usize,
}

/// Slots of a buffer at first.
const FIRST_SLOTS: usize = 64;

impl Words {
    /// Nothing yet, and no memory taken.
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            used: 0,
        }
    }

    /// So many words more, for the caller to fill: what is in them now means nothing.
    #[inline]
    fn claim(&mut self, words: usize) -> &mut [u64] {
        let from = self.used;
        let to = from + words;
        if to > self.slots.len() {
            self.grow(to);
        }
        self.used = to;
        self.slots.get_mut(from..to).unwrap_or_default()
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, least: usize) {
        let slots = least.max(2 * self.slots.len()).max(FIRST_SLOTS);
        self.slots.resize(slots, 0);
    }

    /// Appends a word.
    #[inline]
    pub(crate) fn push(&mut self, word: u64) {
        if let [slot] = self.claim(1) {
            *slot = word;
        }
    }

    /// Appends two words.
    #[inline]
    pub(crate) fn push_two(&mut self, first: u64, second: u64) {
        if let [slot, next] = self.claim(2) {
            (*slot, *next) = (first, second);
        }
    }

    /// Appends words.
    pub(crate) fn extend_from_slice(&mut self, words: &[u64]) {
        self.claim(words.len()).copy_from_slice(words);
    }

    /// Inserts words behind so many.
    pub(crate) fn insert(&mut self, at: usize, words: &[u64]) {
        let (at, end) = (at.min(self.used), self.used);
        self.claim(words.len());
        self.slots.copy_within(at..end, at + words.len());
        if let Some(slots) = self.slots.get_mut(at..at + words.len()) {
            slots.copy_from_slice(words);
        }
    }

    /// Appends a word, and bytes, eight to a word, the last one filled up with zeros.
    #[inline]
    pub(crate) fn push_with_bytes(&mut self, word: u64, bytes: &[u8]) {
        if let [slot, slots @ ..] = self.claim(1 + words_of(bytes.len())) {
            *slot = word;
            fill(slots, bytes);
        }
    }

    /// Forgets the words behind so many.
    pub(crate) fn truncate(&mut self, words: usize) {
        self.used = self.used.min(words);
    }

    /// Forgets all words.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    /// How many words were written.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Words that there is room for.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Gives room back that is neither used nor within so many words.
    pub(crate) fn shrink_to(&mut self, words: usize) {
        self.slots.truncate(words.max(self.used));
        self.slots.shrink_to_fit();
    }
}

impl Deref for Words {
    type Target = [u64];

    #[inline]
    fn deref(&self) -> &[u64] {
        self.slots.get(..self.used).unwrap_or_default()
    }
}

impl DerefMut for Words {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u64] {
        self.slots.get_mut(..self.used).unwrap_or_default()
    }
}

/// Writes bytes into the slots that they take.
#[inline]
fn fill(slots: &mut [u64], bytes: &[u8]) {
    // Most texts are short: a loop that takes many words at a time costs more than it saves them.
    match slots {
        [] => {}
        [slot] => *slot = word(bytes),
        [slots @ .., last] => {
            if let [first, second, third] = slots
                && let Some((head, rest)) = bytes.split_first_chunk::<16>()
                && let Some(next) = rest.first_chunk::<8>()
            {
                let word = u128::from_le_bytes(*head);
                (*first, *second) = (word as u64, (word >> 64) as u64);
                *third = u64::from_le_bytes(*next);
            } else if let [first] = slots
                && let Some(head) = bytes.first_chunk::<8>()
            {
                *first = u64::from_le_bytes(*head);
            } else {
                fill_whole(slots, bytes);
            }
            if let Some(end) = bytes.last_chunk::<8>() {
                *last = u64::from_le_bytes(*end) >> (8 * (bytes.len().wrapping_neg() % 8));
            }
        }
    }
}

/// Writes as many whole words as there are slots.
#[inline(never)]
fn fill_whole(slots: &mut [u64], bytes: &[u8]) {
    for (slot, bytes) in slots.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *slot = u64::from_le_bytes(*bytes);
    }
}

/// One to eight bytes as a word, by two reads that overlap.
#[inline]
pub(super) fn word(bytes: &[u8]) -> u64 {
    let shift = |from: usize| 8 * (bytes.len() - from);
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << shift(4)
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<2>(), bytes.last_chunk::<2>()) {
        u64::from(u16::from_le_bytes(*head)) | u64::from(u16::from_le_bytes(*tail)) << shift(2)
    } else {
        bytes.first().map_or(0, |byte| u64::from(*byte))
    }
}

/// Reads words from the bytes they have become.
#[derive(Clone, Copy)]
pub(crate) struct WordReader<'a>(&'a [u8]);

impl<'a> WordReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next word.
    pub(crate) fn word(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*head))
    }

    /// So many bytes, and the words they take; nothing where there are fewer.
    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = length.div_ceil(8).checked_mul(8)?;
        let (words, rest) = self.0.split_at_checked(taken)?;
        self.0 = rest;
        words.get(..length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for length in 0..100_u8 {
            let bytes: Vec<u8> = (1..=length).collect();
            let mut words = Words::new();
            words.push_with_bytes(7, &bytes);
            assert_eq!(words.len(), 1 + words_of(bytes.len()));
            let stored: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut reader = WordReader::new(&stored);
            assert_eq!(reader.word(), Some(7));
            assert_eq!(reader.bytes(bytes.len()), Some(bytes.as_slice()));
            assert!(reader.rest().is_empty());
            assert!(stored[8 + bytes.len()..].iter().all(|byte| *byte == 0));
        }
    }
}
