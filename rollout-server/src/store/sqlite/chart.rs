//! Traces over time.

use rusqlite::Connection;

use super::{
    list::time,
    matcher::{Matcher, Outcome},
};
use crate::{
    query::{Chart, ChartBucket, ChartQuery, MAX_BUCKETS, latency, latency_step},
    store::StoreError,
};

/// Steps of the scale of latencies.
const STEPS: usize = latency_step(u64::MAX) as usize + 1;
/// Stands for the latency of a trace that has none.
const NONE: u16 = u16::MAX;

/// What a chart looks at of one trace.
struct Point {
    at: i64,
    tokens: u64,
    cost_usd: Option<f64>,
    step: u16,
    failed: bool,
}

/// A bucket in the making.
#[derive(Clone, Default)]
struct Bucket {
    traces: u64,
    errors: u64,
    /// How many lie in which step; empty until there is one.
    steps: Vec<u32>,
    tokens: u64,
    cost_usd: Option<f64>,
}

impl Bucket {
    fn add(&mut self, point: &Point) {
        self.traces += 1;
        self.errors += u64::from(point.failed);
        self.tokens = self.tokens.saturating_add(point.tokens);
        if point.step != NONE {
            self.steps.resize(STEPS, 0);
            self.steps[usize::from(point.step)] += 1;
        }
        if let Some(cost) = point.cost_usd {
            *self.cost_usd.get_or_insert(0.0) += cost;
        }
    }

    fn told(&self) -> ChartBucket {
        let steps = (0..).zip(&self.steps).filter(|(_, count)| **count > 0);
        let steps: Vec<_> = steps
            .map(|(step, count)| (step, u64::from(*count)))
            .collect();
        ChartBucket {
            traces: self.traces,
            errors: self.errors,
            p50_ms: latency(&steps, 0.5),
            p95_ms: latency(&steps, 0.95),
            p99_ms: latency(&steps, 0.99),
            tokens: self.tokens,
            cost_usd: self.cost_usd,
        }
    }
}

pub(super) fn chart(connection: &Connection, query: &ChartQuery) -> Result<Chart, StoreError> {
    let mut matcher = Matcher::of(connection, &query.filter, query.now)?;
    matcher.settle()?;
    let mut points = Vec::new();
    matcher.each(|facts| {
        if matcher.test(facts)? == Outcome::Yes {
            points.push(Point {
                at: facts.sort_at,
                tokens: facts.tokens(),
                cost_usd: facts.cost,
                step: facts.duration.map_or(NONE, latency_step),
                failed: facts.failed,
            });
        }
        Ok(())
    })?;
    let (from, to) = matcher.bounds;
    let from = from.or_else(|| points.iter().map(|point| point.at).min());
    let to = to.or_else(|| points.iter().map(|point| point.at.saturating_add(1)).max());
    let (Some(from), Some(to)) = (from, to) else {
        return Ok(Chart::default());
    };
    let count = query.buckets.clamp(1, MAX_BUCKETS).cast_signed();
    let width = (to.saturating_sub(from).max(1).saturating_add(count - 1)) / count;
    let mut buckets = vec![Bucket::default(); count as usize];
    let mut total = Bucket::default();
    for point in &points {
        let nth = (point.at.saturating_sub(from) / width).clamp(0, count - 1);
        buckets[nth as usize].add(point);
        total.add(point);
    }
    Ok(Chart {
        from: time(Some(from)),
        to: time(Some(from.saturating_add(width.saturating_mul(count)))),
        bucket_ms: width as f64 / 1e6,
        total: total.told(),
        buckets: buckets.iter().map(Bucket::told).collect(),
    })
}
