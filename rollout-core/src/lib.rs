//! The runtime of rollout.

#![expect(
    clippy::inline_always,
    reason = "the hot path was measured call by call: see `benches/`"
)]

pub mod event;

/// For bridges to other tracing systems. Not for anybody else: it changes with every release.
#[cfg(feature = "runtime")]
#[doc(hidden)]
pub mod bridge {
    pub use crate::span::Here;
}

/// For the server, which tells traces that it has kept. Not for anybody else: it changes with every release.
#[cfg(feature = "otlp")]
#[doc(hidden)]
pub mod kept {
    pub use crate::export::TraceSpans;
}

#[cfg(feature = "runtime")]
mod builder;
#[cfg(feature = "runtime")]
mod capture;
#[cfg(feature = "runtime")]
mod check;
#[cfg(feature = "runtime")]
mod client;
#[cfg(feature = "runtime")]
mod clock;
#[cfg(feature = "runtime")]
mod config;
#[cfg(feature = "runtime")]
mod context;
#[cfg(feature = "runtime")]
mod error;
#[cfg(feature = "runtime")]
mod export;
#[cfg(feature = "runtime")]
mod fork;
#[cfg(feature = "runtime")]
mod git;
#[cfg(feature = "runtime")]
mod id;
#[cfg(feature = "runtime")]
#[doc(hidden)]
pub mod private;
#[cfg(feature = "runtime")]
mod processor;
#[cfg(feature = "runtime")]
mod queue;
#[cfg(feature = "runtime")]
pub mod recordable;
#[cfg(feature = "runtime")]
pub mod run;
#[cfg(feature = "runtime")]
mod site;
#[cfg(feature = "runtime")]
mod span;
#[cfg(feature = "runtime")]
mod spool;
#[cfg(feature = "runtime")]
mod stats;
#[cfg(feature = "runtime")]
mod sync;
#[cfg(feature = "runtime")]
pub mod testing;
#[cfg(feature = "runtime")]
mod worker;

#[cfg(feature = "clickhouse")]
pub use crate::export::ClickHouseExporter;
#[cfg(feature = "http")]
pub use crate::export::HttpExporter;
#[cfg(feature = "otlp")]
pub use crate::export::OtlpExporter;
#[cfg(feature = "runtime")]
pub use crate::{
    builder::{Builder, builder},
    check::CheckResult,
    client::{
        Client, InitGuard, TraceRef, blocking_check, blocking_flush, blocking_shutdown,
        capture_event, check, client, current_span, current_trace, exit, feedback, flush,
        identify_user, init, shutdown, signal, update_current_span, update_current_trace, user,
    },
    config::secret::Secret,
    config::{Config, ExporterKind, Keep, Mask, ParseKeepError, SpoolKind},
    context::{
        AsParent, AttributesGuard, AttributesScope, Carrier, ParseTraceparentError, SpanContext,
        WithAttributes, attributes, extract, inject,
    },
    error::{ConfigError, ExportError, FlushError, IntegrationError},
    event::{EventType, Message, Usage},
    export::{
        Batch, ConsoleExporter, ExportFuture, Exporter, ForChild, MemoryExporter, Receipt,
        Rejection,
    },
    id::{ParseIdError, SpanId, TraceId},
    processor::{SpanData, SpanProcessor, SpanStatus},
    span::{
        Ending, Envelope, Failure, InCurrentSpan, JoinSetTraced, Outcome, ScopeTraced, Span,
        SpanBuilder, SpanEnd, SpanUpdate, ToolBuilder, ToolCall, Trace, TraceBuilder, TraceEnd,
        TraceUpdate, TracedFuture, in_current_span, spawn, spawn_blocking, spawn_thread,
    },
    stats::{DropReason, ExporterStats, FlushReport, Stats},
};
