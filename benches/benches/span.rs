//! The caller's side: what a span costs the thread that it is on, net of the bare function, beside fastrace and
//! `serde_json`, in one run. Prints the ratios at the end.
//!
//! What is measured is CPU time of the calling thread. Each round records a few trees of one root and a hundred
//! leaves; between rounds, off the clock, the queues are drained, so that nobody is measured while dropping.

use std::fmt;
use std::hint::black_box;
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cpu_time::ThreadTime;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion};
use serde::Serialize;

/// Leaves of a tree.
const LEAVES: u64 = 100;

/// Trees between two drains.
const TREES: u64 = 50;

struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = ThreadTime;
    type Value = Duration;

    fn start(&self) -> ThreadTime {
        ThreadTime::now()
    }

    fn end(&self, start: ThreadTime) -> Duration {
        start.elapsed()
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

#[inline(never)]
fn bare(n: u64) -> u64 {
    black_box(n)
}

#[rollout::span(capture_input = false, capture_output = false)]
fn root(leaves: impl FnOnce()) {
    leaves();
}

#[rollout::span(capture_input = false, capture_output = false)]
#[inline(never)]
fn leaf(n: u64) -> u64 {
    black_box(n)
}

#[fastrace::trace]
#[inline(never)]
fn fastrace_leaf(n: u64) -> u64 {
    black_box(n)
}

async fn bare_async(n: u64) -> u64 {
    black_box(n)
}

#[rollout::span(capture_input = false, capture_output = false)]
async fn leaf_async(n: u64) -> u64 {
    black_box(n)
}

#[fastrace::trace]
async fn fastrace_leaf_async(n: u64) -> u64 {
    black_box(n)
}

#[derive(Clone, Serialize)]
struct Order {
    id: u64,
    items: Vec<String>,
}

impl Order {
    /// Three short words.
    fn short() -> Self {
        Self {
            id: 4421,
            items: ["lamp", "cable", "bulb"].map(str::to_owned).to_vec(),
        }
    }

    /// Ten lines, as a tool's arguments have them.
    fn long() -> Self {
        let line = |n: u32| format!("{n} x desk lamp, brushed brass");
        Self {
            id: 4421,
            items: (1..=10).map(line).collect(),
        }
    }
}

#[rollout::span]
fn captured(text: &str, number: u64, order: &Order) -> Result<u64, fmt::Error> {
    let _ = (text, order);
    Ok(black_box(number))
}

/// The same values, as `serde_json` writes them into a buffer that is reused.
fn as_json(buffer: &mut Vec<u8>, text: &str, number: u64, order: &Order) -> serde_json::Result<()> {
    buffer.clear();
    serde_json::to_writer(&mut *buffer, text)?;
    serde_json::to_writer(&mut *buffer, &number)?;
    serde_json::to_writer(&mut *buffer, order)?;
    serde_json::to_writer(&mut *buffer, &black_box(number))?;
    black_box(buffer);
    Ok(())
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

fn repeat<R>(mut leaf: impl FnMut(u64) -> R) {
    for n in 0..LEAVES {
        black_box(leaf(n));
    }
}

async fn leaves<F: Future<Output = u64>>(leaf: impl Fn(u64) -> F) {
    for n in 0..LEAVES {
        black_box(leaf(n).await);
    }
}

fn fastrace_root(leaves: impl FnOnce()) {
    let root = fastrace::Span::root("root", fastrace::collector::SpanContext::random());
    let _guard = root.set_local_parent();
    leaves();
}

/// Measures trees, and drains between rounds.
fn trees(
    criterion: &mut Criterion<CpuTime>,
    group: &str,
    name: &str,
    mut tree: impl FnMut(),
    drain: impl Fn(),
) {
    let mut group = criterion.benchmark_group(group);
    group.throughput(criterion::Throughput::Elements(LEAVES));
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let round = left.min(TREES);
                let start = ThreadTime::now();
                for _ in 0..round {
                    tree();
                }
                spent += start.elapsed();
                drain();
                left -= round;
            }
            spent
        });
    });
    group.finish();
}

struct Counting;

impl fastrace::collector::Reporter for Counting {
    fn report(&mut self, spans: Vec<fastrace::collector::SpanRecord>) {
        black_box(spans.len());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let output = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/criterion");
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .output_directory(&output)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots();
    let c = &mut criterion;
    let nothing = || {};

    trees(c, "sync", "bare", || repeat(bare), nothing);
    trees(c, "async", "bare", || block_on(leaves(bare_async)), nothing);
    trees(c, "sync", "off", || repeat(leaf), nothing);
    trees(c, "async", "off", || block_on(leaves(leaf_async)), nothing);

    fastrace::set_reporter(Counting, fastrace::collector::Config::default());
    let client = rollout::builder()
        .spool(rollout::SpoolKind::Memory)
        .exporters([])
        .init()?;
    let drain = || drop(client.blocking_flush(Duration::from_secs(30)));

    trees(c, "sync", "rollout", || root(|| repeat(leaf)), drain);
    let fastrace_tree = || fastrace_root(|| repeat(fastrace_leaf));
    trees(c, "sync", "fastrace", fastrace_tree, fastrace::flush);
    trees(
        c,
        "async",
        "rollout",
        || root(|| block_on(leaves(leaf_async))),
        drain,
    );
    trees(
        c,
        "async",
        "fastrace",
        || fastrace_root(|| block_on(leaves(fastrace_leaf_async))),
        fastrace::flush,
    );

    let text = "x".repeat(64);
    for (group, order) in [("capture", Order::short()), ("capture_list", Order::long())] {
        let call = || root(|| repeat(|n| captured(&text, n, &order)));
        trees(c, group, "rollout", call, drain);
        let mut buffer = Vec::new();
        let json = || repeat(|n| as_json(&mut buffer, &text, n, &order));
        trees(c, group, "serde_json", json, nothing);
    }

    ratios(&output)
}

/// Nanoseconds of one leaf: the median of what Criterion has just written.
fn median(output: &std::path::Path, name: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(output.join(name).join("new/estimates.json"))?;
    let estimates: serde_json::Value = serde_json::from_str(&text)?;
    let nanos = estimates["median"]["point_estimate"].as_f64();
    Ok(nanos.ok_or("estimates.json has no median")? / LEAVES as f64)
}

#[expect(clippy::print_stdout, reason = "what the program is for")]
fn ratios(output: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let net = |group: &str, name: &str| -> Result<f64, Box<dyn std::error::Error>> {
        let bare = if group == "async" { group } else { "sync" };
        Ok(median(output, &format!("{group}/{name}"))? - median(output, &format!("{bare}/bare"))?)
    };
    println!("\nper span on its own thread, net of the bare function:");
    for (what, group, ours, theirs) in [
        ("sync span", "sync", "rollout", "fastrace"),
        ("async span", "async", "rollout", "fastrace"),
        ("with capture", "capture", "rollout", "serde_json"),
        ("with a list", "capture_list", "rollout", "serde_json"),
    ] {
        let (a, b) = (net(group, ours)?, net(group, theirs)?);
        println!(
            "  {what:18} {a:7.1} ns  {theirs} {b:7.1} ns  ratio {:.2}",
            a / b
        );
    }
    for group in ["sync", "async"] {
        println!(
            "  {:18} {:7.1} ns",
            format!("off, {group}"),
            net(group, "off")?
        );
    }
    Ok(())
}
