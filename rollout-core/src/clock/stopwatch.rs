//! Laps by the fast clock.

use super::{Reading, now};

/// Laps by the fast clock, for those who take many.
#[derive(Debug)]
pub struct Stopwatch {
    start: Reading,
}

impl Stopwatch {
    /// One that runs from now.
    pub fn start() -> Self {
        Self {
            start: Reading::take(),
        }
    }

    /// Ticks since the start.
    #[inline]
    pub fn lap(&self) -> u64 {
        now().saturating_sub(self.start.ticks)
    }

    /// Nanoseconds that a tick takes, as it has been since the start: the better, the longer that is ago.
    pub fn scale(&self) -> f64 {
        let now = Reading::take();
        let nanos = now.running.saturating_sub(self.start.running);
        let ticks = now.ticks.saturating_sub(self.start.ticks).max(1);
        nanos as f64 / ticks as f64
    }
}
