//! What is recorded is collected in words of 8 bytes, as the queues carry it: what was written as a word is read back
//! as one, so that no read has to wait for several small writes to meet in the cache.

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

/// Appends bytes, eight to a word, the last word filled up with zeros.
#[inline]
pub(crate) fn append_bytes(out: &mut Vec<u64>, bytes: &[u8]) {
    if bytes.len() > 8 {
        append_many(out, bytes);
    } else if !bytes.is_empty() {
        out.push(word(bytes));
    }
}

#[inline]
fn append_many(out: &mut Vec<u64>, bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<8>();
    out.extend(whole.iter().map(|bytes| u64::from_le_bytes(*bytes)));
    if !rest.is_empty()
        && let Some(last) = bytes.last_chunk::<8>()
    {
        out.push(u64::from_le_bytes(*last) >> (64 - 8 * rest.len()));
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
        let taken = words_of(length).checked_mul(8)?;
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
        for length in 0..40_u8 {
            let bytes: Vec<u8> = (1..=length).collect();
            let mut words = Vec::new();
            append_bytes(&mut words, &bytes);
            assert_eq!(words.len(), words_of(bytes.len()));
            let stored: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut reader = WordReader::new(&stored);
            assert_eq!(reader.bytes(bytes.len()), Some(bytes.as_slice()));
            assert!(reader.rest().is_empty());
            assert!(stored[bytes.len()..].iter().all(|byte| *byte == 0));
        }
    }
}
