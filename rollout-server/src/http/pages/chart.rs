//! Traces over time, drawn as small charts that stand side by side.

use std::fmt::Write as _;

use super::facts::Moment;
use crate::{
    present,
    query::{Chart, ChartBucket},
};

/// How finely lists draw.
pub(super) const BUCKETS: u64 = 60;

/// Where the most of a chart is drawn, in a box of 100 units of height: above it stands how much that is.
const TOP: f64 = 24.0;

/// The charts of one list. All share their axis of time.
pub(super) struct ChartView {
    /// None where there is nothing to draw.
    pub(super) from: Option<Moment>,
    pub(super) to: Option<Moment>,
    pub(super) bucket_ms: f64,
    /// The right end of the drawings: ten units a bucket.
    pub(super) width: usize,
    pub(super) buckets: usize,
    pub(super) plots: [Plot; 4],
    /// The buckets with traces, as a table.
    pub(super) rows: Vec<Numbers>,
    pub(super) total: Numbers,
}

/// One chart.
pub(super) struct Plot {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What all buckets come to, and more about it.
    pub(super) value: String,
    pub(super) more: String,
    /// What the upper edge stands for.
    pub(super) peak: String,
    /// What there is to see, in words.
    pub(super) summary: String,
    pub(super) shapes: Vec<Shape>,
}

/// Something that is drawn, in a box of 100 units of height.
pub(super) struct Shape {
    pub(super) class: &'static str,
    pub(super) path: String,
}

/// A bucket in words.
pub(super) struct Numbers {
    pub(super) index: usize,
    /// What can be added up, for scripts: traces, errors, tokens and, where it is known, the cost.
    pub(super) sums: String,
    pub(super) at: Option<Moment>,
    pub(super) traces: String,
    pub(super) errors: String,
    pub(super) p50: String,
    pub(super) p95: String,
    pub(super) p99: String,
    pub(super) tokens: String,
    pub(super) cost: String,
}

impl Numbers {
    fn of(bucket: &ChartBucket, index: usize, at: Option<Moment>) -> Self {
        let latency = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), present::duration);
        Self {
            index,
            sums: format!(
                "{} {} {} {}",
                bucket.traces,
                bucket.errors,
                bucket.tokens,
                bucket
                    .cost_usd
                    .map(|usd| usd.to_string())
                    .unwrap_or_default()
            ),
            at,
            traces: present::count(bucket.traces),
            errors: present::count(bucket.errors),
            p50: latency(bucket.p50_ms),
            p95: latency(bucket.p95_ms),
            p99: latency(bucket.p99_ms),
            tokens: present::count(bucket.tokens),
            cost: bucket
                .cost_usd
                .map_or_else(|| "–".to_owned(), present::cost),
        }
    }
}

impl ChartView {
    pub(super) fn of(chart: &Chart) -> Self {
        let buckets = &chart.buckets;
        let at = |index: usize| {
            let ms = (chart.bucket_ms * index as f64) as i64;
            let at = chart
                .from?
                .checked_add(jiff::SignedDuration::from_millis(ms));
            Some(Moment::of(at.ok()?))
        };
        let rows = buckets
            .iter()
            .enumerate()
            .filter(|(_, bucket)| bucket.traces > 0)
            .map(|(index, bucket)| Numbers::of(bucket, index, at(index)));
        let total = Numbers::of(&chart.total, 0, None);
        Self {
            from: chart.from.map(Moment::of),
            to: chart.to.map(Moment::of),
            bucket_ms: chart.bucket_ms,
            width: buckets.len().max(1) * 10,
            buckets: buckets.len(),
            plots: [
                traces(chart, &total),
                latency(chart, &total),
                tokens(chart, &total),
                cost(chart, &total),
            ],
            rows: rows.collect(),
            total,
        }
    }
}

fn peak(buckets: &[ChartBucket], of: impl Fn(&ChartBucket) -> Option<f64>) -> f64 {
    buckets.iter().filter_map(of).fold(0.0, f64::max)
}

/// What stands at the upper edge; nothing, where there is nothing.
fn most_of(most: f64) -> String {
    if most > 0.0 {
        present::count(most as u64)
    } else {
        String::new()
    }
}

/// How long a bucket is, in words.
fn each(chart: &Chart) -> String {
    format!("in {}", present::duration(chart.bucket_ms))
}

fn traces(chart: &Chart, total: &Numbers) -> Plot {
    let most = peak(&chart.buckets, |bucket| Some(bucket.traces as f64));
    let well = bars(&chart.buckets, most, |bucket| {
        (bucket.errors as f64, bucket.traces as f64)
    });
    let failed = bars(&chart.buckets, most, |bucket| (0.0, bucket.errors as f64));
    Plot {
        name: "traces",
        title: "Traces",
        value: total.traces.clone(),
        more: if chart.total.errors > 0 {
            format!("{} failed", total.errors)
        } else {
            String::new()
        },
        peak: most_of(most),
        summary: format!(
            "Traces over time: {}, of which {} failed; at most {} {}",
            total.traces,
            total.errors,
            present::count(most as u64),
            each(chart)
        ),
        shapes: vec![
            Shape {
                class: "bar",
                path: well,
            },
            Shape {
                class: "bar failed",
                path: failed,
            },
        ],
    }
}

fn latency(chart: &Chart, total: &Numbers) -> Plot {
    let longest = peak(&chart.buckets, |bucket| bucket.p99_ms);
    let line = |class, of: fn(&ChartBucket) -> Option<f64>| Shape {
        class,
        path: steps(&chart.buckets, longest, of),
    };
    let none = chart.total.p50_ms.is_none();
    Plot {
        name: "latency",
        title: "Latency",
        value: format!("p50 {}", total.p50),
        more: format!("p95 {}  p99 {}", total.p95, total.p99),
        peak: if none {
            String::new()
        } else {
            present::duration(longest)
        },
        summary: if none {
            "Latency over time: no trace has ended".to_owned()
        } else {
            format!(
                "Latency over time: half of the traces within {}, 95 of 100 within {}, 99 of 100 within {}",
                total.p50, total.p95, total.p99
            )
        },
        shapes: vec![
            line("line p99", |bucket| bucket.p99_ms),
            line("line p95", |bucket| bucket.p95_ms),
            line("line p50", |bucket| bucket.p50_ms),
        ],
    }
}

fn tokens(chart: &Chart, total: &Numbers) -> Plot {
    let most = peak(&chart.buckets, |bucket| Some(bucket.tokens as f64));
    Plot {
        name: "tokens",
        title: "Tokens",
        value: total.tokens.clone(),
        more: String::new(),
        peak: most_of(most),
        summary: format!(
            "Tokens over time: {}; at most {} {}",
            total.tokens,
            present::count(most as u64),
            each(chart)
        ),
        shapes: vec![Shape {
            class: "bar",
            path: bars(&chart.buckets, most, |bucket| (0.0, bucket.tokens as f64)),
        }],
    }
}

fn cost(chart: &Chart, total: &Numbers) -> Plot {
    let most = peak(&chart.buckets, |bucket| bucket.cost_usd);
    let unpriced = chart.total.cost_usd.is_none();
    Plot {
        name: "cost",
        title: "Cost",
        value: total.cost.clone(),
        more: String::new(),
        peak: if unpriced {
            String::new()
        } else {
            present::cost(most)
        },
        summary: if unpriced {
            "Cost over time: not known".to_owned()
        } else {
            format!(
                "Cost over time: {}; at most {} {}",
                total.cost,
                present::cost(most),
                each(chart)
            )
        },
        shapes: vec![Shape {
            class: "bar",
            path: bars(&chart.buckets, most, |bucket| {
                (0.0, bucket.cost_usd.unwrap_or(0.0))
            }),
        }],
    }
}

/// Where a part of the most is drawn.
fn height(part: f64) -> f64 {
    100.0 - part * (100.0 - TOP)
}

/// Bars from one height to another. What is not nothing is seen.
fn bars(buckets: &[ChartBucket], most: f64, of: impl Fn(&ChartBucket) -> (f64, f64)) -> String {
    let mut path = String::new();
    for (index, bucket) in buckets.iter().enumerate() {
        let (from, to) = of(bucket);
        if to <= from || most <= 0.0 {
            continue;
        }
        let bottom = height(from / most);
        let top = height(to / most).min(bottom - 3.0);
        let _ = write!(
            path,
            "M{} {bottom:.1}V{top:.1}h8V{bottom:.1}z",
            index * 10 + 1
        );
    }
    path
}

/// A line of steps, with gaps where nothing is known.
fn steps(buckets: &[ChartBucket], most: f64, of: impl Fn(&ChartBucket) -> Option<f64>) -> String {
    let mut path = String::new();
    let mut goes_on = false;
    for (index, bucket) in buckets.iter().enumerate() {
        let Some(value) = of(bucket).filter(|_| most > 0.0) else {
            goes_on = false;
            continue;
        };
        let y = height(value / most) - 1.0;
        let _ = if goes_on {
            write!(path, "V{y:.1}h10")
        } else {
            write!(path, "M{} {y:.1}h10", index * 10)
        };
        goes_on = true;
    }
    path
}
