//! Folds traces out of their events, by the code of the embedded store, in memory.
//!
//! The row of a trace says how many events it knows, and the database keeps the row that knows most. A server that has
//! inserted events counts what the database has of their traces afterwards: whoever inserted last sees them all, so that
//! two servers with parts of one trace need not know of each other.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use rollout_core::event::Event;

use super::{
    ClickHouse,
    database::{list, quoted},
    dirty::{Fresh, Hand},
    rows::{EventRow, Extent, Gone, StoredEvent, TextRow, TraceRow, external, nameless},
};
use crate::{
    prices::Prices,
    store::{
        StoreError,
        sqlite::memory::{Arrival, Memory},
    },
};

/// Traces that are folded at once.
const AT_ONCE: usize = 500;
/// Events that are read back at once, so far as these are of more than one trace.
const EVENTS_AT_ONCE: u64 = 50_000;
/// Folded traces that are remembered for whoever looks at one, page by page.
const REMEMBERED: usize = 16;

/// What some traces are folded into.
#[derive(Default)]
pub(super) struct Folded {
    pub(super) rows: Vec<TraceRow>,
    texts: Vec<TextRow>,
    /// Model calls that have no price, by `MODEL (PROVIDER)`.
    pub(super) unpriced: BTreeMap<String, u64>,
}

/// A trace in memory, as it is with so many events.
struct Known {
    key: String,
    version: u64,
    memory: Arc<Mutex<Memory>>,
}

/// The traces that were looked at last.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Vec<Known>>);

impl ClickHouse {
    /// Folds all that was inserted here before this was called.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        // Whoever comes while somebody folds waits until what that one has taken is inserted.
        let _folding = self.folding.lock().unwrap_or_else(PoisonError::into_inner);
        // What comes while this goes on is left to the next; but a trace may get what was said before it.
        for _ in 0..2 {
            if self.dirty.is_empty() {
                break;
            }
            let all = self.dirty.take();
            let mut rest = &all[..];
            let mut failed = None;
            while !rest.is_empty() {
                let (some, after) = rest.split_at(rest.len().min(AT_ONCE));
                rest = after;
                if let Err(error) = self.fold(some) {
                    for (key, _) in some {
                        self.dirty.mark(key.clone());
                    }
                    failed = Some(error);
                }
            }
            self.dirty.release(&all);
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    fn fold(&self, traces: &[(String, Hand)]) -> Result<(), StoreError> {
        let extents = self.extents(traces.iter().map(|(key, _)| key.as_str()))?;
        let extents: HashMap<&str, &Extent> =
            extents.iter().map(|it| (it.trace.as_str(), it)).collect();
        let mut whole: Vec<(&Extent, &[Fresh])> = Vec::new();
        let mut others: Vec<&Extent> = Vec::new();
        for (key, hand) in traces {
            // Removed meanwhile.
            let Some(extent) = extents.get(key.as_str()) else {
                continue;
            };
            if hand.count() == extent.count {
                whole.push((extent, &hand.events));
            } else {
                others.push(extent);
            }
        }
        let mut again = self.fold_into_rows(&whole)?;
        let mut others = &others[..];
        while !others.is_empty() {
            let mut events = 0;
            let fits = others.iter().take_while(|extent| {
                events += extent.count;
                events <= EVENTS_AT_ONCE
            });
            let (some, rest) = others.split_at(fits.count().max(1));
            others = rest;
            let read = self.read(some.iter().map(|it| it.trace.as_str()))?;
            let some: Vec<_> = some
                .iter()
                .map(|extent| {
                    let events = read.get(&extent.trace).map_or(&[][..], Vec::as_slice);
                    (*extent, events)
                })
                .collect();
            again.extend(self.fold_into_rows(&some)?);
        }
        for key in again {
            self.dirty.mark(key);
        }
        Ok(())
    }

    /// How much there is of some traces.
    pub(super) fn extents<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Extent>, StoreError> {
        self.database.rows(&format!(
            "SELECT it.trace AS trace, uniqExact(it.event_id, it.writer) AS count, min(it.arrived) AS born,
                max(it.arrived) AS arrived
             FROM rollout_events AS it WHERE it.trace IN {} GROUP BY it.trace",
            list(keys)
        ))
    }

    /// The events of some traces, in the order in which they arrived.
    pub(super) fn read<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<HashMap<String, Vec<Fresh>>, StoreError> {
        let rows: Vec<StoredEvent> = self.database.rows(&format!(
            "SELECT trace, event_id, writer, arrived, event FROM rollout_events WHERE trace IN {}
             ORDER BY trace, arrived, event_id, writer",
            list(keys)
        ))?;
        let mut traces: HashMap<String, Vec<Fresh>> = HashMap::new();
        let mut writers: HashSet<Arc<str>> = HashSet::new();
        for row in rows {
            let writer = if let Some(writer) = writers.get(row.writer.as_str()) {
                Arc::clone(writer)
            } else {
                let writer: Arc<str> = row.writer.into();
                writers.insert(Arc::clone(&writer));
                writer
            };
            let mut event: Event = serde_json::from_str(&row.event).map_err(|error| {
                StoreError::Database(format!("the event {} is not one: {error}", row.event_id))
            })?;
            belong(&mut event, &row.trace);
            traces.entry(row.trace).or_default().push(Fresh {
                arrived: row.arrived,
                writer,
                event: Arc::new(event),
            });
        }
        Ok(traces)
    }

    /// Folds traces with all of their events, and inserts their rows. Returns those that have got more by that.
    fn fold_into_rows(&self, traces: &[(&Extent, &[Fresh])]) -> Result<Vec<String>, StoreError> {
        if traces.is_empty() {
            return Ok(Vec::new());
        }
        let folded = self.fold_with(traces, &self.prices)?;
        self.insert_folded(&folded)?;
        self.absorb(&folded.rows)
    }

    /// Inserts what traces have been folded into.
    pub(super) fn insert_folded(&self, folded: &Folded) -> Result<(), StoreError> {
        self.database.insert("rollout_texts", &folded.texts)?;
        self.database.insert("rollout_traces", &folded.rows)?;
        self.changed();
        Ok(())
    }

    /// Folds traces with all of their events.
    pub(super) fn fold_with(
        &self,
        traces: &[(&Extent, &[Fresh])],
        prices: &Arc<Prices>,
    ) -> Result<Folded, StoreError> {
        let gone = self.gone(traces.iter().flat_map(|(_, events)| *events))?;
        let mut folded = Folded::default();
        // What has no trace yet must not be taken for a part of one that happens to be folded beside it.
        let (unnamed, named): (Vec<_>, Vec<_>) = traces
            .iter()
            .copied()
            .partition(|(extent, _)| external(&extent.trace).is_some());
        let mut groups: Vec<Vec<(&Extent, &[Fresh])>> = vec![named];
        groups.extend(unnamed.into_iter().map(|it| vec![it]));
        for group in groups.iter().filter(|group| !group.is_empty()) {
            let mut memory = Memory::new(Arc::clone(prices))?;
            memory.take(group.iter().flat_map(|(_, events)| arrivals(events, &gone)))?;
            let by_key: HashMap<&str, _> =
                group.iter().map(|it| (it.0.trace.as_str(), it)).collect();
            for (call, count) in memory.unpriced()? {
                *folded.unpriced.entry(call).or_default() += count;
            }
            for facts in memory.facts()? {
                let key = facts.trace_id.clone().unwrap_or_else(|| {
                    nameless(
                        facts
                            .summary
                            .external_trace_id
                            .as_deref()
                            .unwrap_or_default(),
                    )
                });
                let Some((extent, events)) = by_key.get(key.as_str()) else {
                    continue;
                };
                let writers: BTreeSet<String> = writers(events);
                let version = extent.count + marks(&writers, &gone);
                let mut facts = facts;
                folded.texts.push(TextRow {
                    trace: key,
                    version,
                    sort_at: facts.sort_at,
                    text: std::mem::take(&mut facts.text),
                });
                folded
                    .rows
                    .push(TraceRow::of(facts, extent, version, writers)?);
            }
        }
        Ok(folded)
    }

    /// Moves what was said by a caller's id alone into its trace, once there is one. Whoever folds the later one of the
    /// two sees the other's row.
    fn absorb(&self, rows: &[TraceRow]) -> Result<Vec<String>, StoreError> {
        let mut moves: Vec<(String, String)> = Vec::new();
        let waiting: Vec<&str> = rows
            .iter()
            .filter(|row| row.trace_id.is_none() && row.span_count == 0)
            .filter_map(|row| row.external_trace_id.as_deref())
            .collect();
        if !waiting.is_empty() {
            moves.extend(self.database.rows::<(String, String)>(&format!(
                "SELECT coalesce(external_trace_id, ''), argMin(trace, born) FROM rollout_traces FINAL
                 WHERE external_trace_id IN {} AND trace_id IS NOT NULL GROUP BY external_trace_id",
                list(waiting)
            ))?);
        }
        let named: HashMap<&str, &str> = rows
            .iter()
            .filter(|row| row.trace_id.is_some())
            .filter_map(|row| Some((row.external_trace_id.as_deref()?, row.trace.as_str())))
            .collect();
        if !named.is_empty() {
            let keys: Vec<String> = named.keys().map(|external| nameless(external)).collect();
            let found: Vec<String> = self.database.rows(&format!(
                "SELECT trace FROM rollout_traces FINAL WHERE trace IN {} AND NOT gone AND span_count = 0",
                list(keys.iter().map(String::as_str))
            ))?;
            moves.extend(found.iter().filter_map(|key| {
                let external = external(key)?;
                Some((external.to_owned(), (*named.get(external)?).to_owned()))
            }));
        }
        let mut again = Vec::new();
        for (external, trace) in moves {
            let from = nameless(&external);
            let rows: Vec<StoredEvent> = self.database.rows(&format!(
                "SELECT trace, event_id, writer, arrived, event FROM rollout_events WHERE trace = {}",
                quoted(&from)
            ))?;
            let rows: Vec<EventRow> = rows
                .into_iter()
                .map(|row| EventRow {
                    day: day(row.arrived),
                    trace: trace.clone(),
                    event_id: row.event_id,
                    writer: row.writer,
                    arrived: row.arrived,
                    event: row.event,
                })
                .collect();
            self.database.insert("rollout_events", &rows)?;
            self.database
                .insert("rollout_traces", &[TraceRow::gone(&from)])?;
            again.push(trace);
        }
        Ok(again)
    }

    /// When the processes of some events have gone, as far as they have.
    fn gone<'a>(
        &self,
        events: impl Iterator<Item = &'a Fresh>,
    ) -> Result<HashMap<String, i64>, StoreError> {
        let writers: BTreeSet<&str> = events
            .map(|fresh| &*fresh.writer)
            .filter(|writer| !writer.is_empty())
            .collect();
        if writers.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<Gone> = self.database.rows(&format!(
            "SELECT name, gone_at FROM rollout_writers FINAL WHERE gone_at > 0 AND name IN {}",
            list(writers)
        ))?;
        Ok(rows
            .into_iter()
            .map(|row| (row.name, row.gone_at))
            .collect())
    }

    /// Asks a trace, by its id or the caller's, that is folded for it; `None` where there is none. It is asked by the id
    /// that `ask` is given.
    pub(super) fn of_trace<T>(
        &self,
        id: &str,
        ask: impl FnOnce(&Memory, &str) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.settle()?;
        let Some(extent) = self.find(id)? else {
            return Ok(None);
        };
        let memory = self.memory(&extent)?;
        let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = external(&extent.trace).unwrap_or(&extent.trace);
        ask(&memory, shown).map(Some)
    }

    pub(super) fn find(&self, id: &str) -> Result<Option<Extent>, StoreError> {
        if external(id).is_none()
            && let Some(extent) = self.extents([id].into_iter())?.pop()
        {
            return Ok(Some(extent));
        }
        let key: Option<String> = self.database.row(&format!(
            "SELECT trace FROM rollout_traces FINAL WHERE external_trace_id = {} AND NOT gone
             ORDER BY trace_id IS NULL, sort_at DESC LIMIT 1",
            quoted(id)
        ))?;
        match key {
            Some(key) => Ok(self.extents([key.as_str()].into_iter())?.pop()),
            None => Ok(None),
        }
    }

    /// Some traces in memory, for a look at what their rows do not have.
    pub(super) fn fold_again<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Memory, StoreError> {
        let read = self.read(keys)?;
        let mut memory = Memory::new(Arc::clone(&self.prices))?;
        let nobody = HashMap::new();
        memory.take(read.values().flat_map(|events| arrivals(events, &nobody)))?;
        Ok(memory)
    }

    fn memory(&self, extent: &Extent) -> Result<Arc<Mutex<Memory>>, StoreError> {
        // A process that goes changes a trace without another event of it.
        let writers: Vec<String> = self.database.rows(&format!(
            "SELECT DISTINCT writer FROM rollout_events WHERE trace = {} AND writer <> ''",
            quoted(&extent.trace)
        ))?;
        let gone: HashMap<String, i64> = if writers.is_empty() {
            HashMap::new()
        } else {
            let rows: Vec<Gone> = self.database.rows(&format!(
                "SELECT name, gone_at FROM rollout_writers FINAL WHERE gone_at > 0 AND name IN {}",
                list(writers.iter().map(String::as_str))
            ))?;
            rows.into_iter()
                .map(|row| (row.name, row.gone_at))
                .collect()
        };
        let version = extent.count + gone.len() as u64;
        let find = |known: &mut Vec<Known>| {
            let at = known
                .iter()
                .position(|it| it.key == extent.trace && it.version == version)?;
            let found = known.remove(at);
            let memory = Arc::clone(&found.memory);
            known.push(found);
            Some(memory)
        };
        let lock = || {
            self.remembered
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(memory) = find(&mut lock()) {
            return Ok(memory);
        }
        let read = self.read([extent.trace.as_str()].into_iter())?;
        let events = read.get(&extent.trace).map_or(&[][..], Vec::as_slice);
        let mut memory = Memory::new(Arc::clone(&self.prices))?;
        memory.take(arrivals(events, &gone))?;
        let memory = Arc::new(Mutex::new(memory));
        let mut known = lock();
        known.retain(|it| it.key != extent.trace);
        if known.len() >= REMEMBERED {
            known.remove(0);
        }
        known.push(Known {
            key: extent.trace.clone(),
            version,
            memory: Arc::clone(&memory),
        });
        Ok(memory)
    }

    /// Forgets traces that are removed.
    pub(super) fn forget(&self, keys: &[String]) {
        let mut known = self
            .remembered
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.retain(|it| !keys.contains(&it.key));
    }
}

/// What of some events' order of arrival is to be folded: the events, and when their processes went.
fn arrivals<'a>(events: &'a [Fresh], gone: &'a HashMap<String, i64>) -> Vec<Arrival<'a>> {
    let of: HashSet<&str> = events.iter().map(|fresh| &*fresh.writer).collect();
    let went = of.into_iter().filter_map(|writer| {
        Some(Arrival {
            at: *gone.get(writer)?,
            writer: Some(writer),
            event: None,
        })
    });
    let mut arrivals: Vec<Arrival<'a>> = events
        .iter()
        .map(|fresh| Arrival {
            at: fresh.arrived,
            writer: Some(&*fresh.writer).filter(|writer| !writer.is_empty()),
            event: Some(&fresh.event),
        })
        .chain(went)
        .collect();
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals
}

fn writers(events: &[Fresh]) -> BTreeSet<String> {
    let writers = events.iter().map(|fresh| &*fresh.writer);
    writers
        .filter(|writer| !writer.is_empty())
        .map(str::to_owned)
        .collect()
}

/// How many of these processes have gone.
fn marks(writers: &BTreeSet<String>, gone: &HashMap<String, i64>) -> u64 {
    writers.iter().filter(|it| gone.contains_key(*it)).count() as u64
}

/// Says of an event which trace it is of, where it knows only the caller's id.
pub(super) fn belong(event: &mut Event, key: &str) {
    if external(key).is_none() && event.trace_id.as_deref().unwrap_or_default().is_empty() {
        event.trace_id = Some(key.to_owned());
    }
}

/// Days from 1970 to a time in nanoseconds, as far as ClickHouse's `Date` goes.
pub(super) fn day(nanoseconds: i64) -> u16 {
    const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;
    u16::try_from(nanoseconds.max(0) / DAY).unwrap_or(u16::MAX)
}
