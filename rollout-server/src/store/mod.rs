//! Where traces are kept.

#[cfg(feature = "clickhouse")]
mod clickhouse;
mod error;
mod place;
mod queue;
mod sqlite;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rollout_core::event::Event;
use tokio::sync::{oneshot, watch};

#[cfg(feature = "clickhouse")]
pub use self::clickhouse::{ClickHouseAddress, ClickHouseStore};
pub use error::StoreError;
pub use place::StorePlace;
pub use sqlite::SqliteStore;

use crate::query::{self, SpanHits};
use crate::query::{
    Chart, ChartQuery, DatapointPage, DatapointQuery, GroupPage, GroupQuery, MAX_SPANS,
    RepricePage, RepriceQuery, RunDetail, RunPage, RunQuery, SpanDetail, SpanPage, TraceDetail,
    TracePage, TraceQuery, ValueCount, ValueQuery,
};

/// Keeps events, folded into traces and spans, and answers questions about them.
///
/// The questions block on the disk: asynchronous callers ask them on a thread that may block.
pub trait Store: Send + Sync + 'static {
    /// Queues events to be stored, each once by its id; the returned value tells when they are.
    fn append(&self, events: Vec<Event>, origin: Origin) -> Pending;

    /// Queues that a process that wrote to a spool is gone: what it left open is interrupted.
    fn writer_gone(&self, writer: &str) -> Pending;

    /// Queues that a run, a step or a datapoint is registered. Again, it changes only what is said anew.
    fn register(&self, registration: Registration) -> Pending;

    /// Removes some of the traces that are over a bound, the oldest first; the returned value tells how many. None
    /// means that there are no more.
    fn sweep(&self, retention: Retention) -> Pending<u64>;

    /// Gives some of the traces that a query asks for their costs anew, the newest first, in one transaction. What is
    /// reported stays.
    fn reprice(&self, query: &RepriceQuery) -> Result<RepricePage, StoreError>;

    /// How far the spools are read.
    fn spool_positions(&self) -> Result<Vec<SpoolPosition>, StoreError>;

    /// The traces that a query asks for, newest first.
    fn traces(&self, query: &TraceQuery) -> Result<TracePage, StoreError>;

    /// What the traces that a query asks for come to over time.
    fn chart(&self, query: &ChartQuery) -> Result<Chart, StoreError>;

    /// Users, sessions or conversations, those with the newest trace first.
    fn groups(&self, query: &GroupQuery) -> Result<GroupPage, StoreError>;

    /// Values of a key among the newest traces, the most frequent first, then by the alphabet.
    fn values(&self, query: &ValueQuery) -> Result<Vec<ValueCount>, StoreError>;

    /// One trace by its id or the caller's own; `None` where there is no such trace.
    fn trace(&self, trace_id: &str) -> Result<Option<TraceDetail>, StoreError>;

    /// Some of a trace's spans in tree order; `None` where there is no such trace.
    fn spans(
        &self,
        trace_id: &str,
        offset: u64,
        limit: u64,
    ) -> Result<Option<SpanPage>, StoreError>;

    /// One span with its payloads; `None` where there is none.
    fn span(&self, trace_id: &str, span_id: &str) -> Result<Option<SpanDetail>, StoreError>;

    /// Tells a trace's spans with their payloads, but without what was reported inside of them, in tree order. Stops when
    /// `tell` returns `false`. Returns `false` where there is no such trace.
    ///
    /// As it is, it asks for one span after the other, each of which may have changed meanwhile.
    fn details(
        &self,
        trace_id: &str,
        tell: &mut dyn FnMut(SpanDetail) -> bool,
    ) -> Result<bool, StoreError> {
        let mut offset = 0;
        loop {
            let Some(page) = self.spans(trace_id, offset, MAX_SPANS)? else {
                return Ok(offset > 0);
            };
            offset += page.spans.len() as u64;
            for row in &page.spans {
                if let Some(mut span) = self.span(trace_id, &row.span_id)? {
                    span.events.clear();
                    if !tell(span) {
                        return Ok(true);
                    }
                }
            }
            if page.spans.is_empty() || offset >= page.total {
                return Ok(true);
            }
        }
    }

    /// The spans of a trace in which a text stands, whatever its case, in tree order and at most `limit`; `None` where
    /// there is no such trace. A blank text stands nowhere.
    fn hits(&self, trace_id: &str, text: &str, limit: u64) -> Result<Option<SpanHits>, StoreError> {
        query::walk(self, trace_id, text, limit)
    }

    /// The runs, those that began last first.
    fn runs(&self, query: &RunQuery) -> Result<RunPage, StoreError>;

    /// One run with its steps; `None` where there is none.
    fn run(&self, run_id: &str) -> Result<Option<RunDetail>, StoreError>;

    /// Some of a run's datapoints by their ids; `None` where there is no such run.
    fn datapoints(&self, query: &DatapointQuery) -> Result<Option<DatapointPage>, StoreError>;

    /// Tells a trace as events, in the order of their time: who takes them in, and had nothing of it, has the same trace.
    /// The same trace told again is the same events, by their ids. Stops when `tell` returns `false`. Returns `false`
    /// where there is no such trace.
    ///
    /// No more than one event and the order of the trace is in memory at a time, and what is told is the trace at one
    /// moment.
    fn events(
        &self,
        trace_id: &str,
        tell: &mut dyn FnMut(Event) -> bool,
    ) -> Result<bool, StoreError>;

    /// A number that is another one after every change, whoever made it in this process.
    fn revision(&self) -> watch::Receiver<u64>;

    /// Bytes that the store takes.
    fn size(&self) -> u64;
}

/// What is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Traces that began longer ago go, but for those that run.
    pub max_age: Option<Duration>,
    /// When more bytes than this are taken, the oldest traces go, but for those that run.
    pub max_bytes: Option<u64>,
}

/// What is registered before, or beside, its rollouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// A run.
    Run {
        /// Its id.
        run_id: String,
        /// What it is for. Another one than it is registered for is refused.
        phase: String,
        /// The project that it is of.
        project: Option<String>,
    },
    /// A step of a run that is registered.
    Step {
        /// The run.
        run_id: String,
        /// The step.
        step_number: i64,
    },
    /// A datapoint.
    Datapoint {
        /// Its id.
        datapoint_id: String,
        /// The environment that it is for.
        env_name: Option<String>,
    },
}

/// Where events came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A request, and the name of the process that recorded them if it gives one.
    Request(Option<String>),
    /// A segment of a spool.
    Spool(SpoolRange),
}

/// The part of a spool that events were read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolRange {
    /// The folder of the process that writes.
    pub writer: String,
    /// Number of the segment.
    pub segment: u64,
    /// The first byte.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
}

/// How far the spool of one process is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolPosition {
    /// The folder of the process.
    pub writer: String,
    /// Number of the segment that is being read.
    pub segment: u64,
    /// The first byte in it that is not read.
    pub offset: u64,
    /// Whether the process is known to be gone.
    pub gone: bool,
}

/// Something on its way to the disk.
#[derive(Debug)]
pub struct Pending<T = ()>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Pending<T> {
    /// Blocks until it is committed. Must not be called on an asynchronous runtime.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}
