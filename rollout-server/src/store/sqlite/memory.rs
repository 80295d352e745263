//! Traces folded in memory: what another store knows of them only as events, by the code that folds them into a file.

use std::{collections::BTreeMap, sync::Arc};

use rollout_core::event::Event;
use rusqlite::{Connection, params};

use super::{
    detail,
    dictionary::Dictionary,
    events,
    group::Group,
    list::{SUMMARY, TRACES, summary},
    migrations, payload, reprice, search,
    spans::{self, Trees},
};
use crate::{
    fold::Cost,
    prices::Prices,
    query::{Found, SpanDetail, SpanPage, TraceDetail, TraceSummary, found::Needle},
    store::{Origin, StoreError},
};

/// A few traces in memory.
pub(in crate::store) struct Memory {
    connection: Connection,
    prices: Arc<Prices>,
    dictionary: Dictionary,
    trees: Trees,
}

/// Something that arrived.
pub(in crate::store) struct Arrival<'a> {
    /// When, in nanoseconds since 1970. What arrives is given in this order.
    pub(in crate::store) at: i64,
    /// The process that it is of, where that is known.
    pub(in crate::store) writer: Option<&'a str>,
    /// An event; without one, the process is gone.
    pub(in crate::store) event: Option<&'a Event>,
}

/// What lists, filters and sums know of a trace.
pub(in crate::store) struct Facts {
    pub(in crate::store) trace_id: Option<String>,
    /// As lists show it.
    pub(in crate::store) summary: TraceSummary,
    pub(in crate::store) runs: bool,
    /// Whether something of it may yet be interrupted.
    pub(in crate::store) open: bool,
    pub(in crate::store) sort_at: i64,
    pub(in crate::store) ended_at: Option<i64>,
    /// How long it took, in nanoseconds.
    pub(in crate::store) took: Option<i64>,
    pub(in crate::store) account_id: Option<String>,
    /// The trace and the span that called it.
    pub(in crate::store) link: (Option<String>, Option<String>),
    pub(in crate::store) version: Option<String>,
    pub(in crate::store) environment: Option<String>,
    /// Its attributes: texts as they are, anything else as JSON.
    pub(in crate::store) meta: BTreeMap<String, String>,
    pub(in crate::store) types: Vec<String>,
    pub(in crate::store) span_names: Vec<String>,
    pub(in crate::store) tools: Vec<String>,
    pub(in crate::store) models: Vec<String>,
    pub(in crate::store) providers: Vec<String>,
    pub(in crate::store) span_errors: Vec<String>,
    /// Ids of spans that may be called a caller by themselves: those that are not W3C's.
    pub(in crate::store) foreign_spans: Vec<String>,
    /// All that is searched for a text, its parts apart by zeros.
    pub(in crate::store) text: String,
}

impl Memory {
    /// Empty memory, in which model calls that report no cost get one by these prices.
    pub(in crate::store) fn new(prices: Arc<Prices>) -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "journal_mode", "OFF")?;
        migrations::migrate(&mut connection)?;
        Ok(Self {
            connection,
            prices,
            dictionary: Dictionary::default(),
            trees: Trees::default(),
        })
    }

    /// Takes what arrived, in its order.
    pub(in crate::store) fn take<'a>(
        &mut self,
        arrivals: impl IntoIterator<Item = Arrival<'a>>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        let mut group = Group::new(&transaction, &mut self.dictionary, &self.prices, 0);
        for arrival in arrivals {
            group.arrived_at(arrival.at);
            let writer = arrival.writer.map(str::to_owned);
            match (arrival.event, writer) {
                (Some(event), writer) => {
                    group.append(std::slice::from_ref(event), &Origin::Request(writer))?;
                }
                (None, Some(writer)) => group.writer_gone(&writer)?,
                (None, None) => {}
            }
        }
        group.flush()?;
        drop(group);
        Ok(transaction.commit()?)
    }

    pub(in crate::store) fn trace(&self, id: &str) -> Result<Option<TraceDetail>, StoreError> {
        detail::trace(&self.connection, id)
    }

    pub(in crate::store) fn spans(
        &self,
        id: &str,
        offset: u64,
        limit: u64,
    ) -> Result<Option<SpanPage>, StoreError> {
        spans::page(&self.connection, &self.trees, id, offset, limit)
    }

    pub(in crate::store) fn span(
        &self,
        id: &str,
        span_id: &str,
    ) -> Result<Option<SpanDetail>, StoreError> {
        spans::detail(&self.connection, &self.trees, id, span_id)
    }

    pub(in crate::store) fn events(
        &self,
        id: &str,
        tell: &mut dyn FnMut(Event) -> bool,
    ) -> Result<bool, StoreError> {
        events::tell(&self.connection, &self.trees, id, tell)
    }

    /// The trace and the span that called a trace.
    pub(in crate::store) fn link(
        &self,
        id: &str,
    ) -> Result<(Option<String>, Option<String>), StoreError> {
        let Some((row, _)) = detail::find(&self.connection, id)? else {
            return Ok((None, None));
        };
        let link = self
            .connection
            .prepare_cached("SELECT link_trace_id, link_span_id FROM traces WHERE id = ?1")?
            .query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(link)
    }

    /// Where a trace has the first of some texts.
    pub(in crate::store) fn found(
        &self,
        id: &str,
        texts: &[(Needle, bool)],
    ) -> Result<Option<Found>, StoreError> {
        match detail::find(&self.connection, id)? {
            Some((row, _)) => Ok(search::read(&self.connection, row, texts)?.found),
            None => Ok(None),
        }
    }

    /// How many model calls have no price, by `MODEL (PROVIDER)`.
    pub(in crate::store) fn unpriced(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT model, provider FROM spans WHERE cost_from = ?1")?;
        let rows = statement.query_map([Cost::Unpriced.parts().0], |row| {
            Ok(reprice::call_name(row.get(0)?, row.get(1)?))
        })?;
        let mut calls = BTreeMap::new();
        for call in rows {
            *calls.entry(call?).or_default() += 1;
        }
        Ok(calls)
    }

    /// What is known of all of them.
    pub(in crate::store) fn facts(&self) -> Result<Vec<Facts>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SUMMARY}, trace_id, runs, open_count, account_id, link_trace_id, link_span_id FROM {TRACES}"
        ))?;
        let rows = statement.query_map([], |row| {
            let (duration, started_at): (Option<i64>, Option<i64>) =
                (row.get("duration")?, row.get("started_at")?);
            let ended_at: Option<i64> = row.get("ended_at")?;
            let facts = Facts {
                trace_id: row.get("trace_id")?,
                summary: summary(row)?,
                runs: row.get("runs")?,
                open: ended_at.is_none() || row.get::<_, i64>("open_count")? > 0,
                sort_at: row.get("sort_at")?,
                ended_at,
                took: duration.or_else(|| Some(ended_at?.saturating_sub(started_at?).max(0))),
                account_id: row.get("account_id")?,
                link: (row.get("link_trace_id")?, row.get("link_span_id")?),
                version: None,
                environment: None,
                meta: BTreeMap::new(),
                types: Vec::new(),
                span_names: Vec::new(),
                tools: Vec::new(),
                models: Vec::new(),
                providers: Vec::new(),
                span_errors: Vec::new(),
                foreign_spans: Vec::new(),
                text: String::new(),
            };
            Ok((row.get::<_, i64>("id")?, facts))
        })?;
        let rows: Vec<(i64, Facts)> = rows.collect::<Result<_, _>>()?;
        rows.into_iter()
            .map(|(row, mut facts)| {
                let of_agent = self.members(row, payload::AGENT)?;
                facts.version = of_agent.get("version").cloned();
                facts.environment = of_agent.get("environment").cloned();
                facts.meta = self.members(row, payload::ATTRIBUTES)?;
                facts.types = self.distinct(row, "coalesce(kind, 'span')")?;
                facts.span_names = self.distinct(row, "name")?;
                facts.tools = self.distinct(row, "iif(kind = 'tool', name, NULL)")?;
                facts.models = self.distinct(row, "model")?;
                facts.providers = self.distinct(row, "provider")?;
                facts.span_errors = self.distinct(row, "error_kind")?;
                facts.foreign_spans =
                    self.distinct(row, "iif(length(span_id) <> 16, span_id, NULL)")?;
                facts.text = search::all(&self.connection, row)?;
                Ok(facts)
            })
            .collect()
    }

    fn distinct(&self, trace: i64, column: &str) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT DISTINCT {column} FROM spans WHERE trace = ?1 AND {column} IS NOT NULL"
        ))?;
        let values = statement.query_map([trace], |row| row.get(0))?;
        Ok(values.collect::<Result<_, _>>()?)
    }

    /// The members of one of a trace's objects: texts as they are, anything else as JSON.
    fn members(&self, trace: i64, what: i64) -> Result<BTreeMap<String, String>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, iif(member.type = 'text', member.value, body -> member.fullkey)
             FROM trace_payloads, json_each(body) AS member WHERE trace_payloads.id = ?1",
        )?;
        let members = statement.query_map(params![payload::id(trace, what)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok(members.collect::<Result<_, _>>()?)
    }
}
