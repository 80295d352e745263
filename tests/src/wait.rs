//! Waiting for something to become true.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long tests wait for what must happen: far more than it takes, so that a busy machine
/// fails no test.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Asks `condition` again and again until it gives a value. Panics with `what` when
/// [`DEADLINE`] has passed.
#[track_caller]
pub fn wait_until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_at_most(DEADLINE, what, condition)
}

/// The same, for what takes longer.
#[track_caller]
pub fn wait_at_most<T>(
    deadline: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let until = Instant::now() + deadline;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < until, "waited in vain: {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}
