//! Who is measured, and with what.
#![allow(
    clippy::unnecessary_wraps,
    clippy::unused_async,
    reason = "functions that do next to nothing, to see what is put around them"
)]

mod bare;
mod clock;
mod fastrace;
mod json;
mod logfire;
mod opentelemetry;
mod rollout;
mod shape;
mod tracing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

pub use self::rollout::{Counting, Sink, recording};
pub use self::shape::{LEAVES, Shape, Values};

/// Spans of a [`Contender::tree`] of [`LEAVES`]: the leaves and their root.
pub const SPANS: u64 = LEAVES + 1;

/// Who records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Nobody: the functions as they are written.
    Bare,
    /// Nobody, but each leaf reads the processor's clock twice.
    Clock,
    /// Nobody, but each leaf writes its values as JSON into a buffer that is reused.
    Json,
    /// This crate's own: `rollout`.
    Rollout,
    /// `fastrace`.
    Fastrace,
    /// `tracing` with the bare registry of `tracing-subscriber`.
    Tracing,
    /// `tracing` with `tracing-opentelemetry`.
    TracingOpentelemetry,
    /// The API of `opentelemetry`.
    Opentelemetry,
    /// `logfire`.
    Logfire,
}

impl Kind {
    /// Those who record.
    pub const RECORDERS: [Self; 6] = [
        Self::Rollout,
        Self::Fastrace,
        Self::Tracing,
        Self::Opentelemetry,
        Self::TracingOpentelemetry,
        Self::Logfire,
    ];

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Clock => "two reads of the clock",
            Self::Json => "serde_json",
            Self::Rollout => "rollout",
            Self::Fastrace => "fastrace",
            Self::Tracing => "tracing, bare registry",
            Self::TracingOpentelemetry => "tracing-opentelemetry",
            Self::Opentelemetry => "opentelemetry API",
            Self::Logfire => "logfire",
        }
    }

    /// What it can record.
    pub fn shapes(self) -> &'static [Shape] {
        match self {
            Self::Clock => &[Shape::Sync],
            Self::Json => &[Shape::Captured, Shape::CapturedList],
            // Its registry keeps no values.
            Self::Tracing => &[Shape::Sync, Shape::Async, Shape::Deep, Shape::Waiting],
            _ => &Shape::ALL,
        }
    }

    /// Starts it in this process, once. `room` is how many spans it must be able to hold. `None` where there is no
    /// such thing as this mode.
    pub fn start(self, mode: Mode, room: usize) -> Option<Box<dyn Contender>> {
        let counted = Counted::default();
        Some(match self {
            Self::Bare => Box::new(bare::Bare),
            Self::Clock => Box::new(clock::Clock),
            Self::Json => Box::new(json::Json),
            Self::Rollout => Box::new(rollout::Rollout::start(mode)),
            Self::Fastrace => Box::new(fastrace::Fastrace::start(mode, counted)),
            Self::Tracing => Box::new(tracing::Tracing::bare(mode, counted)?),
            Self::TracingOpentelemetry => {
                Box::new(tracing::Tracing::opentelemetry(mode, room, counted)?)
            }
            Self::Opentelemetry => {
                Box::new(opentelemetry::Opentelemetry::start(mode, room, counted))
            }
            Self::Logfire => Box::new(logfire::Logfire::start(mode, room, counted)?),
        })
    }
}

/// What a contender was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Record everything.
    On,
    /// Record no trace.
    Unsampled,
    /// Nothing: it was never started.
    Off,
}

/// Somebody who records trees.
pub trait Contender: Sync {
    /// Runs a tree of one root and so many leaves (for [`Shape::Deep`], a multiple of ten).
    fn tree(&self, shape: Shape, leaves: u64, values: &Values);

    /// Waits until all that is recorded has reached the exporter.
    fn drain(&self);

    /// What the exporter has counted so far.
    fn counted(&self) -> u64;

    /// What it should count for a tree of so many leaves.
    fn expected(&self, leaves: u64) -> u64;
}

/// The functions of one contender, each with its span.
trait Functions: Sync {
    /// Runs leaves below a root.
    fn root(&self, leaves: impl FnOnce());

    /// A call that does nothing.
    fn leaf(n: u64) -> u64;

    /// A future that is ready at once.
    fn leaf_async(n: u64) -> impl Future<Output = u64>;

    /// Ten of them, each awaited by the next.
    fn deep(n: u64) -> impl Future<Output = u64>;

    /// A call whose arguments and result are recorded.
    fn captured(values: &Values, long: bool, n: u64) -> shape::Answer;

    /// See [`Contender::drain`].
    fn drain(&self) {}

    /// See [`Contender::counted`].
    fn counted(&self) -> u64 {
        0
    }

    /// See [`Contender::expected`].
    fn expected(&self, leaves: u64) -> u64 {
        let _ = leaves;
        0
    }
}

impl<T: Functions> Contender for T {
    fn tree(&self, shape: Shape, leaves: u64, values: &Values) {
        self.root(|| match shape {
            Shape::Sync => shape::repeat(leaves, T::leaf),
            Shape::Async => shape::block_on(shape::repeat_async(leaves, T::leaf_async)),
            Shape::Deep => {
                shape::block_on(shape::repeat_async(leaves / shape::DEPTH, T::deep));
            }
            Shape::Waiting => {
                let deep = |n| T::deep(n | shape::WAITS);
                shape::block_on(shape::repeat_async(leaves / shape::DEPTH, deep));
            }
            Shape::Captured => shape::repeat(leaves, |n| T::captured(values, false, n)),
            Shape::CapturedList => shape::repeat(leaves, |n| T::captured(values, true, n)),
        });
    }

    fn drain(&self) {
        Functions::drain(self);
    }

    fn counted(&self) -> u64 {
        Functions::counted(self)
    }

    fn expected(&self, leaves: u64) -> u64 {
        Functions::expected(self, leaves)
    }
}

/// What an exporter counts.
#[derive(Debug, Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl Counted {
    fn add(&self, spans: usize) {
        self.0.fetch_add(spans as u64, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
