//! From the caller's thread to the worker: one bounded, wait-free queue per thread.
//!
//! A thread writes *records* into its [`Lane`]: a chain of fixed chunks, each an array of atomic words. One word of
//! a chunk, `committed`, says how far it is written; the producer alone moves it (release), the worker alone reads
//! behind it (acquire). A chunk that cannot take the next record is left behind and a fresh one, from the pool where
//! the worker returns what it has read, is chained to it. Nothing is ever waited for, and in the steady state
//! nothing is allocated. All of it is safe code: a relaxed store of a word is a plain move on every processor
//! that Rust has atomics for.
//!
//! The last record of a lane may be *open*: if what it began ends before anything else is recorded, the end is written
//! into the same record. The reader that has read the beginning already looks at that record again.
//!
//! All chunks of a client together are bounded in bytes ([`Budget`]); what does not fit is counted by its reason and
//! dropped. The queue knows nothing of spans: a record is eight words of header and some bytes.

mod budget;
mod lane;
mod record;

use budget::Budget;
pub(crate) use lane::{END_OF, Lane, LaneReader, Lanes};
use record::HEADER_WORDS;
pub(crate) use record::{Record, RecordBuffer, TWO_EVENTS};
