//! Events of one transaction, gathered by trace and span, so that each row is written once.

use std::{borrow::Cow, collections::HashMap};

use rollout_core::event::Event;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{
    dictionary::Dictionary,
    facts::{self, SpanTexts},
    payload, runs, save, search,
};
use crate::{
    fold::{SpanPatch, SpanState, Tally, TraceState, fold},
    prices::Prices,
    store::{Origin, Registration, SpoolRange, StoreError},
};

/// How the ids of events begin that only say what a trace has lost. Whoever has lost it says so, and makes the trace
/// none of his own.
const MARK: &str = "evt_lost_";

/// The working set of a transaction. Holds on to the events until it is flushed.
pub(super) struct Group<'c, 'a> {
    connection: &'c Connection,
    dictionary: &'c mut Dictionary,
    prices: &'c Prices,
    /// Stands in for the time of events that have none.
    arrived: i64,
    traces: Vec<TraceEntry<'a>>,
    by_trace_id: HashMap<&'a str, usize>,
    by_external_id: HashMap<&'a str, usize>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each part of a trace is loaded by itself"
)]
pub(super) struct TraceEntry<'a> {
    pub(super) row: i64,
    /// Made by this transaction: nothing of it is in the database yet.
    pub(super) fresh: bool,
    attributes_loaded: bool,
    run_loaded: bool,
    scored: bool,
    /// Whether this transaction says something new of it.
    changed: bool,
    /// It is another one than before: what is known of it must be read again.
    absorbed: bool,
    pub(super) state: TraceState<'a>,
    spans: Vec<SpanEntry<'a>>,
    by_node: HashMap<Cow<'a, str>, usize>,
}

pub(super) struct SpanEntry<'a> {
    pub(super) row: Option<i64>,
    pub(super) node: Cow<'a, str>,
    attributes_loaded: bool,
    before: Tally,
    /// The texts that filters look at, as they were.
    texts_before: Option<[Option<String>; 5]>,
    pub(super) state: SpanState<'a>,
}

impl<'c, 'a> Group<'c, 'a> {
    pub(super) fn new(
        connection: &'c Connection,
        dictionary: &'c mut Dictionary,
        prices: &'c Prices,
        arrived: i64,
    ) -> Self {
        Self {
            connection,
            dictionary,
            prices,
            arrived,
            traces: Vec::new(),
            by_trace_id: HashMap::new(),
            by_external_id: HashMap::new(),
        }
    }

    /// What is taken next arrived then.
    pub(super) fn arrived_at(&mut self, arrived: i64) {
        self.arrived = arrived;
    }

    /// Takes events. Fails with [`StoreError::Overtaken`], and takes none, if that part of the
    /// spool is stored already.
    pub(super) fn append(
        &mut self,
        events: &'a [Event],
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let writer = match origin {
            Origin::Request(None) => None,
            Origin::Request(Some(writer)) => Some(self.remote_writer(writer)?),
            Origin::Spool(range) => Some(self.advance(range)?),
        };
        for event in events {
            self.take(event, writer)?;
        }
        Ok(())
    }

    /// The row of a process that sends.
    fn remote_writer(&self, name: &str) -> Result<i64, StoreError> {
        let known = self
            .connection
            .prepare_cached("SELECT id FROM writers WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        if let Some(writer) = known {
            return Ok(writer);
        }
        self.connection
            .prepare_cached("INSERT INTO writers (name, remote) VALUES (?1, 1)")?
            .execute([name])?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Moves the position of a spool over a range, and gives its writer's row.
    fn advance(&self, range: &SpoolRange) -> Result<i64, StoreError> {
        let known = self
            .connection
            .prepare_cached("SELECT id, segment, offset FROM writers WHERE name = ?1")?
            .query_row([&range.writer], |row| {
                Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
            })
            .optional()?;
        let (segment, from, to) = (
            range.segment.cast_signed(),
            range.from.cast_signed(),
            range.to.cast_signed(),
        );
        let Some((writer, position)) = known else {
            self.connection
                .prepare_cached("INSERT INTO writers (name, segment, offset) VALUES (?1, ?2, ?3)")?
                .execute(params![range.writer, segment, to])?;
            return Ok(self.connection.last_insert_rowid());
        };
        if position != (segment, from) && (position.0 >= segment || from != 0) {
            return Err(StoreError::Overtaken);
        }
        self.connection
            .prepare_cached(
                "UPDATE writers SET segment = ?2, offset = ?3, gone = 0, remote = 0 WHERE id = ?1",
            )?
            .execute(params![writer, segment, to])?;
        Ok(writer)
    }

    fn take(&mut self, event: &'a Event, writer: Option<i64>) -> Result<(), StoreError> {
        let index = self.find_trace(event)?;
        let trace = &mut self.traces[index];
        let fresh = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO seen (trace, event) VALUES (?1, ?2)")?
            .execute([trace.row, hash(&event.event_id)])?;
        let patch = fold(event, self.arrived);
        if fresh == 0 {
            // Sent over HTTP before its spool was read: that tells which process it is of.
            if let Some(writer) = writer {
                trace.state.writer.get_or_insert(writer);
                if let Some(mut span) = patch.span {
                    let entry = trace.find_span(self.connection, &mut span)?;
                    entry.state.writer.get_or_insert(writer);
                }
            }
            return Ok(());
        }
        trace.changed = true;
        if patch.keep {
            self.connection
                .prepare_cached("INSERT INTO events (trace, span_id, kind, at, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    trace.row,
                    event.span_id,
                    event.event_type.as_str(),
                    patch.at,
                    serde_json::to_string(event).map_err(|error| StoreError::Database(error.to_string()))?,
                ])?;
        }
        if let Some(mut span) = patch.span {
            if span.parent.is_none() || span.branch {
                trace.describe(patch.at, &span);
            }
            let entry = trace.find_span(self.connection, &mut span)?;
            if !span.attributes.is_empty() && !entry.attributes_loaded {
                if let Some(row) = entry.row {
                    entry.state.attributes = save::members(
                        self.connection,
                        "span_payloads",
                        payload::id(row, payload::ATTRIBUTES),
                    )?;
                }
                entry.attributes_loaded = true;
            }
            entry.state.writer = writer.or(entry.state.writer);
            entry.state.apply(patch.at, span);
        }
        if !patch.trace.attributes.is_empty() && !trace.attributes_loaded {
            if !trace.fresh {
                trace.state.attributes = save::members(
                    self.connection,
                    "trace_payloads",
                    payload::id(trace.row, payload::ATTRIBUTES),
                )?;
            }
            trace.attributes_loaded = true;
        }
        if let Some(score) = &patch.score {
            save::score(self.connection, trace.row, patch.at, score)?;
            trace.scored = true;
        }
        if patch.trace.run.is_some() && !trace.run_loaded {
            if !trace.fresh {
                trace.state.run = save::load_run(self.connection, trace.row)?;
            }
            trace.run_loaded = true;
        }
        // It is of the process that began it; of another one only as long as nobody knows better, and never of one that
        // only says what was lost of it.
        let is_mark = event.event_id.starts_with(MARK);
        let is_first = !trace.state.begun && trace.state.writer.is_none() && !is_mark;
        if patch.trace.begins || is_first {
            trace.state.writer = writer;
        }
        trace.state.apply(patch.at, patch.trace);
        Ok(())
    }

    /// The trace that an event belongs to, made if there is none.
    fn find_trace(&mut self, event: &'a Event) -> Result<usize, StoreError> {
        let external = event
            .external_trace_id
            .as_deref()
            .filter(|id| !id.is_empty());
        let Some(trace_id) = event.trace_id.as_deref().filter(|id| !id.is_empty()) else {
            return self.find_external(external.unwrap_or_default());
        };
        let mut index = if let Some(index) = self.by_trace_id.get(trace_id) {
            *index
        } else {
            let found = save::find_trace(self.connection, trace_id)?;
            let index = match (found, external) {
                (Some(row), _) => self.load(row)?,
                // Feedback may have come before the trace did.
                (None, Some(external)) => {
                    match save::find_without_trace_id(self.connection, external)? {
                        Some(row) => {
                            save::name_trace(self.connection, row, trace_id)?;
                            self.load(row)?
                        }
                        None => self.insert(Some(trace_id), Some(external))?,
                    }
                }
                (None, None) => self.insert(Some(trace_id), None)?,
            };
            self.by_trace_id.insert(trace_id, index);
            index
        };
        if let Some(external) = external
            && self.by_external_id.get(external) != Some(&index)
        {
            let row = self.traces[index].row;
            if let Some(nameless) = save::find_without_trace_id(self.connection, external)? {
                self.flush()?;
                save::absorb(self.connection, row, nameless)?;
                let mut facts = facts::Writing::new(self.connection, self.dictionary);
                facts.remove(nameless)?;
                facts.finish()?;
                index = self.load(row)?;
                self.traces[index].absorbed = true;
                self.by_trace_id.insert(trace_id, index);
            }
            save::name_externally(self.connection, row, external)?;
            self.by_external_id.insert(external, index);
        }
        Ok(index)
    }

    fn find_external(&mut self, external: &'a str) -> Result<usize, StoreError> {
        if let Some(index) = self.by_external_id.get(external) {
            return Ok(*index);
        }
        let index = match save::find_external(self.connection, external)? {
            Some(row) => self.load(row)?,
            None => self.insert(None, Some(external))?,
        };
        self.by_external_id.insert(external, index);
        Ok(index)
    }

    fn insert(
        &mut self,
        trace_id: Option<&str>,
        external: Option<&str>,
    ) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached("INSERT INTO traces (trace_id, external_trace_id) VALUES (?1, ?2)")?
            .execute([trace_id, external])?;
        let row = self.connection.last_insert_rowid();
        self.push(row, true, TraceState::default())
    }

    fn load(&mut self, row: i64) -> Result<usize, StoreError> {
        if let Some(index) = self.traces.iter().position(|trace| trace.row == row) {
            return Ok(index);
        }
        let state = save::load_trace(self.connection, row)?;
        self.push(row, false, state)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "ends a chain of calls that can fail"
    )]
    fn push(&mut self, row: i64, fresh: bool, state: TraceState<'a>) -> Result<usize, StoreError> {
        self.traces.push(TraceEntry {
            row,
            fresh,
            attributes_loaded: false,
            run_loaded: false,
            scored: false,
            changed: false,
            absorbed: false,
            state,
            spans: Vec::new(),
            by_node: HashMap::new(),
        });
        Ok(self.traces.len() - 1)
    }

    /// Writes down that something is registered.
    pub(super) fn register(&self, registration: &Registration) -> Result<(), StoreError> {
        runs::register(self.connection, registration, self.arrived)
    }

    /// Marks what a process has left open.
    pub(super) fn writer_gone(&mut self, writer: &str) -> Result<(), StoreError> {
        self.flush()?;
        let changed = save::interrupt(self.connection, writer)?;
        let mut facts = facts::Writing::new(self.connection, self.dictionary);
        for trace in changed {
            facts.reread(trace)?;
        }
        facts.finish()
    }

    /// Writes everything to the database and forgets it.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.by_trace_id.clear();
        self.by_external_id.clear();
        let mut facts = facts::Writing::new(self.connection, self.dictionary);
        for mut trace in self.traces.drain(..) {
            let (mut spans, mut respan) = (Vec::new(), false);
            for mut span in trace.spans.drain(..) {
                span.state.price(self.prices);
                let row = save::span(self.connection, trace.row, &mut span)?;
                save::span_payloads(self.connection, row, &span.state)?;
                trace.state.tally.replace(&span.before, &span.state.tally());
                facts.span(&texts(&span.state), &mut spans)?;
                respan |= span.texts_changed();
                trace.state.preview_output_of(&span.state);
            }
            save::resolve_link(self.connection, trace.row, &mut trace.state)?;
            let status = save::trace(self.connection, &trace)?;
            save::trace_payloads(self.connection, trace.row, &trace.state)?;
            if let Some(run) = &trace.state.run {
                save::run(self.connection, trace.row, run)?;
                if let Some(run_id) = &run.run_id {
                    let began = trace.state.life.started_at.or(trace.state.first_at);
                    runs::named(self.connection, run_id, began.unwrap_or(self.arrived))?;
                }
            }
            if trace.absorbed {
                facts.reread(trace.row)?;
            } else {
                let said = facts::Said {
                    state: &trace.state,
                    status: &status,
                    fresh: trace.fresh,
                    metadata: trace.fresh || trace.attributes_loaded,
                    run: trace.fresh || trace.run_loaded,
                    agent: trace.state.agent.is_some(),
                    scored: trace.scored,
                    spans,
                    respan,
                };
                facts.trace(trace.row, said)?;
            }
            if trace.state.runs && (trace.changed || trace.absorbed) {
                search::note(self.connection, trace.row, self.arrived)?;
            }
        }
        facts.finish()
    }
}

/// The texts of a span that filters look at.
fn texts<'s>(state: &'s SpanState<'_>) -> SpanTexts<'s> {
    SpanTexts {
        kind: state.kind.as_deref(),
        name: state.life.name.as_deref(),
        model: state.model.as_deref(),
        provider: state.provider.as_deref(),
        error: state.life.error_kind.as_deref(),
    }
}

impl SpanEntry<'_> {
    /// Whether a text that was there is another one now.
    fn texts_changed(&self) -> bool {
        let Some(before) = &self.texts_before else {
            return false;
        };
        let now = texts(&self.state);
        let now = [now.kind, now.name, now.model, now.provider, now.error];
        // A span without a type counts as one of the type `span`.
        let mut known = before.iter().zip(now);
        before[0].as_deref() != now[0]
            || known.any(|(before, now)| before.is_some() && before.as_deref() != now)
    }
}

impl<'a> TraceEntry<'a> {
    /// Shows a trace that says nothing of itself by a span on top of it.
    fn describe(&mut self, at: i64, span: &SpanPatch<'a>) {
        let state = &mut self.state;
        if state.life.name.is_none() {
            state.life.name = span.life.name.map(Cow::Borrowed);
        }
        if let Some(input) = span.input {
            state.preview(input, at.saturating_neg());
        }
    }

    /// The span that a patch is about, empty if it is new.
    fn find_span(
        &mut self,
        connection: &Connection,
        patch: &mut SpanPatch<'a>,
    ) -> Result<&mut SpanEntry<'a>, StoreError> {
        let mut index = self.load_span(connection, Cow::Borrowed(patch.node))?;
        let known = &self.spans[index].state;
        let is_other = known.facts_at != 0 && known.kind.as_deref() != Some("tool");
        if patch.borrowed && is_other {
            // The id is that of the span around the tool: the tool gets a node of its own.
            patch.parent = Some(patch.node);
            index = self.load_span(connection, Cow::Owned(format!("tool:{}", patch.node)))?;
        }
        Ok(&mut self.spans[index])
    }

    fn load_span(
        &mut self,
        connection: &Connection,
        node: Cow<'a, str>,
    ) -> Result<usize, StoreError> {
        if let Some(index) = self.by_node.get(&node) {
            return Ok(*index);
        }
        let found = if self.fresh {
            None
        } else {
            save::load_span(connection, self.row, &node)?
        };
        let (row, state) = found.map_or_else(
            || (None, SpanState::default()),
            |(row, state)| (Some(row), state),
        );
        let texts_before = row.map(|_| {
            let texts = texts(&state);
            [
                texts.kind,
                texts.name,
                texts.model,
                texts.provider,
                texts.error,
            ]
            .map(|text| text.map(str::to_owned))
        });
        self.spans.push(SpanEntry {
            row,
            node: node.clone(),
            texts_before,
            attributes_loaded: false,
            before: if row.is_some() {
                state.tally()
            } else {
                Tally::default()
            },
            state,
        });
        let index = self.spans.len() - 1;
        self.by_node.insert(node, index);
        Ok(index)
    }
}

/// 64 bits of an event's id. Compared within one trace only, so that even among a million events
/// two ids meet once in tens of millions of traces.
fn hash(event_id: &str) -> i64 {
    let digest: [u8; 32] = Sha256::digest(event_id.as_bytes()).into();
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(head)
}
