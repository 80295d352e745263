//! Traces over time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Filter;

/// How many buckets a chart has at most.
pub const MAX_BUCKETS: u64 = 500;

/// Which traces are drawn over time, and how finely.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartQuery {
    /// What they must have. Its bounds in time are those of the chart; without one, the chart begins, or ends, with the
    /// first, or last, of the traces.
    pub filter: Filter,
    /// How many buckets, from 1 to [`MAX_BUCKETS`].
    pub buckets: u64,
    /// The moment that the filter's bounds in time are seen from.
    pub now: Timestamp,
}

/// Traces over time: by when they began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// When the first bucket begins; none without traces.
    pub from: Option<Timestamp>,
    /// When the last bucket ends.
    pub to: Option<Timestamp>,
    /// How long each bucket is, in milliseconds.
    pub bucket_ms: f64,
    /// All of them together.
    pub total: ChartBucket,
    /// The buckets in the order of time, those without traces included.
    pub buckets: Vec<ChartBucket>,
}

/// What some traces come to.
///
/// Latencies are those of the traces that have ended, by nearest rank, told by the middle of a step of a scale on which
/// each is at most 1/16 longer than the one before: within about 3 % of the exact one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChartBucket {
    /// How many traces.
    pub traces: u64,
    /// How many of them failed.
    pub errors: u64,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 95 of 100 took no longer.
    pub p95_ms: Option<f64>,
    /// 99 of 100 took no longer.
    pub p99_ms: Option<f64>,
    /// The tokens of all of their model calls.
    pub tokens: u64,
    /// What they cost, in US dollars, as far as that is known.
    pub cost_usd: Option<f64>,
}

/// The step of the scale of latencies that a duration in nanoseconds lies in: 16 to each power of two.
///
/// Whole numbers only, so that every store has the same.
pub const fn latency_step(nanoseconds: u64) -> u16 {
    if nanoseconds < 16 {
        return nanoseconds as u16;
    }
    let exponent = nanoseconds.ilog2();
    let sixteenth = (nanoseconds >> (exponent - 4)) & 15;
    (exponent as u16 - 3) * 16 + sixteenth as u16
}

/// The milliseconds in the middle of a step of the scale of latencies.
pub fn step_ms(step: u16) -> f64 {
    if step < 16 {
        return f64::from(step) / 1e6;
    }
    let width = 2_f64.powi(i32::from(step / 16) - 1);
    let low = f64::from(16 + step % 16) * width;
    (low + width / 2.0) / 1e6
}

/// The latency that the share `rank` (from 0 to 1) of all took no longer than, where `counts` says how many lie in which
/// step, in the order of the steps.
pub fn latency(counts: &[(u16, u64)], rank: f64) -> Option<f64> {
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let nth = ((all as f64 * rank).ceil() as u64).max(1);
    let mut seen = 0;
    let step = counts.iter().find(|(_, count)| {
        seen += count;
        seen >= nth
    });
    step.map(|(step, _)| step_ms(*step))
}
