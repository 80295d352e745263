//! One monotonic clock with one anchor to the wall.
//!
//! A caller reads *ticks* and nothing else: where the kernel itself keeps time by the processor's time stamp
//! counter (so it is constant, does not stop, and agrees between cores), a tick is one of its counts; elsewhere
//! it is a nanosecond of [`Instant`]. The worker turns ticks into wall-clock nanoseconds by what it has read of both
//! clocks since the program was first traced ([`Wall`]), so no calibration ever delays a start.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A reading of the fast clock. Only differences and [`Wall::nanos`] give it meaning.
pub(crate) type Ticks = u64;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod counter {
    use std::sync::atomic::{AtomicU8, Ordering};

    const UNKNOWN: u8 = 0;
    const TRUSTED: u8 = 1;
    const UNTRUSTED: u8 = 2;

    static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

    /// Whether the kernel trusts the counter enough to keep its own time by it.
    #[inline]
    pub(super) fn trusted() -> bool {
        match STATE.load(Ordering::Relaxed) {
            TRUSTED => true,
            UNTRUSTED => false,
            _ => look(),
        }
    }

    #[cold]
    fn look() -> bool {
        let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        let trusted = std::fs::read_to_string(source).is_ok_and(|s| s.trim() == "tsc");
        STATE.store(if trusted { TRUSTED } else { UNTRUSTED }, Ordering::Relaxed);
        trusted
    }

    /// Reads the counter: 10 ns where `Instant::now` takes 25 (measured, `benches/span.rs`).
    #[inline]
    #[expect(unsafe_code, reason = "the intrinsic is an unsafe fn")]
    pub(super) fn read() -> u64 {
        // SAFETY: RDTSC is part of every x86_64 processor, reads a register and touches no memory.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod counter {
    #[inline]
    pub(super) fn trusted() -> bool {
        false
    }

    #[inline]
    pub(super) fn read() -> u64 {
        0
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: Ticks,
    instant: Instant,
}

impl Reading {
    fn take() -> Self {
        Self {
            ticks: now(),
            instant: Instant::now(),
        }
    }
}

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
        let nanos = now.instant.saturating_duration_since(self.start.instant);
        let ticks = now.ticks.saturating_sub(self.start.ticks).max(1);
        nanos.as_nanos() as f64 / ticks as f64
    }
}

struct Anchor {
    first: Reading,
    wall_nanos: u64,
}

static EPOCH: OnceLock<Instant> = OnceLock::new();
static ANCHOR: OnceLock<Anchor> = OnceLock::new();

fn anchor() -> &'static Anchor {
    ANCHOR.get_or_init(|| {
        let first = Reading::take();
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Anchor {
            first,
            wall_nanos: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
        }
    })
}

/// Takes the anchor to the wall; called when a client starts, so that no tick is older than it.
pub(crate) fn start() {
    anchor();
}

/// The fast clock, now.
#[inline]
pub(crate) fn now() -> Ticks {
    if counter::trusted() {
        counter::read()
    } else {
        slow_now()
    }
}

#[cold]
fn slow_now() -> Ticks {
    let epoch = *EPOCH.get_or_init(Instant::now);
    u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Ticks into time: a line through knots. What lies before the last knot stays as it is, so that a span's start is the
/// same time when it starts and when it ends (but for spans of hours, whose knots were thinned out); from there on
/// the line leads back to what the system's clock says.
#[derive(Debug)]
pub(crate) struct Wall {
    knots: Vec<Knot>,
    /// When the last knot was tied.
    tied: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Knot {
    ticks: Ticks,
    nanos: u64,
    nanos_per_tick: f64,
}

/// In the first second a knot is tied each time, while the rate gets known; then this often.
const TIE_EVERY: Duration = Duration::from_secs(10);

/// Knots that are kept; past this, every other one of the older half goes.
const MOST_KNOTS: usize = 1024;

impl Wall {
    /// The line from the anchor on. Its rate is known from the first [`Wall::advance`] on.
    pub(crate) fn new() -> Self {
        let anchor = anchor();
        Self {
            knots: vec![Knot {
                ticks: anchor.first.ticks,
                nanos: anchor.wall_nanos,
                nanos_per_tick: 1.0,
            }],
            tied: anchor.first.instant,
        }
    }

    /// Looks at both clocks; to be called before the ticks of now are asked for.
    pub(crate) fn advance(&mut self) {
        let now = Reading::take();
        let anchor = anchor();
        let running = now.instant.duration_since(anchor.first.instant);
        // A client may start long after the anchor was taken.
        let unknown = self.knots.len() == 1;
        let due = unknown
            || running < Duration::from_secs(1)
            || now.instant.duration_since(self.tied) >= TIE_EVERY;
        let Some(rate) = rate(now).filter(|_| due) else {
            return;
        };
        if let [only] = self.knots.as_mut_slice() {
            only.nanos_per_tick = rate;
        }
        let nanos = self.nanos(now.ticks);
        let truth = anchor.wall_nanos as f64 + running.as_nanos() as f64;
        // What the line is off by is made up for by the next knot, without ever standing still.
        let ticks_ahead = TIE_EVERY.as_nanos() as f64 / rate;
        let correction = (truth - nanos as f64) / ticks_ahead;
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
        self.tied = now.instant;
    }

    /// Nanoseconds since the Unix epoch at this tick.
    pub(crate) fn nanos(&self, ticks: Ticks) -> u64 {
        let after = self.knots.partition_point(|knot| knot.ticks <= ticks);
        let Some(knot) = self.knots.get(after.saturating_sub(1)) else {
            return 0;
        };
        let nanos = |ticks: u64| (ticks as f64 * knot.nanos_per_tick) as u64;
        match ticks.checked_sub(knot.ticks) {
            Some(ticks) => knot.nanos + nanos(ticks),
            None => knot.nanos.saturating_sub(nanos(knot.ticks - ticks)),
        }
    }
}

/// Nanoseconds of a tick, from the anchor to this reading.
fn rate(now: Reading) -> Option<f64> {
    let first = anchor().first;
    let ticks = now
        .ticks
        .checked_sub(first.ticks)
        .filter(|ticks| *ticks > 0)?;
    let nanos = now.instant.duration_since(first.instant).as_nanos();
    Some(nanos as f64 / ticks as f64)
}
