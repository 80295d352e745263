//! One thread's chain of chunks, its writer and its reader.

use std::collections::VecDeque;
use std::fmt;

use super::record::{ASIDE, AT, HEAD, OPEN, SITE, SPAN, WHOLE};
use super::{Budget, HEADER_WORDS, Record, RecordBuffer};
use crate::stats::{Counters, DropReason};
use crate::sync::{
    Arc, AtomicBool, AtomicU64, AtomicUsize, CHUNK_WORDS, Mutex, OnceLock, Ordering, PoisonError,
};

const CHUNK_BYTES: usize = CHUNK_WORDS * 8;

/// A payload of more words than this rides beside the chunks, so that no record is larger than a chunk.
const INLINE_WORDS: usize = CHUNK_WORDS / 2;

/// What is added to the kind of a record where its end was written into it.
pub(crate) const END_OF: u8 = 128;

/// Traces that wait to be told that they have lost something, at most.
const MOST_LOSSES: usize = 4096;

/// Spare chunks that are kept for reuse: 4 MiB.
const POOL_CHUNKS: usize = 256;

struct Chunk {
    /// Words that are written and may be read. Moved by the producer only.
    committed: AtomicUsize,
    /// The chunk that follows, once this one is left.
    next: OnceLock<Arc<Chunk>>,
    words: Box<[AtomicU64]>,
}

impl Chunk {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            committed: AtomicUsize::new(0),
            next: OnceLock::new(),
            words: std::iter::repeat_with(AtomicU64::default)
                .take(CHUNK_WORDS)
                .collect(),
        })
    }
}

/// What the producer and the reader of a lane share.
#[derive(Default)]
struct Shared {
    /// Payloads over [`INLINE_WORDS`], in the order of their records.
    aside: Mutex<VecDeque<Vec<u64>>>,
    /// The thread is gone: when all is read, the lane is too.
    closed: AtomicBool,
}

/// All lanes of a client.
pub(crate) struct Lanes {
    budget: Budget,
    counters: Arc<Counters>,
    pool: Mutex<Vec<Arc<Chunk>>>,
    /// Lanes of threads that the worker has not met yet.
    new: Mutex<Vec<LaneReader>>,
    /// Traces that have lost events, and how many; counted already.
    losses: Mutex<Vec<(u128, u64)>>,
    /// Nobody will read them any more.
    closed: AtomicBool,
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes")
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

impl Lanes {
    /// Lanes that take at most `max_bytes` together.
    pub(crate) fn new(max_bytes: usize, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            budget: Budget::new(max_bytes),
            counters,
            pool: Mutex::default(),
            new: Mutex::default(),
            losses: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// A lane for the calling thread, or nothing where the budget is spent.
    #[cold]
    pub(crate) fn open(self: &Arc<Self>) -> Option<Lane> {
        let Some(chunk) = self.chunk() else {
            // What the thread was about to begin is not recorded: a start, and its end.
            self.counters.dropped(DropReason::QueueFull, 2);
            return None;
        };
        let shared = Arc::new(Shared::default());
        self.new
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(LaneReader::new(self, &shared, &chunk));
        Some(Lane {
            lanes: Arc::clone(self),
            shared,
            chunk,
            position: 0,
            open: None,
            lost: (0, 0),
        })
    }

    /// The readers of lanes opened since the last call.
    pub(crate) fn take_new(&self) -> Vec<LaneReader> {
        std::mem::take(&mut *self.new.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Which traces have lost how many events since the last call, as far as is known.
    pub(crate) fn take_losses(&self) -> Vec<(u128, u64)> {
        std::mem::take(&mut *self.losses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers that a trace has lost events. Never waits: returns whether it was possible.
    pub(crate) fn lost(&self, trace: u128, events: u64) -> bool {
        let Ok(mut losses) = self.losses.try_lock() else {
            return false;
        };
        let room = losses.len() < MOST_LOSSES;
        let mut newest = losses.iter_mut().rev().take(8);
        match newest.find(|(known, _)| *known == trace) {
            Some((_, lost)) => *lost += events,
            None if room => losses.push((trace, events)),
            None => {}
        }
        true
    }

    /// Takes bytes for what is kept beside the lanes, or nothing and says so.
    pub(crate) fn take_budget(&self, bytes: usize) -> bool {
        self.budget.take(bytes)
    }

    /// Gives back what [`take_budget`](Self::take_budget) took.
    pub(crate) fn give_budget(&self, bytes: usize) {
        self.budget.give(bytes);
    }

    /// Takes no further chunks: what is recorded after the last read is dropped and counted.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    fn chunk(&self) -> Option<Arc<Chunk>> {
        // Never waits: a pool that is being used by somebody else is an empty one.
        let spare = self.pool.try_lock().ok().and_then(|mut pool| pool.pop());
        match spare {
            Some(chunk) => Some(chunk),
            None if self.budget.take(CHUNK_BYTES) => Some(Chunk::new()),
            None => None,
        }
    }

    /// Takes back a chunk that is read to its end.
    fn recycle(&self, mut chunk: Arc<Chunk>) {
        if let Some(free) = Arc::get_mut(&mut chunk) {
            free.next.take();
            free.committed.store(0, Ordering::Relaxed);
            let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
            if pool.len() < POOL_CHUNKS {
                pool.push(chunk);
                return;
            }
        }
        self.budget.give(CHUNK_BYTES);
    }
}

/// The writing end, owned by one thread.
pub(crate) struct Lane {
    lanes: Arc<Lanes>,
    shared: Arc<Shared>,
    chunk: Arc<Chunk>,
    position: usize,
    /// Where the last record stands, while its end may be written into it.
    open: Option<usize>,
    /// Events of a trace that were lost while nobody could be told.
    lost: (u128, u64),
}

impl Lane {
    /// Appends a record. Returns whether it was taken; a refusal is counted.
    #[inline]
    pub(crate) fn push(&mut self, record: Record, payload: &[u64]) -> bool {
        self.append(record, payload, 0)
    }

    /// Appends a record whose end may follow by [`Lane::end_open`].
    #[inline(always)]
    pub(crate) fn push_open(&mut self, record: Record, payload: &[u64]) -> bool {
        let taken = self.append(record, payload, OPEN);
        let words = HEADER_WORDS + payload.len();
        let stands_here = taken && payload.len() <= INLINE_WORDS;
        self.open = stands_here.then_some(self.position.wrapping_sub(words));
        taken
    }

    /// Writes the end of what the last record began into that record; `false` if something has come between. It
    /// saves the worker's processor half of the cache lines that it has to fetch from here.
    #[inline(always)]
    pub(crate) fn end_open(&mut self, span: u64, status: u8, at: u64, payload: &[u64]) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
        let words = payload.len();
        let end = self.position + words;
        let (written, free) = self.chunk.words.split_at(self.position.min(CHUNK_WORDS));
        let header = written
            .get(open..)
            .and_then(|words| words.first_chunk::<HEADER_WORDS>());
        let Some(header) = header else { return false };
        if header[SPAN].load(Ordering::Relaxed) != span || words > free.len() {
            return false;
        }
        if words > 0 {
            put(free, payload);
            let site = header[SITE].load(Ordering::Relaxed);
            header[SITE].store(site | (payload.len() as u64) << 32, Ordering::Relaxed);
        }
        header[AT].store(at, Ordering::Relaxed);
        // The reader looks at `committed` first: whoever sees the payload there sees this too.
        let head = header[HEAD].load(Ordering::Relaxed);
        header[HEAD].store(head | u64::from(status) << 16 | WHOLE, Ordering::Release);
        if words > 0 {
            self.position = end;
            self.chunk.committed.store(end, Ordering::Release);
        }
        true
    }

    /// The record is never passed on by reference: it stays in registers.
    #[inline(always)]
    fn append(&mut self, record: Record, payload: &[u64], marks: u64) -> bool {
        let words = HEADER_WORDS + payload.len();
        if self.position + words > CHUNK_WORDS || payload.len() > INLINE_WORDS {
            if payload.len() > INLINE_WORDS {
                if !self.put_aside(payload, record.trace, record.events()) {
                    return false;
                }
                self.write(record.pack(payload.len(), ASIDE), &[], HEADER_WORDS);
                return true;
            }
            if !self.turn(record.trace, record.events()) {
                return false;
            }
        }
        self.write(record.pack(payload.len(), marks), payload, words);
        true
    }

    #[inline(always)]
    fn write(&mut self, header: [u64; HEADER_WORDS], payload: &[u64], words: usize) {
        let chunk = &*self.chunk;
        let end = self.position + words;
        if let Some((head, body)) = chunk
            .words
            .get(self.position..end)
            .and_then(|slots| slots.split_first_chunk::<HEADER_WORDS>())
        {
            for (slot, word) in head.iter().zip(header) {
                slot.store(word, Ordering::Relaxed);
            }
            put(body, payload);
        }
        self.open = None;
        self.position = end;
        chunk.committed.store(end, Ordering::Release);
    }

    /// Leaves the chunk for a fresh one.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, trace: u128, events: u64) -> bool {
        if self.lanes.closed.load(Ordering::Relaxed) {
            self.lanes
                .counters
                .dropped(DropReason::AfterShutdown, events);
            return false;
        }
        let Some(fresh) = self.lanes.chunk() else {
            self.refuse(trace, events);
            return false;
        };
        // Set once: only this thread chains, and it leaves the chunk right here.
        let _ = self.chunk.next.set(Arc::clone(&fresh));
        self.chunk = fresh;
        self.position = 0;
        self.open = None;
        true
    }

    /// The queue is full: counts it, and remembers of which trace.
    fn refuse(&mut self, trace: u128, events: u64) {
        self.lanes.counters.dropped(DropReason::QueueFull, events);
        if self.lost.0 != trace {
            self.lost = (trace, 0);
        }
        self.lost.1 += events;
        if trace == 0 || self.lanes.lost(trace, self.lost.1) {
            self.lost = (0, 0);
        }
    }

    /// Keeps a large payload beside the chunks, and makes room for its header.
    #[cold]
    #[inline(never)]
    fn put_aside(&mut self, payload: &[u64], trace: u128, events: u64) -> bool {
        let taken =
            u32::try_from(payload.len()).is_ok() && self.lanes.budget.take(size_of_val(payload));
        if !taken {
            self.refuse(trace, events);
            return false;
        }
        if self.position + HEADER_WORDS > CHUNK_WORDS && !self.turn(trace, events) {
            self.lanes.budget.give(size_of_val(payload));
            return false;
        }
        self.shared
            .aside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(payload.to_vec());
        true
    }
}

/// Stores words.
#[inline(always)]
fn put(slots: &[AtomicU64], words: &[u64]) {
    for (slot, word) in slots.iter().zip(words) {
        slot.store(*word, Ordering::Relaxed);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
    }
}

/// The reading end, owned by the worker.
pub(crate) struct LaneReader {
    lanes: Arc<Lanes>,
    shared: Arc<Shared>,
    chunk: Arc<Chunk>,
    position: usize,
    /// Where the last record that was read stands, while its end may yet be written into it.
    open: Option<usize>,
    /// The time of the last record that was read.
    read_to: u64,
}

impl LaneReader {
    fn new(lanes: &Arc<Lanes>, shared: &Arc<Shared>, chunk: &Arc<Chunk>) -> Self {
        Self {
            lanes: Arc::clone(lanes),
            shared: Arc::clone(shared),
            chunk: Arc::clone(chunk),
            position: 0,
            open: None,
            read_to: 0,
        }
    }

    /// The time of the last record that was read: none that follows is older.
    pub(crate) fn read_to(&self) -> u64 {
        self.read_to
    }

    /// Moves what was written up to and including time `until` into `into`.
    /// Stops early once `into` holds `max_bytes`; returns whether it got to the end.
    pub(crate) fn read(&mut self, into: &mut RecordBuffer, until: u64, max_bytes: usize) -> bool {
        loop {
            let next = self.chunk.next.get().map(Arc::clone);
            let committed = self.chunk.committed.load(Ordering::Acquire);
            if !self.read_end(into, until) {
                return true;
            }
            if self.position < committed {
                // Another record follows, so nothing more is written into the one before.
                self.open = None;
                if into.bytes() >= max_bytes {
                    return false;
                }
                if !self.read_one(into, until) {
                    return true;
                }
                continue;
            }
            // A producer that chained a next chunk wrote its last word here before it did, and `committed` and the
            // open record were looked at after that.
            let Some(next) = next else { return true };
            let read = std::mem::replace(&mut self.chunk, next);
            self.position = 0;
            self.open = None;
            self.lanes.recycle(read);
        }
    }

    /// Reads the record at the position; `false` where it is too new.
    fn read_one(&mut self, into: &mut RecordBuffer, until: u64) -> bool {
        let from = self.position;
        let Some(words) = self.header(from) else {
            return false;
        };
        let head = words[HEAD];
        let (mut record, length) = Record::unpack(words);
        if head & OPEN != 0 {
            record.at = record.start;
            record.status = 0;
        }
        if record.at > until {
            return false;
        }
        self.read_to = record.at;
        self.position += HEADER_WORDS;
        if head & ASIDE != 0 {
            let payload = self.take_aside();
            into.push(record, payload.iter().copied());
            self.lanes.budget.give(size_of_val(payload.as_slice()));
        } else {
            self.take(record, length, into);
        }
        if head & OPEN != 0 {
            self.open = Some(from);
        }
        true
    }

    /// Reads the end that was written into the record read last; `false` where it is too new.
    fn read_end(&mut self, into: &mut RecordBuffer, until: u64) -> bool {
        let Some(open) = self.open else { return true };
        let Some(words) = self.header(open) else {
            return true;
        };
        if words[HEAD] & WHOLE == 0 {
            return true;
        }
        let (mut record, _) = Record::unpack(words);
        if record.at > until {
            return false;
        }
        self.read_to = record.at;
        record.kind += END_OF;
        self.take(record, (words[SITE] >> 32) as usize, into);
        self.open = None;
        true
    }

    /// Moves a record and the payload at the position.
    fn take(&mut self, record: Record, length: usize, into: &mut RecordBuffer) {
        let from = self.position;
        self.position += length;
        let slots = self
            .chunk
            .words
            .get(from..self.position)
            .unwrap_or_default();
        into.push(
            record,
            slots.iter().map(|slot| slot.load(Ordering::Relaxed)),
        );
    }

    /// Whether the thread is gone and all it wrote is read.
    pub(crate) fn is_finished(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
            && self.chunk.next.get().is_none()
            && self.position >= self.chunk.committed.load(Ordering::Acquire)
            && self
                .open
                .and_then(|open| self.header(open))
                .is_none_or(|words| words[HEAD] & WHOLE == 0)
    }

    fn header(&self, at: usize) -> Option<[u64; HEADER_WORDS]> {
        let slots = self.chunk.words.get(at..)?.first_chunk::<HEADER_WORDS>()?;
        let head = slots[HEAD].load(Ordering::Acquire);
        Some(std::array::from_fn(|i| match i {
            HEAD => head,
            _ => slots[i].load(Ordering::Relaxed),
        }))
    }

    fn take_aside(&self) -> Vec<u64> {
        self.shared
            .aside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
            .unwrap_or_default()
    }
}

impl Drop for LaneReader {
    fn drop(&mut self) {
        self.lanes.budget.give(CHUNK_BYTES);
    }
}
