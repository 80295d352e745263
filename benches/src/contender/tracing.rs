//! `tracing`: annotated functions, over the bare registry, and over `tracing-opentelemetry`.

use std::hint::black_box;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::field::Empty;
use tracing::{Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::shape::{Answer, Order, Values, json, ten_deep};
use super::{Counted, Functions, Mode, opentelemetry as otel};

pub(super) struct Tracing {
    provider: Option<SdkTracerProvider>,
    counted: Counted,
    sampled: bool,
}

/// The least that can be done with a registry: it counts spans that close.
struct Counting(Counted);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Counting {
    fn on_close(&self, _: tracing::span::Id, _: Context<'_, S>) {
        self.0.add(1);
    }
}

impl Tracing {
    /// Over the bare registry, which knows no sampling.
    pub(super) fn bare(mode: Mode, counted: Counted) -> Option<Self> {
        match mode {
            Mode::On => install(Counting(counted.clone())),
            Mode::Unsampled => return None,
            Mode::Off => {}
        }
        Some(Self {
            provider: None,
            counted,
            sampled: mode == Mode::On,
        })
    }

    /// Over `tracing-opentelemetry`; off, that is the same as over nothing.
    pub(super) fn opentelemetry(mode: Mode, room: usize, counted: Counted) -> Option<Self> {
        if mode == Mode::Off {
            return None;
        }
        let provider = otel::provider(mode, room, &counted);
        install(tracing_opentelemetry::layer().with_tracer(provider.tracer("bench")));
        Some(Self {
            provider: Some(provider),
            counted,
            sampled: mode == Mode::On,
        })
    }
}

fn install(layer: impl Layer<tracing_subscriber::Registry> + Send + Sync) {
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).unwrap();
}

#[tracing::instrument(skip_all)]
fn root(leaves: impl FnOnce()) {
    leaves();
}

#[tracing::instrument(skip_all)]
#[inline(never)]
fn leaf(n: u64) -> u64 {
    black_box(n)
}

#[tracing::instrument(skip_all)]
async fn leaf_async(n: u64) -> u64 {
    black_box(n)
}

ten_deep!(#[tracing::instrument(skip_all)]);

#[tracing::instrument(skip_all, fields(text = json(text), number = json(&number), order = json(order), output = Empty))]
#[inline(never)]
fn captured(text: &str, number: u64, order: &Order) -> Answer {
    let answer = black_box(number);
    Span::current().record("output", json(&answer));
    Ok(answer)
}

impl Functions for Tracing {
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
