//! `logfire`: its spans, over `tracing` and its own version of OpenTelemetry.

use std::hint::black_box;

use logfire_sdk::error::OTelSdkResult;
use logfire_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter};
use tracing::Instrument as _;

use super::shape::{Answer, Order, Values, json, ten_deep};
use super::{Counted, Functions, Mode};

pub(super) struct Logfire {
    logfire: logfire::Logfire,
    counted: Counted,
}

#[derive(Debug)]
struct Counting(Counted);

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.add(batch.len());
        Ok(())
    }
}

impl Logfire {
    /// It has no setting for sampling; off, it is `tracing` over nothing.
    pub(super) fn start(mode: Mode, room: usize, counted: Counted) -> Option<Self> {
        if mode != Mode::On {
            return None;
        }
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(room)
            .build();
        let processor = BatchSpanProcessor::builder(Counting(counted.clone()))
            .with_batch_config(config)
            .build();
        let logfire = logfire::configure()
            .send_to_logfire(false)
            .with_additional_span_processor(processor)
            .finish()
            .unwrap();
        Some(Self { logfire, counted })
    }
}

#[inline(never)]
fn leaf(n: u64) -> u64 {
    logfire::span!("leaf").in_scope(|| black_box(n))
}

async fn spanned(future: impl Future<Output = u64>) -> u64 {
    future.instrument(logfire::span!("deep")).await
}

async fn leaf_async(n: u64) -> u64 {
    spanned(async { black_box(n) }).await
}

ten_deep!(spanned);

#[inline(never)]
fn captured(text: &str, number: u64, order: &Order) -> Answer {
    let span = logfire::span!(
        "captured",
        text = json(text),
        number = json(&number),
        order = json(order),
        output = tracing::field::Empty
    );
    span.in_scope(|| {
        let answer = black_box(number);
        span.record("output", json(&answer));
        Ok(answer)
    })
}

impl Functions for Logfire {
    fn root(&self, leaves: impl FnOnce()) {
        logfire::span!("root").in_scope(leaves);
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
        self.logfire.force_flush().unwrap();
    }

    fn counted(&self) -> u64 {
        self.counted.get()
    }

    fn expected(&self, leaves: u64) -> u64 {
        leaves + 1
    }
}
