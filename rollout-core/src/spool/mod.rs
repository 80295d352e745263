//! The spool: every event lands here before any network, and here it waits for its exporters.
//!
//! # On disk
//!
//! ```text
//! DIR/spool/.gitignore               "*"; in DIR too if it was made here, not if it was there before
//! DIR/spool/WRITER/lock              held exclusively while WRITER, one client, lives
//! DIR/spool/WRITER/keep              there if `local` is among WRITER's exporters
//! DIR/spool/WRITER/00000001.ndjson   segments, numbered from 1 in steps of 1000, oldest first
//! DIR/spool/WRITER/00001001.ndjson
//! DIR/spool/WRITER/http.cursor       how far the exporter `http` has come
//! ```
//!
//! - **Writer.** `20261121T012252.123456Z-PID-RANDOM`, its start in UTC first, so that names sort
//!   by time. Nobody but the owner of the lock writes below it: several processes share `DIR`.
//! - **Lock.** The operating system frees it when the process ends, however it ends. So a taken
//!   lock means "alive" (or its leavings are being sent), a free one "gone": its open spans will
//!   never end.
//! - **Segment.** The event objects of the ingest protocol, compact, one per line, each line
//!   ended by `\n`, in the order in which they were recorded. Only ever appended to. At 8 MiB (or
//!   an eighth of `max_spool_bytes` over all writers that live, if that is less) the next one
//!   begins. Numbers may have gaps.
//!   What follows the last `\n` is not there yet, or will never be, after a crash in mid-write.
//! - **Cursor.** `{"segment":1001,"offset":4096}`: all before that byte of that segment is handed
//!   over. Written to a temporary file and renamed. An exporter that resumes has one from the
//!   writer's start on; events of a writer without one were not meant for it.
//!   With `"held":{"segment":1,"offset":0}` beside, the exporter needs once more what follows that: the next
//!   process gives it to it again, marked as handed over before.
//! - **End.** A segment that every exporter has passed is removed, a writer's folder once it has
//!   no segment left, unless `local` is among its exporters, which keeps all. What a dead writer
//!   has not delivered is adopted, lock and all, by the next process with that exporter.
//! - **Bound.** At `max_spool_bytes`, the segments of all writers taken together, the oldest whole
//!   traces go, those of dead writers first, and what somebody was still to get of them is counted
//!   as lost; where a part of such a trace is elsewhere or yet to come, a line says how much is
//!   missing. Which and how exactly: see [`evict`] and [`writer::bound`](writer).
//! - **Damage.** Of a living writer's segment that somebody cuts or removes, what nobody had got is counted as lost and
//!   said in its traces. A dead writer's lines that are no JSON are left out, counted and, where their trace can be
//!   read, said; a segment that cannot be read stays.
//! - **Rewriting.** What stays of a segment of which something goes is written to a file beside it
//!   that is renamed to the next number (2, 1002, …) before the old file is removed.
//!
//! Writes reach the operating system at once, so that they survive the death of the process, but
//! they are not forced to the disk: after a power failure the last seconds may be missing.
//!
//! # In memory
//!
//! Where no disk can be written, or with `spool = "memory"`, segments are kept in memory and
//! bounded by `max_queue_bytes`. A disk that comes back is used again: what is in memory is
//! written out first. What is in memory at the end is lost, and counted.

mod backlog;
mod cursor;
pub(crate) mod damage;
mod dead;
mod evict;
mod folder;
mod line;
mod marks;
#[cfg(test)]
mod model;
#[cfg(test)]
mod model_bound;
mod others;
mod runs;
mod segment;
mod unsaid;
mod writer;

pub(crate) use self::backlog::{Backlog, adopt};
pub(crate) use self::folder::forked;
pub(crate) use self::line::{Line, MARK_PREFIX};
pub(crate) use self::runs::{Run, of as runs_of, push as push_run};
pub(crate) use self::writer::{Spool, SpoolOptions};
