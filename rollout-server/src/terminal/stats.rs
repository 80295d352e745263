//! What traces come to: numbers, how they went over time, and the most frequent names, statuses and models.

use std::io::{self, Write};

use super::paint::{BOLD, DIM, ERROR, Painted, plain};
use crate::{
    present,
    query::{Chart, ChartBucket},
};

/// What [`write_stats`] shows.
#[derive(Debug, Clone, Copy)]
pub struct StatsView<'a> {
    /// The traces over time.
    pub chart: &'a Chart,
    /// Under a heading each, values and what the traces of each come to.
    pub groups: &'a [(&'a str, Vec<(String, ChartBucket)>)],
}

/// A measure of a bucket; none where there was nothing to measure.
type Measure = fn(&ChartBucket) -> Option<f64>;

const MEASURES: [(&str, Measure, fn(f64) -> String); 7] = [
    ("traces", |bucket| some(bucket.traces), count),
    ("errors", |bucket| some(bucket.errors), count),
    ("p50", |bucket| bucket.p50_ms, present::duration),
    ("p95", |bucket| bucket.p95_ms, present::duration),
    ("p99", |bucket| bucket.p99_ms, present::duration),
    ("tokens", |bucket| some(bucket.tokens), count),
    ("cost", |bucket| bucket.cost_usd, present::cost),
];

fn some(count: u64) -> Option<f64> {
    (count > 0).then_some(count as f64)
}

fn count(n: f64) -> String {
    present::count(n as u64)
}

/// Writes the numbers with a sparkline each, then a table for each group, in lines of at most `width` characters, but no
/// less than 60.
pub fn write_stats(out: &mut dyn Write, view: &StatsView<'_>, width: usize) -> io::Result<()> {
    let width = width.max(60);
    let chart = view.chart;
    let (from, to) = (
        chart.from.map(present::moment),
        chart.to.map(present::moment),
    );
    let noun = if chart.total.traces == 1 {
        "trace"
    } else {
        "traces"
    };
    let head = format!("{} {noun}", present::count(chart.total.traces));
    let range = match (from, to) {
        (Some(from), Some(to)) => format!("  {from} to {to} UTC"),
        _ => String::new(),
    };
    writeln!(out, "{}{}", Painted(BOLD, head), Painted(DIM, range))?;
    writeln!(out)?;
    for (name, measure, words) in MEASURES {
        let total = measure(&chart.total);
        let mut value = total.map_or_else(|| "–".to_owned(), words);
        let failed = name == "errors" && total.is_some();
        if failed {
            let share = chart.total.errors as f64 / chart.total.traces.max(1) as f64 * 100.0;
            value = format!("{value} ({share:.1}%)");
        }
        let value = format!("{value:<16}");
        let value = if failed {
            Painted(ERROR, value).to_string()
        } else {
            value
        };
        let line = spark(&chart.buckets, measure);
        let line = format!("{}{value}{line}", Painted(DIM, format_args!("{name:<8}")));
        writeln!(out, "{}", line.trim_end())?;
    }
    if chart.buckets.len() > 1 {
        let each = format!(
            "{:24}each column is {}",
            "",
            present::duration(chart.bucket_ms)
        );
        writeln!(out, "{}", Painted(DIM, each))?;
    }
    for (title, values) in view.groups.iter().filter(|(_, values)| !values.is_empty()) {
        writeln!(out)?;
        group(out, title, values, width)?;
    }
    Ok(())
}

/// One block a bucket, as high as its measure beside the highest. Where nothing was measured there is a blank.
fn spark(buckets: &[ChartBucket], measure: Measure) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = buckets.iter().filter_map(measure).fold(0.0, f64::max);
    let blocks = buckets.iter().map(|bucket| match measure(bucket) {
        Some(value) if most > 0.0 => {
            let height = (value / most * 8.0).ceil() as usize;
            BLOCKS[height.clamp(1, 8) - 1]
        }
        _ => ' ',
    });
    blocks.collect()
}

fn group(
    out: &mut dyn Write,
    title: &str,
    values: &[(String, ChartBucket)],
    width: usize,
) -> io::Result<()> {
    // The columns of numbers are as wide as the widest number.
    let name = (width.min(100) - 52).max(8);
    let head = format!(
        "{title:<name$}{:>8}{:>8}{:>9}{:>9}{:>9}{:>9}",
        "TRACES", "ERRORS", "P50", "P95", "TOKENS", "COST",
    );
    writeln!(out, "{}", Painted(DIM, head))?;
    for (value, total) in values {
        let told = |value: Option<f64>, words: fn(f64) -> String| {
            value.map_or_else(|| "–".to_owned(), words)
        };
        let errors = format!("{:>8}", told(some(total.errors), count));
        let errors = match total.errors {
            0 => Painted(DIM, errors),
            _ => Painted(ERROR, errors),
        };
        writeln!(
            out,
            "{:<name$}{:>8}{errors}{:>9}{:>9}{:>9}{:>9}",
            plain(value, name - 1),
            present::count(total.traces),
            told(total.p50_ms, present::duration),
            told(total.p95_ms, present::duration),
            told(some(total.tokens), count),
            told(total.cost_usd, present::cost),
        )?;
    }
    Ok(())
}
