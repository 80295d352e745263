//! One monotonic clock with one anchor to the wall.
//!
//! A caller reads *ticks* and nothing else: where the kernel itself keeps time by the processor's time stamp
//! counter (so it is constant, does not stop, and agrees between cores), a tick is one of its counts; elsewhere
//! it is a nanosecond of [`Instant`]. The worker turns ticks into wall-clock nanoseconds by interpolation between
//! two readings of both clocks, the first taken when the program was first traced and the second just now, so no
//! calibration ever delays a start, and the error stays that of one reading.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

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
#[derive(Clone, Copy)]
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

/// Turns ticks into time; taken anew by the worker at each drain.
#[derive(Clone, Copy)]
pub(crate) struct Wall {
    first_ticks: Ticks,
    epoch_nanos: u64,
    nanos_per_tick: f64,
}

impl Wall {
    /// The scale from the anchor to this moment.
    pub(crate) fn now() -> Self {
        let anchor = anchor();
        let last = Reading::take();
        let ticks = last.ticks.saturating_sub(anchor.first.ticks);
        let nanos = last.instant.duration_since(anchor.first.instant).as_nanos();
        Self {
            first_ticks: anchor.first.ticks,
            epoch_nanos: anchor.wall_nanos,
            nanos_per_tick: if ticks == 0 {
                1.0
            } else {
                nanos as f64 / ticks as f64
            },
        }
    }

    /// Nanoseconds since the Unix epoch at this tick.
    pub(crate) fn nanos(&self, ticks: Ticks) -> u64 {
        if ticks >= self.first_ticks {
            self.epoch_nanos + self.span(ticks - self.first_ticks)
        } else {
            self.epoch_nanos
                .saturating_sub(self.span(self.first_ticks - ticks))
        }
    }

    /// The nanoseconds that this many ticks took.
    pub(crate) fn span(&self, ticks: u64) -> u64 {
        (ticks as f64 * self.nanos_per_tick) as u64
    }
}
