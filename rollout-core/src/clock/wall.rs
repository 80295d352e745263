//! Ticks into time.
//!
//! Two clocks are kept apart. How long something took is told by the steady one, which runs while the program runs and
//! which nobody sets ([`Wall::running`]). When it was is that plus how far the system's clock is ahead of it
//! ([`Wall::nanos`]). That changes in steps: forth when a laptop wakes up, back and forth when somebody sets the clock.
//! A step forth is followed at once. One back is followed by traces that begin after it; one that runs keeps the time
//! it has, so that nothing in it ends before it began.

use super::line::{Line, Ticked};
use super::{Reading, Ticks};

/// The system's clock must be off by more than this, so that what is only adjusted is no step.
const STEP: u64 = 1_000_000_000;

/// Steps that are remembered.
const MOST_STEPS: usize = 256;

/// Turns ticks into time.
#[derive(Debug)]
pub(crate) struct Wall {
    line: Line,
    /// From which tick on the system's clock is how far ahead.
    steps: Vec<(Ticks, u64)>,
    last: Ticks,
}

impl Wall {
    /// From the program's first reading on.
    pub(crate) fn new() -> Self {
        Self::from(Reading::first())
    }

    pub(super) fn from(first: Reading) -> Self {
        Self {
            line: Line::new(first),
            steps: vec![(0, first.wall.saturating_sub(first.running))],
            last: first.ticks,
        }
    }

    /// Looks at all clocks; to be called before the ticks of now are asked for. Returns `false` if ticks have gone
    /// back, so that those from before mean nothing.
    pub(crate) fn advance(&mut self) -> bool {
        self.read(Reading::take())
    }

    pub(super) fn read(&mut self, now: Reading) -> bool {
        let ticked = self.line.advance(now);
        let last = std::mem::replace(&mut self.last, now.ticks);
        let ahead = now.wall.saturating_sub(now.running);
        let known = self.steps.last().map_or(0, |(_, ahead)| *ahead);
        if ticked == Ticked::Back {
            self.steps = vec![(0, ahead)];
            return false;
        }
        if known.abs_diff(ahead) > STEP {
            if self.steps.len() >= MOST_STEPS {
                self.steps.remove(0);
            }
            // It was somewhere between the last look and now.
            self.steps.push((last + 1, ahead));
        }
        true
    }

    /// Nanoseconds since the Unix epoch at this tick, for something that has begun at `since`.
    pub(crate) fn nanos(&self, since: Ticks, ticks: Ticks) -> u64 {
        self.times(since, ticks).0
    }

    /// The same, and nanoseconds that the program had [run](Self::running) by then.
    pub(crate) fn times(&self, since: Ticks, ticks: Ticks) -> (u64, u64) {
        let running = self.line.nanos(ticks);
        (running.saturating_add(self.ahead(since, ticks)), running)
    }

    /// How far the system's clock is ahead.
    fn ahead(&self, since: Ticks, ticks: Ticks) -> u64 {
        if let [(_, always)] = self.steps.as_slice() {
            return *always;
        }
        let at = |ticks| {
            self.steps
                .partition_point(|(from, _)| *from <= ticks)
                .max(1)
                - 1
        };
        let (from, to) = (at(since.min(ticks)), at(ticks));
        let ahead = self.steps[from..=to].iter().map(|(_, ahead)| *ahead).max();
        ahead.unwrap_or(0)
    }

    /// Nanoseconds that the program has run at this tick.
    pub(crate) fn running(&self, ticks: Ticks) -> u64 {
        self.line.nanos(ticks)
    }
}
