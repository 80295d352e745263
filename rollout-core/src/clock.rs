//! One monotonic clock with one anchor to the wall.
//!
//! A caller reads *ticks* and nothing else: where the kernel itself keeps time by the processor's time stamp
//! counter (so it is constant, does not stop, and agrees between cores), a tick is one of its counts; elsewhere
//! it is a nanosecond of [`Instant`]. The worker turns ticks into wall-clock nanoseconds by what it has read of all
//! clocks since the program was first traced ([`Wall`]), so no calibration ever delays a start.

mod line;
#[cfg(test)]
mod steps;
mod stopwatch;
mod wall;

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use stopwatch::Stopwatch;
pub(crate) use wall::Wall;

/// A reading of the fast clock. Only differences and a [`Wall`] give it meaning.
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

/// All clocks, read together.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: Ticks,
    /// Nanoseconds of [`Instant`] since the program was first traced. It never jumps; where the machine sleeps, it may
    /// stand still meanwhile.
    running: u64,
    /// Nanoseconds of the system's clock since the Unix epoch. Somebody may set it, forth or back.
    wall: u64,
}

static EPOCH: OnceLock<Instant> = OnceLock::new();
static FIRST: OnceLock<Reading> = OnceLock::new();

impl Reading {
    fn take() -> Self {
        let epoch = *EPOCH.get_or_init(Instant::now);
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            ticks: now(),
            running: nanos(epoch.elapsed()),
            wall: nanos(wall),
        }
    }

    /// The program's first.
    fn first() -> Self {
        *FIRST.get_or_init(Self::take)
    }
}

fn nanos(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Takes the first reading; called when a client starts, so that no tick is older than it.
pub(crate) fn start() {
    Reading::first();
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
    nanos(epoch.elapsed())
}
