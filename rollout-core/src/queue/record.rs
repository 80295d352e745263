//! A record: eight words of header, then bytes.

/// Words of a header: 64 bytes, one cache line.
pub(crate) const HEADER_WORDS: usize = 8;

/// One record as it goes through a queue. What the numbers mean is the business of who writes and who reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// What kind of record it is; never 0.
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) status: u8,
    pub(crate) trace: u128,
    pub(crate) span: u64,
    pub(crate) parent: u64,
    pub(crate) start: u64,
    /// When it happened; records of all threads are read in this order.
    pub(crate) at: u64,
    /// The call site, or 0.
    pub(crate) site: u32,
}

/// Where in a header each word stands; the first holds kind, flags, status and [`OPEN`], [`WHOLE`], [`ASIDE`] below
/// the length of the payload.
pub(super) const HEAD: usize = 0;
pub(super) const SPAN: usize = 3;
pub(super) const AT: usize = 6;
pub(super) const SITE: usize = 7;

/// In the first word: the payload rides beside the chunk.
pub(super) const ASIDE: u64 = 1 << 31;
/// The record begins something whose end may yet be written into the same record.
pub(super) const OPEN: u64 = 1 << 30;
/// That has happened: `at` is the end, `start` the beginning, and the length of the end's payload, which follows that
/// of the beginning, stands above the call site.
pub(super) const WHOLE: u64 = 1 << 29;

/// Among the flags: the record stands for two events, so two are lost with it.
pub(crate) const TWO_EVENTS: u8 = 1;

impl Record {
    /// How many events are lost with it.
    pub(crate) fn events(&self) -> u64 {
        if self.flags & TWO_EVENTS == 0 { 1 } else { 2 }
    }

    /// Packs the header; `words` is the length of the payload, `marks` are of the first word.
    #[inline(always)]
    pub(super) fn pack(&self, words: usize, marks: u64) -> [u64; HEADER_WORDS] {
        [
            self.head(words, marks),
            (self.trace >> 64) as u64,
            self.trace as u64,
            self.span,
            self.parent,
            self.start,
            self.at,
            u64::from(self.site),
        ]
    }

    /// The first word.
    #[inline(always)]
    pub(super) fn head(&self, words: usize, marks: u64) -> u64 {
        u64::from(self.kind)
            | u64::from(self.flags) << 8
            | u64::from(self.status) << 16
            | marks
            | (words as u64) << 32
    }

    /// The header, and the length of its payload in words.
    pub(super) fn unpack(words: [u64; HEADER_WORDS]) -> (Self, usize) {
        let [head, high, low, span, parent, start, at, site] = words;
        let record = Self {
            kind: head as u8,
            flags: (head >> 8) as u8,
            status: (head >> 16) as u8,
            trace: u128::from(high) << 64 | u128::from(low),
            span,
            parent,
            start,
            at,
            site: site as u32,
        };
        (record, (head >> 32) as usize)
    }
}

/// Records that were read, their payloads one after another in one reused buffer.
#[derive(Debug, Default)]
pub(crate) struct RecordBuffer {
    records: Vec<(Record, usize, usize)>,
    bytes: Vec<u8>,
}

impl RecordBuffer {
    /// Empties it, keeping what it has allocated up to a bound that a burst may have passed.
    pub(crate) fn clear(&mut self) {
        const KEPT: usize = 1 << 20;
        self.records.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.records
            .shrink_to(KEPT / size_of::<(Record, usize, usize)>());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of all payloads and headers.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.records.len() * HEADER_WORDS * 8
    }

    /// Adds a record with its payload.
    pub(super) fn push(&mut self, record: Record, payload: impl ExactSizeIterator<Item = u64>) {
        let from = self.bytes.len();
        self.bytes.reserve(payload.len() * 8);
        for word in payload {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.records.push((record, from, self.bytes.len()));
    }

    /// Orders the records of all threads by their time; those of one thread keep their order.
    pub(crate) fn sort(&mut self) {
        if !self.records.is_sorted_by_key(|(record, ..)| record.at) {
            self.records.sort_by_key(|(record, ..)| record.at);
        }
    }

    /// The records up to this time with their payloads, in order; to be called when they are [sorted](Self::sort).
    pub(crate) fn up_to(&self, at: u64) -> impl Iterator<Item = (&Record, &[u8])> {
        self.iter().take_while(move |(record, _)| record.at <= at)
    }

    /// Drops these.
    pub(crate) fn drop_up_to(&mut self, at: u64) {
        let kept = self.records.partition_point(|(record, ..)| record.at <= at);
        if kept == self.records.len() {
            self.clear();
            return;
        }
        let mut rest = Self::default();
        for (record, from, to) in self.records.drain(kept..) {
            let start = rest.bytes.len();
            rest.bytes.extend_from_slice(&self.bytes[from..to]);
            rest.records.push((record, start, rest.bytes.len()));
        }
        *self = rest;
    }

    /// The records with their payloads.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Record, &[u8])> {
        self.records
            .iter()
            .map(|(record, from, to)| (record, &self.bytes[*from..*to]))
    }
}
