//! What the queue is made of. `tests/loom` compiles the queue's source with a module of its own in this one's place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Words of a chunk: 16 KiB, so 128 spans without payload, and little for a thread that records once.
pub(crate) const CHUNK_WORDS: usize = 2048;
