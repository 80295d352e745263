//! The embedded store: one SQLite file, written by one thread, read by many.

mod bits;
mod chart;
mod detail;
mod dictionary;
mod events;
mod facts;
mod filter;
mod group;
mod grouped;
mod hits;
pub(super) mod list;
mod matcher;
#[cfg(feature = "clickhouse")]
pub(super) mod memory;
mod migrations;
mod reprice;
mod retain;
mod runs;
mod save;
mod search;
mod spans;
pub(super) mod tally;
mod values;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rollout_core::event::Event;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use self::{
    dictionary::Dictionary,
    spans::Trees,
    writer::{Task, Writer},
};
use super::{Origin, Pending, Registration, Retention, SpoolPosition, Store, StoreError};
use crate::prices::Prices;
use crate::query::{
    Chart, ChartQuery, DatapointPage, DatapointQuery, GroupPage, GroupQuery, RepricePage,
    RepriceQuery, RunDetail, RunPage, RunQuery, SpanDetail, SpanHits, SpanPage, TraceDetail,
    TracePage, TraceQuery, ValueCount, ValueQuery,
};

/// How long a process waits for another one that writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it waits where it has to ask again.
const BREATH: Duration = Duration::from_millis(5);

/// What a payload is: the low three bits of its row's id.
mod payload {
    pub(super) const INPUT: i64 = 0;
    pub(super) const OUTPUT: i64 = 1;
    pub(super) const ATTRIBUTES: i64 = 2;
    /// Of a span: what its stream has brought so far.
    pub(super) const PREVIEW: i64 = 3;
    pub(super) const USER_TRAITS: i64 = 4;
    pub(super) const ACCOUNT_TRAITS: i64 = 5;
    pub(super) const AGENT: i64 = 6;
    pub(super) const IDS: i64 = 7;

    /// The id of a payload's row.
    pub(super) const fn id(row: i64, what: i64) -> i64 {
        row * 8 + what
    }
}

/// A [`Store`] in a file. Several processes may have the same one open.
///
/// What is committed survives the end of the process and of the machine. Dropping the store
/// waits until what it has taken is committed.
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    trees: Trees,
}

impl SqliteStore {
    /// Opens the store in a file, which is made if it is missing, with its folder. Model calls that report no cost get
    /// one by these prices when they are taken in.
    ///
    /// Fails if the file cannot be written or was made by a newer version of the program.
    pub fn open(path: &Path, prices: Arc<Prices>) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                StoreError::Database(format!("cannot make {}: {error}", folder.display()))
            })?;
        }
        let mut connection = connect(path, OpenFlags::default())?;
        migrations::seen(&connection)?;
        use_write_ahead_log(&connection)?;
        // Accepted means that it survives a power failure too.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        connection.pragma_update(None, "cache_size", -32 * 1024)?;
        migrations::migrate(&mut connection)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Writer::start(connection, prices)?,
            readers: Mutex::default(),
            trees: Trees::default(),
        })
    }

    /// Looks whether a store's file is whole and of a version that this program knows, without changing it.
    pub fn examine(path: &Path) -> Result<(), StoreError> {
        let connection = connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        migrations::seen(&connection)?;
        let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if said == "ok" {
            return Ok(());
        }
        Err(StoreError::Database(format!("the file is damaged: {said}")))
    }

    /// Asks a question on a connection of its own.
    fn read<T>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(
                &self.path,
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?,
        };
        // All statements of one question see one state.
        let snapshot = connection.unchecked_transaction()?;
        let answer = ask(&snapshot);
        drop(snapshot);
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        answer
    }
}

/// Another process that opens a fresh file at the same time makes this fail at once, whatever
/// the time-out.
fn use_write_ahead_log(connection: &Connection) -> Result<(), StoreError> {
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        let result = connection.pragma_update(None, "journal_mode", "WAL");
        match result.map_err(StoreError::from) {
            Err(StoreError::Busy) if Instant::now() < until => std::thread::sleep(BREATH),
            result => return result,
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| {
        StoreError::Database(format!("cannot open {}: {error}", path.display()))
    })?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

impl Store for SqliteStore {
    fn append(&self, events: Vec<Event>, origin: Origin) -> Pending {
        self.writer.queue().append(events, origin)
    }

    fn writer_gone(&self, writer: &str) -> Pending {
        self.writer.queue().writer_gone(writer)
    }

    fn register(&self, registration: Registration) -> Pending {
        self.writer.queue().register(registration)
    }

    fn sweep(&self, retention: Retention) -> Pending<u64> {
        self.writer.queue().ask(|done| Task::Sweep(retention, done))
    }

    fn reprice(&self, query: &RepriceQuery) -> Result<RepricePage, StoreError> {
        if query.dry_run {
            return self
                .read(|connection| reprice::page(connection, &mut Dictionary::default(), query));
        }
        self.writer
            .queue()
            .ask(|done| Task::Reprice(query.clone(), done))
            .wait()
    }

    fn spool_positions(&self) -> Result<Vec<SpoolPosition>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, segment, offset, gone FROM writers WHERE NOT remote ORDER BY name",
            )?;
            let positions = statement.query_map([], |row| {
                Ok(SpoolPosition {
                    writer: row.get(0)?,
                    segment: row.get::<_, i64>(1)? as u64,
                    offset: row.get::<_, i64>(2)? as u64,
                    gone: row.get(3)?,
                })
            })?;
            Ok(positions.collect::<Result<_, _>>()?)
        })
    }

    fn traces(&self, query: &TraceQuery) -> Result<TracePage, StoreError> {
        self.read(|connection| list::traces(connection, query))
    }

    fn chart(&self, query: &ChartQuery) -> Result<Chart, StoreError> {
        self.read(|connection| chart::chart(connection, query))
    }

    fn groups(&self, query: &GroupQuery) -> Result<GroupPage, StoreError> {
        self.read(|connection| grouped::groups(connection, query))
    }

    fn values(&self, query: &ValueQuery) -> Result<Vec<ValueCount>, StoreError> {
        self.read(|connection| values::values(connection, query))
    }

    fn trace(&self, trace_id: &str) -> Result<Option<TraceDetail>, StoreError> {
        self.read(|connection| detail::trace(connection, trace_id))
    }

    fn spans(
        &self,
        trace_id: &str,
        offset: u64,
        limit: u64,
    ) -> Result<Option<SpanPage>, StoreError> {
        self.read(|connection| spans::page(connection, &self.trees, trace_id, offset, limit))
    }

    fn span(&self, trace_id: &str, span_id: &str) -> Result<Option<SpanDetail>, StoreError> {
        self.read(|connection| spans::detail(connection, &self.trees, trace_id, span_id))
    }

    fn details(
        &self,
        trace_id: &str,
        tell: &mut dyn FnMut(SpanDetail) -> bool,
    ) -> Result<bool, StoreError> {
        self.read(|connection| spans::details(connection, &self.trees, trace_id, tell))
    }

    fn hits(&self, trace_id: &str, text: &str, limit: u64) -> Result<Option<SpanHits>, StoreError> {
        self.read(|connection| hits::hits(connection, &self.trees, trace_id, text, limit))
    }

    fn runs(&self, query: &RunQuery) -> Result<RunPage, StoreError> {
        self.read(|connection| runs::runs(connection, query))
    }

    fn run(&self, run_id: &str) -> Result<Option<RunDetail>, StoreError> {
        self.read(|connection| runs::run(connection, run_id))
    }

    fn datapoints(&self, query: &DatapointQuery) -> Result<Option<DatapointPage>, StoreError> {
        self.read(|connection| runs::datapoints(connection, query))
    }

    fn events(
        &self,
        trace_id: &str,
        tell: &mut dyn FnMut(Event) -> bool,
    ) -> Result<bool, StoreError> {
        self.read(|connection| events::tell(connection, &self.trees, trace_id, tell))
    }

    fn revision(&self) -> watch::Receiver<u64> {
        self.writer.revision()
    }

    fn size(&self) -> u64 {
        let files = ["", "-wal"].into_iter().filter_map(|suffix| {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            std::fs::metadata(path).ok()
        });
        files.map(|file| file.len()).sum()
    }
}
