//! How long to wait before the next attempt.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// The first wait, and what it doubles up to; each with up to as much again at random.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// The longest that another side's wish is honoured.
const LONGEST_WISH: Duration = Duration::from_hours(1);

/// Waits that grow from failure to failure.
#[derive(Debug)]
pub(super) struct BackOff(ExponentialBackoff);

impl BackOff {
    pub(super) fn new() -> Self {
        let waits = ExponentialBuilder::new()
            .with_min_delay(FIRST)
            .with_max_delay(LONGEST)
            .with_jitter()
            .without_max_times();
        Self(waits.build())
    }

    /// The next wait, at least as long as the other side asks for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let own = self.0.next().unwrap_or(LONGEST);
        asked.map_or(own, |asked| asked.min(LONGEST_WISH).max(own))
    }
}
