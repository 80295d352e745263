//! Ticks into nanoseconds that the program has run.

use super::{Reading, Ticks};

/// A line through knots. What lies before the last knot stays as it is, so that a span's start is the same time when
/// it starts and when it ends (but for spans of hours, whose knots were thinned out); from there on the line leads
/// back to what the steady clock says.
#[derive(Debug)]
pub(super) struct Line {
    knots: Vec<Knot>,
    /// When the last knot was tied.
    tied: u64,
    /// From where on the rate is measured.
    base: Reading,
    /// Whether it was measured yet.
    known: bool,
    last: Reading,
}

#[derive(Debug, Clone, Copy)]
struct Knot {
    ticks: Ticks,
    nanos: u64,
    nanos_per_tick: f64,
}

const SECOND: u64 = 1_000_000_000;

/// In the first second a knot is tied each time, while the rate gets known; then this often.
const TIE_EVERY: u64 = 10 * SECOND;

/// Knots that are kept; past this, every other one of the older half goes.
const MOST_KNOTS: usize = 1024;

/// Ticks that are off by more than this, and by more than an eighth of the time that has passed, have jumped: the
/// machine has slept, or was moved to another one.
const JUMP: f64 = 0.5e9;

/// What the ticks have done since the last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ticked {
    Steadily,
    /// They have gone back: what was read before means nothing any more.
    Back,
}

impl Line {
    /// A line from the program's first reading on. Its rate is known from the first [`Line::advance`] on.
    pub(super) fn new(first: Reading) -> Self {
        Self {
            knots: vec![Knot {
                ticks: first.ticks,
                nanos: first.running,
                nanos_per_tick: 1.0,
            }],
            tied: first.running,
            base: first,
            known: false,
            last: first,
        }
    }

    fn rate(&self) -> f64 {
        self.knots.last().map_or(1.0, |knot| knot.nanos_per_tick)
    }

    pub(super) fn advance(&mut self, now: Reading) -> Ticked {
        let last = std::mem::replace(&mut self.last, now);
        let passed = now.running.saturating_sub(last.running);
        let Some(ticks) = now.ticks.checked_sub(last.ticks) else {
            self.knots = vec![Knot {
                ticks: now.ticks,
                nanos: now.running,
                nanos_per_tick: self.rate(),
            }];
            self.begin_again(now);
            return Ticked::Back;
        };
        let rate = self.rate();
        let off = (ticks as f64 * rate - passed as f64).abs();
        if self.known && off > JUMP && off > passed as f64 / 8.0 {
            // Whatever was read before the jump was read at the last time; the rest, after it.
            let nanos = self.nanos(last.ticks);
            let after = now.ticks.saturating_sub((passed as f64 / rate) as u64);
            self.knots.push(Knot {
                ticks: last.ticks + 1,
                nanos,
                nanos_per_tick: 0.0,
            });
            self.knots.push(Knot {
                ticks: after.max(last.ticks + 1),
                nanos: nanos.max(now.running.saturating_sub(passed)),
                nanos_per_tick: rate,
            });
            self.begin_again(now);
            return Ticked::Steadily;
        }
        self.tie(now);
        Ticked::Steadily
    }

    fn begin_again(&mut self, now: Reading) {
        self.base = now;
        self.tied = now.running;
    }

    fn tie(&mut self, now: Reading) {
        let measured = now.running.saturating_sub(self.base.running);
        let due = !self.known
            || now.running < SECOND
            || now.running.saturating_sub(self.tied) >= TIE_EVERY;
        let ticks = now.ticks.saturating_sub(self.base.ticks);
        if !due || ticks == 0 || (self.known && measured == 0) {
            return;
        }
        let rate = measured as f64 / ticks as f64;
        if let (false, [only]) = (self.known, self.knots.as_mut_slice()) {
            only.nanos_per_tick = rate;
        }
        self.known = true;
        let nanos = self.nanos(now.ticks);
        // What the line is off by is made up for by the next knot, without ever standing still.
        let ticks_ahead = TIE_EVERY as f64 / rate;
        let correction = (now.running as f64 - nanos as f64) / ticks_ahead;
        if self.knots.len() >= MOST_KNOTS {
            let mut index = 0;
            self.knots.retain(|_| {
                index += 1;
                index > MOST_KNOTS / 2 || index % 2 == 1
            });
        }
        self.knots.push(Knot {
            ticks: now.ticks,
            nanos,
            nanos_per_tick: rate + correction.clamp(-rate / 2.0, rate / 2.0),
        });
        self.tied = now.running;
    }

    /// Nanoseconds since the program was first traced, at this tick.
    pub(super) fn nanos(&self, ticks: Ticks) -> u64 {
        // Mostly it is one of the last seconds.
        let knot = self.knots.last().filter(|knot| knot.ticks <= ticks);
        let before = || {
            let after = self.knots.partition_point(|knot| knot.ticks <= ticks);
            self.knots.get(after.saturating_sub(1))
        };
        let Some(knot) = knot.or_else(before) else {
            return 0;
        };
        let nanos = |ticks: u64| (ticks as f64 * knot.nanos_per_tick) as u64;
        match ticks.checked_sub(knot.ticks) {
            Some(ticks) => knot.nanos + nanos(ticks),
            None => knot.nanos.saturating_sub(nanos(knot.ticks - ticks)),
        }
    }
}
