//! What has come of an answer, kept for the worker at little cost to the thread that reads it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rollout_core::private::Stopwatch;

/// Bytes of an answer that are kept for reading. What comes behind them passes unread.
const MOST_BYTES: usize = 8 << 20;

/// A chunk of fewer bytes is copied: that is cheaper than to share it, and leaves the HTTP client its buffer.
const COPIED_BYTES: usize = 1024;

/// Room for chunks that are copied, in bytes.
const ROOM_BYTES: usize = 8 * 1024;

/// Chunks that come within so many ticks, which is some microseconds, have come at one time.
const GRAIN: u64 = 1 << 14;

/// The bytes of an answer in the order in which they came.
#[derive(Debug)]
pub(super) struct Received {
    watch: Stopwatch,
    /// What is no longer added to.
    sealed: Vec<Bytes>,
    /// Copied chunks behind that.
    open: BytesMut,
    bytes: usize,
    chunks: usize,
    /// Up to which byte there was what, at which tick.
    laps: Vec<(usize, u64)>,
}

/// What has come, to be read elsewhere.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) pieces: Vec<Bytes>,
    pub(super) bytes: usize,
    laps: Vec<(usize, u64)>,
    /// Nanoseconds in a tick.
    scale: f64,
}

impl Kept {
    /// Up to which byte there was what, how long after the request.
    pub(super) fn times(&self) -> Vec<(usize, Duration)> {
        let after = |lap: u64| Duration::from_nanos((lap as f64 * self.scale) as u64);
        let laps = self.laps.iter();
        laps.map(|(end, lap)| (*end, after(*lap))).collect()
    }
}

impl Received {
    /// Nothing yet; times are told from here.
    pub(super) fn new() -> Self {
        Self {
            watch: Stopwatch::start(),
            sealed: Vec::new(),
            open: BytesMut::new(),
            bytes: 0,
            chunks: 0,
            laps: Vec::new(),
        }
    }

    /// One chunk more; the tick at which it came, if it was kept.
    pub(super) fn add(&mut self, chunk: &Bytes) -> Option<u64> {
        if chunk.is_empty() || self.bytes >= MOST_BYTES {
            return None;
        }
        self.bytes += chunk.len();
        self.chunks += 1;
        if chunk.len() < COPIED_BYTES {
            if self.open.capacity() - self.open.len() < chunk.len() {
                self.make_room();
            }
            self.open.extend_from_slice(chunk);
        } else {
            self.seal();
            self.sealed.push(chunk.clone());
        }
        let lap = self.watch.lap();
        match self.laps.last_mut() {
            Some((end, came)) if lap.saturating_sub(*came) < GRAIN => *end = self.bytes,
            _ => self.laps.push((self.bytes, lap)),
        }
        Some(lap)
    }

    /// Blocks of one size, because one that grows is copied as it does.
    #[cold]
    fn make_room(&mut self) {
        self.seal();
        self.open = BytesMut::with_capacity(ROOM_BYTES);
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.sealed.push(self.open.split().freeze());
        }
    }

    /// How many chunks have come.
    pub(super) fn chunks(&self) -> usize {
        self.chunks
    }

    /// About how many ticks take so long.
    pub(super) fn ticks(&self, time: Duration) -> u64 {
        (time.as_nanos() as f64 / self.watch.scale().max(f64::MIN_POSITIVE)) as u64
    }

    /// The pieces from one on, and how many there are then.
    pub(super) fn pieces_from(&mut self, first: usize) -> (Vec<Bytes>, usize) {
        self.seal();
        let pieces = self.sealed.get(first..).unwrap_or_default();
        (pieces.to_vec(), self.sealed.len())
    }

    /// All there is.
    pub(super) fn take(&mut self) -> Kept {
        self.seal();
        Kept {
            pieces: std::mem::take(&mut self.sealed),
            bytes: std::mem::take(&mut self.bytes),
            laps: std::mem::take(&mut self.laps),
            scale: self.watch.scale(),
        }
    }

    /// The end of what came, of at least so many bytes, where there are.
    pub(super) fn last_bytes(&self, least: usize) -> Vec<u8> {
        let pieces = || self.sealed.iter().map(|piece| &piece[..]);
        let mut bytes = self.open.len();
        let first = if bytes >= least {
            self.sealed.len()
        } else {
            let first = pieces().rposition(|piece| {
                bytes += piece.len();
                bytes >= least
            });
            first.unwrap_or(0)
        };
        let last = pieces().skip(first).chain([&self.open[..]]);
        last.flat_map(|piece| piece.iter().copied()).collect()
    }
}
