//! The store of many servers: a ClickHouse database.
//!
//! What is accepted is inserted: every event, as it is. From there each server folds the traces that it has inserted
//! something of ([`fold`]), by the code of the embedded store, into rows for lists, filters and sums. Details of a trace
//! are folded when somebody asks for them. A server keeps nothing that another one could not find in the database.

mod address;
mod chart;
mod database;
mod dirty;
mod filter;
mod fold;
mod links;
mod list;
mod migrations;
mod reprice;
mod retain;
mod rows;
mod runs;
mod writer;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rollout_core::event::Event;
use tokio::{
    runtime::Runtime,
    sync::{oneshot, watch},
};

pub use address::ClickHouseAddress;

use self::{database::Database, dirty::Dirty, fold::Remembered};
use super::{
    Origin, Pending, Registration, Retention, SpoolPosition, Store, StoreError, queue::Queue,
};
use crate::{
    prices::Prices,
    query::{
        Chart, ChartQuery, DatapointPage, DatapointQuery, GroupPage, GroupQuery, RepricePage,
        RepriceQuery, RunDetail, RunPage, RunQuery, SpanDetail, SpanPage, TraceDetail, TracePage,
        TraceQuery, ValueCount, ValueQuery,
    },
};

/// How long what is inserted waits to be folded, so that what comes soon after is folded with it.
const PACE: Duration = Duration::from_millis(250);
/// How often it is looked whether another server has changed something.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked whether another server has left something unfolded.
const CATCH_UP: Duration = Duration::from_secs(30);

/// A [`Store`] in a database of ClickHouse. Any number of processes may have the same one open.
///
/// What is accepted is acknowledged by the database, as safely as that keeps it. Dropping the store waits until what it
/// has taken is inserted.
pub struct ClickHouseStore {
    writer: Option<Queue>,
    folder: Option<(Sender<()>, JoinHandle<()>)>,
    store: Arc<ClickHouse>,
    runtime: Runtime,
}

/// What the store's threads share.
struct ClickHouse {
    database: Database,
    /// What model calls cost that report none.
    prices: Arc<Prices>,
    dirty: Dirty,
    /// Held by whoever folds.
    folding: Mutex<()>,
    remembered: Remembered,
    revision: watch::Sender<u64>,
    /// Whether a warning about folding has been given, and nothing has gone well since.
    failing: AtomicBool,
    /// Bytes that the tables took when that was last asked.
    size: AtomicU64,
}

impl ClickHouse {
    /// Tells everybody that something has changed.
    fn changed(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// Folds, looks around, and folds again, until the other end of `stop` is gone.
    fn run(&self, stop: &mpsc::Receiver<()>) {
        let (mut looked, mut caught_up) = (Instant::now(), None::<Instant>);
        let mut marks = None;
        loop {
            let mut done = Ok(());
            if caught_up.is_none_or(|at| at.elapsed() >= CATCH_UP) {
                done = self.catch_up(caught_up.is_none());
                caught_up = Some(Instant::now());
                done = done.and_then(|()| self.weigh().map(drop));
            }
            done = done.and_then(|()| self.settle());
            if looked.elapsed() >= LOOK && self.revision.receiver_count() > 0 {
                looked = Instant::now();
                if let Ok(now) = self.marks() {
                    if marks.is_some_and(|before| before != now) {
                        self.changed();
                    }
                    marks = Some(now);
                }
            }
            match done {
                Ok(()) => self.failing.store(false, Ordering::Relaxed),
                Err(error) => {
                    if !self.failing.swap(true, Ordering::Relaxed) {
                        log::warn!("lists do not show what came last: {error}; it is tried again");
                    }
                }
            }
            if stop.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Marks the traces that have events which their rows do not know: a server ended before it had folded them. Looks at
    /// what arrived lately; at the beginning, at the last two days on which something did.
    fn catch_up(&self, begins: bool) -> Result<(), StoreError> {
        let (since, count) = if begins {
            ("day >= (SELECT max(day) FROM rollout_events) - 1", "0")
        } else {
            // Clocks of several machines differ a little.
            (
                "day >= today() - 1 AND arrived > toUnixTimestamp64Nano(now64(9) - INTERVAL 5 MINUTE)",
                "uniqExact(event_id, writer)",
            )
        };
        let behind: Vec<String> = self.database.rows(&format!(
            "SELECT lately.trace FROM (
                SELECT trace, max(arrived) AS newest, {count} AS events FROM rollout_events WHERE {since} GROUP BY trace)
                AS lately
             LEFT JOIN (
                SELECT trace, arrived, version FROM rollout_traces FINAL
                WHERE trace IN (SELECT trace FROM rollout_events WHERE {since})) AS known ON known.trace = lately.trace
             WHERE lately.newest > known.arrived AND known.version < 18446744073709551615
                OR lately.events > known.version
             LIMIT 100000"
        ))?;
        for trace in behind {
            self.dirty.mark(trace);
        }
        Ok(())
    }

    /// Numbers that are others when somebody has changed something, and perhaps when the database has tidied up.
    fn marks(&self) -> Result<(u64, u64, u64, u64), StoreError> {
        let counts = self.database.row(
            "SELECT (SELECT count() FROM rollout_events), (SELECT count() FROM rollout_traces),
                (SELECT count() FROM rollout_registry), (SELECT count() FROM rollout_writers)",
        )?;
        Ok(counts.unwrap_or_default())
    }
}

impl ClickHouseStore {
    /// Opens the store in a database, whose tables are made if they are missing. Model calls that report no cost get one
    /// by these prices whenever their trace is folded here.
    ///
    /// Fails if the server does not answer or refuses, or if the tables were made by a newer version of the program.
    /// Blocks: must not be called on an asynchronous runtime.
    pub fn open(address: ClickHouseAddress, prices: Arc<Prices>) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("rollout-clickhouse")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Database(format!("cannot start a thread: {error}")))?;
        let database = Database::new(address, runtime.handle().clone())?;
        migrations::migrate(&database)?;
        let (revision, _) = watch::channel(0);
        let store = Arc::new(ClickHouse {
            database,
            prices,
            dirty: Dirty::default(),
            folding: Mutex::default(),
            remembered: Remembered::default(),
            revision,
            failing: AtomicBool::new(false),
            size: AtomicU64::new(0),
        });
        let (stop, stopped) = mpsc::channel();
        let folds = Arc::clone(&store);
        let folder = std::thread::Builder::new()
            .name("rollout-fold".to_owned())
            .spawn(move || folds.run(&stopped))
            .map_err(|error| StoreError::Database(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            writer: Some(writer::start(Arc::clone(&store))?),
            folder: Some((stop, folder)),
            store,
            runtime,
        })
    }

    fn closed() -> Pending {
        let (done, pending) = oneshot::channel();
        drop(done);
        Pending(pending)
    }
}

impl Drop for ClickHouseStore {
    fn drop(&mut self) {
        drop(self.writer.take());
        if let Some((stop, folder)) = self.folder.take() {
            drop(stop);
            // It does not panic; and if it did, there is nobody left to tell.
            let _ = folder.join();
        }
        // What is left is found by the next server, too.
        if let Err(error) = self.store.settle() {
            log::warn!("what came last is not in the lists yet: {error}");
        }
    }
}

impl Store for ClickHouseStore {
    fn append(&self, events: Vec<Event>, origin: Origin) -> Pending {
        match &self.writer {
            Some(writer) => writer.append(events, origin),
            None => Self::closed(),
        }
    }

    fn writer_gone(&self, writer: &str) -> Pending {
        match &self.writer {
            Some(thread) => thread.writer_gone(writer),
            None => Self::closed(),
        }
    }

    fn register(&self, registration: Registration) -> Pending {
        match &self.writer {
            Some(writer) => writer.register(registration),
            None => Self::closed(),
        }
    }

    fn sweep(&self, retention: Retention) -> Pending<u64> {
        let (done, pending) = oneshot::channel();
        let store = Arc::clone(&self.store);
        self.runtime.spawn_blocking(move || {
            // Whoever asked may have gone.
            let _ = done.send(store.sweep(&retention));
        });
        Pending(pending)
    }

    fn reprice(&self, query: &RepriceQuery) -> Result<RepricePage, StoreError> {
        self.store.reprice(query)
    }

    fn spool_positions(&self) -> Result<Vec<SpoolPosition>, StoreError> {
        self.store.spool_positions()
    }

    fn traces(&self, query: &TraceQuery) -> Result<TracePage, StoreError> {
        self.store.traces(query)
    }

    fn chart(&self, query: &ChartQuery) -> Result<Chart, StoreError> {
        self.store.chart(query)
    }

    fn groups(&self, query: &GroupQuery) -> Result<GroupPage, StoreError> {
        self.store.groups(query)
    }

    fn values(&self, query: &ValueQuery) -> Result<Vec<ValueCount>, StoreError> {
        self.store.values(query)
    }

    fn trace(&self, trace_id: &str) -> Result<Option<TraceDetail>, StoreError> {
        let found = self.store.of_trace(trace_id, |memory, id| {
            let Some(trace) = memory.trace(id)? else {
                return Ok(None);
            };
            Ok(Some((trace, memory.link(id)?)))
        })?;
        let Some((mut trace, link)) = found.flatten() else {
            return Ok(None);
        };
        trace.links = self.store.links(&trace.summary.trace_id, link)?;
        Ok(Some(trace))
    }

    fn spans(
        &self,
        trace_id: &str,
        offset: u64,
        limit: u64,
    ) -> Result<Option<SpanPage>, StoreError> {
        let found = self
            .store
            .of_trace(trace_id, |memory, id| memory.spans(id, offset, limit))?;
        Ok(found.flatten())
    }

    fn span(&self, trace_id: &str, span_id: &str) -> Result<Option<SpanDetail>, StoreError> {
        let found = self.store.of_trace(trace_id, |memory, id| {
            let mut span = memory.span(id, span_id)?;
            if let Some(span) = &mut span {
                // By the name that it was asked by.
                trace_id.clone_into(&mut span.trace_id);
            }
            Ok(span)
        })?;
        Ok(found.flatten())
    }

    fn runs(&self, query: &RunQuery) -> Result<RunPage, StoreError> {
        self.store.runs(query)
    }

    fn run(&self, run_id: &str) -> Result<Option<RunDetail>, StoreError> {
        self.store.run_detail(run_id)
    }

    fn datapoints(&self, query: &DatapointQuery) -> Result<Option<DatapointPage>, StoreError> {
        self.store.datapoints(query)
    }

    fn events(
        &self,
        trace_id: &str,
        tell: &mut dyn FnMut(Event) -> bool,
    ) -> Result<bool, StoreError> {
        let found = self
            .store
            .of_trace(trace_id, |memory, id| memory.events(id, tell))?;
        Ok(found.unwrap_or(false))
    }

    fn revision(&self) -> watch::Receiver<u64> {
        self.store.revision.subscribe()
    }

    fn size(&self) -> u64 {
        // Who asks may be on an asynchronous runtime.
        self.store.size.load(Ordering::Relaxed)
    }
}
