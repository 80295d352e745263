//! The API of OpenTelemetry, by hand: it has no attribute.

use std::hint::black_box;
use std::sync::OnceLock;

use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};

use super::shape::{Answer, Order, Values, json, ten_deep};
use super::{Counted, Functions, Mode};

pub(super) struct Opentelemetry {
    provider: Option<SdkTracerProvider>,
    counted: Counted,
    sampled: bool,
}

#[derive(Debug)]
struct Counting(Counted);

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.add(batch.len());
        Ok(())
    }
}

/// A provider with the batch processor, whose queue has room for a round.
pub(super) fn provider(mode: Mode, room: usize, counted: &Counted) -> SdkTracerProvider {
    let sampler = match mode {
        Mode::On => Sampler::AlwaysOn,
        Mode::Unsampled | Mode::Off => Sampler::AlwaysOff,
    };
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(room)
        .build();
    let processor = BatchSpanProcessor::builder(Counting(counted.clone()))
        .with_batch_config(config)
        .build();
    SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(sampler)
        .build()
}

impl Opentelemetry {
    pub(super) fn start(mode: Mode, room: usize, counted: Counted) -> Self {
        let provider = (mode != Mode::Off).then(|| provider(mode, room, &counted));
        if let Some(provider) = &provider {
            global::set_tracer_provider(provider.clone());
        }
        Self {
            provider,
            counted,
            sampled: mode == Mode::On,
        }
    }
}

/// The tracer, which programs keep.
fn tracer() -> &'static BoxedTracer {
    static TRACER: OnceLock<BoxedTracer> = OnceLock::new();
    TRACER.get_or_init(|| global::tracer("bench"))
}

#[inline(never)]
fn leaf(n: u64) -> u64 {
    tracer().in_span("leaf", |_| black_box(n))
}

async fn spanned(future: impl Future<Output = u64>) -> u64 {
    let span = tracer().start("deep");
    future.with_context(Context::current_with_span(span)).await
}

async fn leaf_async(n: u64) -> u64 {
    spanned(async { black_box(n) }).await
}

ten_deep!(spanned);

#[inline(never)]
fn captured(text: &str, number: u64, order: &Order) -> Answer {
    tracer().in_span("captured", |context| {
        let span = context.span();
        span.set_attribute(KeyValue::new("text", json(text)));
        span.set_attribute(KeyValue::new("number", json(&number)));
        span.set_attribute(KeyValue::new("order", json(order)));
        let answer = black_box(number);
        span.set_attribute(KeyValue::new("output", json(&answer)));
        Ok(answer)
    })
}

impl Functions for Opentelemetry {
    fn root(&self, leaves: impl FnOnce()) {
        tracer().in_span("root", |_| leaves());
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
        if let Some(provider) = &self.provider {
            provider.force_flush().unwrap();
        }
    }

    fn counted(&self) -> u64 {
        self.counted.get()
    }

    fn expected(&self, leaves: u64) -> u64 {
        if self.sampled { leaves + 1 } else { 0 }
    }
}
