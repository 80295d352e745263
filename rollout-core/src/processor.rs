//! Seeing spans on their way, before they become events.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Wall;
use crate::id::{SpanId, TraceId};
use crate::queue::Record;
use crate::site::CallSite;
use crate::span::record::{EndStatus, Field, RecordKind, fields};
use crate::stats::Counters;

/// Sees each span of a client as it starts and as it ends, in this process, within some milliseconds: for metrics,
/// alerts, tests. Added by [`Builder::span_processor`](crate::Builder::span_processor).
///
/// It runs on the worker's thread, over all threads' spans in the order of time, before anything is put in words; where
/// it is all that looks at them, with no exporter beside it, they are never put in words at all, and some millions of
/// them pass each second. What takes long there holds up the worker, and queues fill. One that panics is not called
/// again, and a warning says so. It does not follow into forked children.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use rollout_core::{SpanData, SpanProcessor};
///
/// /// Nanoseconds that were spent in tools.
/// struct ToolTime(Arc<AtomicU64>);
///
/// impl SpanProcessor for ToolTime {
///     fn on_end(&mut self, span: &SpanData<'_>) {
///         if span.span_type() == Some("tool") {
///             let took = span.duration().as_nanos() as u64;
///             self.0.fetch_add(took, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let spent = Arc::new(AtomicU64::new(0));
/// let client = rollout_core::builder()
///     .exporters([])
///     .span_processor(ToolTime(Arc::clone(&spent)))
///     .build()?;
/// client.trace("answer").in_scope(|trace| drop(trace.tool("search").start()));
/// client.blocking_flush(std::time::Duration::from_secs(5))?;
/// assert!(spent.load(Ordering::Relaxed) > 0);
/// # Ok(()) }
/// ```
pub trait SpanProcessor: Send + 'static {
    /// A span has started.
    fn on_start(&mut self, span: &SpanData<'_>) {
        let _ = span;
    }

    /// A span has ended.
    fn on_end(&mut self, span: &SpanData<'_>);
}

/// How a span has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanStatus {
    /// By itself.
    Ok,
    /// With an error. Of a model call, that may be known only later; then it counts as [`Ok`](Self::Ok) here.
    Error,
    /// With a panic.
    Panic,
    /// Its future was dropped before it was done.
    Cancelled,
}

/// What is known of a span as it starts or ends.
pub struct SpanData<'a> {
    record: &'a Record,
    payload: &'a [u8],
    wall: &'a Wall,
}

impl fmt::Debug for SpanData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanData")
            .field("trace_id", &self.trace_id())
            .field("span_id", &self.span_id())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl SpanData<'_> {
    /// The trace it is in.
    pub fn trace_id(&self) -> Option<TraceId> {
        TraceId::from_u128(self.record.trace)
    }

    /// Its own id.
    pub fn span_id(&self) -> Option<SpanId> {
        SpanId::from_u64(self.record.span)
    }

    /// The span it is in; none at the root of its trace.
    pub fn parent_span_id(&self) -> Option<SpanId> {
        SpanId::from_u64(self.record.parent)
    }

    /// Its name.
    pub fn name(&self) -> Option<&str> {
        let said = self.text(Field::Name);
        said.or_else(|| Some(CallSite::find(self.record.site)?.name))
    }

    /// Its type: `agent`, `llm`, `tool` and so on.
    pub fn span_type(&self) -> Option<&str> {
        let said = self.text(Field::Type);
        said.or_else(|| Some(CallSite::find(self.record.site)?.span_type))
    }

    /// When it started.
    pub fn started_at(&self) -> SystemTime {
        let start = self.record.start;
        UNIX_EPOCH + Duration::from_nanos(self.wall.nanos(start, start))
    }

    /// How long it took; nothing while it runs.
    pub fn duration(&self) -> Duration {
        let running = |ticks| self.wall.running(ticks);
        Duration::from_nanos(running(self.record.at).saturating_sub(running(self.record.start)))
    }

    /// How it has ended; [`Ok`](SpanStatus::Ok) while it runs.
    pub fn status(&self) -> SpanStatus {
        match EndStatus::from_byte(self.record.status) {
            EndStatus::Ok => SpanStatus::Ok,
            EndStatus::Error => SpanStatus::Error,
            EndStatus::Panic => SpanStatus::Panic,
            EndStatus::Cancelled => SpanStatus::Cancelled,
        }
    }

    fn text(&self, wanted: Field) -> Option<&str> {
        let said = fields(self.payload).filter(|(field, _)| *field == wanted);
        str::from_utf8(said.last()?.1).ok()
    }
}

/// The processors of a client.
#[derive(Default)]
pub(crate) struct Processors(Vec<Box<dyn SpanProcessor>>);

impl Processors {
    pub(crate) fn push(&mut self, processor: impl SpanProcessor) {
        self.0.push(Box::new(processor));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Shows them a record, if it is of a span.
    pub(crate) fn see(
        &mut self,
        record: &Record,
        payload: &[u8],
        wall: &Wall,
        counters: &Counters,
    ) {
        let started = match RecordKind::from_byte(record.kind) {
            Some(RecordKind::SpanStart | RecordKind::ToolCall) => true,
            Some(RecordKind::SpanEnd | RecordKind::ToolResult) => false,
            _ => return,
        };
        let span = SpanData {
            record,
            payload,
            wall,
        };
        self.0.retain_mut(|processor| {
            let seen = catch_unwind(AssertUnwindSafe(|| {
                if started {
                    processor.on_start(&span);
                } else {
                    processor.on_end(&span);
                }
            }));
            if seen.is_err() {
                counters.warn(format_args!(
                    "a span processor has panicked and is not called again"
                ));
            }
            seen.is_ok()
        });
    }
}
