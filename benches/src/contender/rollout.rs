//! `rollout`: annotated functions, a spool in memory, and an exporter that counts events, or a processor that counts
//! spans.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rollout::{
    Batch, Builder, ExportFuture, Exporter, InitGuard, Receipt, SpanData, SpanProcessor, SpoolKind,
};
use serde::{Deserialize, Serialize};

use super::shape::{Answer, Order, Values, ten_deep};
use super::{Functions, Mode};

/// Longer than any drain takes.
const DRAIN: Duration = Duration::from_mins(5);

pub(super) struct Rollout {
    guard: Option<InitGuard>,
    counted: Counting,
    sampled: bool,
}

impl Rollout {
    pub(super) fn start(mode: Mode) -> Self {
        let counted = Counting::default();
        let rate = if mode == Mode::Unsampled { 0.0 } else { 1.0 };
        let builder = recording(&counted, Sink::Exporter).sample_rate(rate);
        Self {
            guard: (mode != Mode::Off).then(|| builder.init().unwrap()),
            counted,
            sampled: mode == Mode::On,
        }
    }
}

/// Who counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sink {
    /// An exporter, which gets events as JSON.
    Exporter,
    /// A span processor, which gets spans before they are put in words.
    Processor,
}

/// A client that counts what it records, with all bounds as they are by default.
pub fn recording(counted: &Counting, sink: Sink) -> Builder {
    let builder = rollout::builder().spool(SpoolKind::Memory).exporters([]);
    match sink {
        Sink::Exporter => builder.exporter(Box::new(counted.clone())),
        Sink::Processor => builder.span_processor(counted.clone()),
    }
}

/// Counts events or spans and looks at nothing else. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Counting(Arc<AtomicU64>);

impl Counting {
    /// Events or spans so far.
    pub fn seen(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Exporter for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        self.0.fetch_add(batch.len() as u64, Relaxed);
        Box::pin(std::future::ready(Ok(Receipt::all())))
    }
}

impl SpanProcessor for Counting {
    fn on_end(&mut self, span: &SpanData<'_>) {
        black_box(span);
        self.0.fetch_add(1, Relaxed);
    }
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

#[rollout::span(capture_input = false, capture_output = false)]
async fn leaf_async(n: u64) -> u64 {
    black_box(n)
}

ten_deep!(#[rollout::span(capture_input = false, capture_output = false)]);

#[rollout::span]
#[inline(never)]
fn captured(text: &str, number: u64, order: &Order) -> Answer {
    black_box((text, order));
    Ok(black_box(number))
}

impl Functions for Rollout {
    fn root(&self, leaves: impl FnOnce()) {
        root(leaves);
    }

    fn leaf(n: u64) -> u64 {
        leaf(n)
    }

    fn leaf_async(n: u64) -> impl Future<Output = u64> {
        leaf_async(n)
    }

    fn deep(n: u64) -> impl Future<Output = u64> {
        deep(n)
    }

    fn captured(values: &Values, long: bool, n: u64) -> Answer {
        captured(&values.text, n, values.order(long))
    }

    fn drain(&self) {
        if let Some(guard) = &self.guard {
            let _ = guard.blocking_flush(DRAIN);
        }
    }

    fn counted(&self) -> u64 {
        self.counted.seen()
    }

    /// A start and an end of the trace and of each span.
    fn expected(&self, leaves: u64) -> u64 {
        if self.sampled { 2 * (leaves + 2) } else { 0 }
    }
}
