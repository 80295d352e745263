//! One thread's chain of chunks, its writer and its reader.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Budget, HEADER_WORDS, Record, RecordBuffer};
use crate::stats::{Counters, DropReason};

/// Words of a chunk: 16 KiB, so 128 spans without payload, and little for a thread that records once.
const CHUNK_WORDS: usize = 2048;
const CHUNK_BYTES: usize = CHUNK_WORDS * 8;

/// A payload of more bytes than this rides beside the chunks, so that no record is larger than a chunk.
const INLINE_BYTES: usize = CHUNK_BYTES / 2;

/// Spare chunks that are kept for reuse: 4 MiB.
const POOL_CHUNKS: usize = 256;

struct Chunk {
    /// Words that are written and may be read. Moved by the producer only.
    committed: AtomicUsize,
    /// The chunk that follows, once this one is left.
    next: OnceLock<Arc<Chunk>>,
    words: [AtomicU64; CHUNK_WORDS],
}

impl Chunk {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            committed: AtomicUsize::new(0),
            next: OnceLock::new(),
            words: [const { AtomicU64::new(0) }; CHUNK_WORDS],
        })
    }
}

/// What the producer and the reader of a lane share.
#[derive(Default)]
struct Shared {
    /// Payloads over [`INLINE_BYTES`], in the order of their records.
    aside: Mutex<VecDeque<Vec<u8>>>,
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
            closed: AtomicBool::new(false),
        })
    }

    /// A lane for the calling thread, or nothing where the budget is spent.
    #[cold]
    pub(crate) fn open(self: &Arc<Self>) -> Option<Lane> {
        let chunk = self.chunk()?;
        let shared = Arc::new(Shared::default());
        self.new
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(LaneReader {
                lanes: Arc::clone(self),
                shared: Arc::clone(&shared),
                chunk: Arc::clone(&chunk),
                position: 0,
            });
        Some(Lane {
            lanes: Arc::clone(self),
            shared,
            chunk,
            position: 0,
        })
    }

    /// The readers of lanes opened since the last call.
    pub(crate) fn take_new(&self) -> Vec<LaneReader> {
        std::mem::take(&mut *self.new.lock().unwrap_or_else(PoisonError::into_inner))
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
            *free.committed.get_mut() = 0;
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
}

impl Lane {
    /// Appends a record. Returns whether it was taken; a refusal is counted.
    #[inline]
    pub(crate) fn push(&mut self, record: &Record, payload: &[u8]) -> bool {
        if payload.len() > INLINE_BYTES {
            return self.push_aside(record, payload);
        }
        let words = HEADER_WORDS + payload.len().div_ceil(8);
        if self.position + words > CHUNK_WORDS && !self.turn() {
            return false;
        }
        self.write(record.pack(payload.len() as u32, false), payload, words);
        true
    }

    #[inline]
    fn write(&mut self, header: [u64; HEADER_WORDS], payload: &[u8], words: usize) {
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
            let (whole, rest) = payload.as_chunks::<8>();
            for (slot, word) in body.iter().zip(whole) {
                slot.store(u64::from_le_bytes(*word), Ordering::Relaxed);
            }
            if let Some(slot) = body.get(whole.len()) {
                let mut word = [0; 8];
                word[..rest.len()].copy_from_slice(rest);
                slot.store(u64::from_le_bytes(word), Ordering::Relaxed);
            }
        }
        self.position = end;
        chunk.committed.store(end, Ordering::Release);
    }

    /// Leaves the chunk for a fresh one.
    #[cold]
    fn turn(&mut self) -> bool {
        if self.lanes.closed.load(Ordering::Relaxed) {
            self.lanes.counters.dropped(DropReason::AfterShutdown, 1);
            return false;
        }
        let Some(fresh) = self.lanes.chunk() else {
            self.lanes.counters.dropped(DropReason::QueueFull, 1);
            return false;
        };
        // Set once: only this thread chains, and it leaves the chunk right here.
        let _ = self.chunk.next.set(Arc::clone(&fresh));
        self.chunk = fresh;
        self.position = 0;
        true
    }

    #[cold]
    fn push_aside(&mut self, record: &Record, payload: &[u8]) -> bool {
        let taken = u32::try_from(payload.len()).is_ok() && self.lanes.budget.take(payload.len());
        if !taken {
            self.lanes.counters.dropped(DropReason::QueueFull, 1);
            return false;
        }
        if self.position + HEADER_WORDS > CHUNK_WORDS && !self.turn() {
            self.lanes.budget.give(payload.len());
            return false;
        }
        self.shared
            .aside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(payload.to_vec());
        self.write(record.pack(payload.len() as u32, true), &[], HEADER_WORDS);
        true
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
}

impl LaneReader {
    /// Moves what was written up to and including time `until` into `into`.
    /// Stops early once `into` holds `max_bytes`; returns whether it got to the end.
    pub(crate) fn read(&mut self, into: &mut RecordBuffer, until: u64, max_bytes: usize) -> bool {
        loop {
            let committed = self.chunk.committed.load(Ordering::Acquire);
            while self.position < committed {
                let Some(words) = self.header() else {
                    return true;
                };
                let (record, length, aside) = Record::unpack(words);
                if record.at > until {
                    return true;
                }
                if into.bytes() >= max_bytes {
                    return false;
                }
                self.position += HEADER_WORDS;
                if aside {
                    let payload = self.take_aside();
                    into.push(record, |bytes| bytes.extend_from_slice(&payload));
                    self.lanes.budget.give(payload.len());
                } else {
                    let from = self.position;
                    self.position += length.div_ceil(8);
                    let slots = &self.chunk.words[from..self.position];
                    into.push(record, |bytes| {
                        let end = bytes.len() + length;
                        for slot in slots {
                            bytes.extend_from_slice(&slot.load(Ordering::Relaxed).to_le_bytes());
                        }
                        bytes.truncate(end);
                    });
                }
            }
            // A producer that chained a next chunk wrote its last word here before it did.
            let Some(next) = self.chunk.next.get() else {
                return true;
            };
            if self.position < self.chunk.committed.load(Ordering::Acquire) {
                continue;
            }
            let next = Arc::clone(next);
            let read = std::mem::replace(&mut self.chunk, next);
            self.position = 0;
            self.lanes.recycle(read);
        }
    }

    /// Whether the thread is gone and all it wrote is read.
    pub(crate) fn is_finished(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
            && self.chunk.next.get().is_none()
            && self.position == self.chunk.committed.load(Ordering::Acquire)
    }

    fn header(&self) -> Option<[u64; HEADER_WORDS]> {
        let slots = self
            .chunk
            .words
            .get(self.position..)?
            .first_chunk::<HEADER_WORDS>()?;
        Some(std::array::from_fn(|i| slots[i].load(Ordering::Relaxed)))
    }

    fn take_aside(&self) -> Vec<u8> {
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
