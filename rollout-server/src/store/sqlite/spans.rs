//! A trace's spans in tree order, and one of them with its payloads.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    detail::{self, Payloads},
    list::{failure, milliseconds, time},
    payload,
    save::{self, json},
};
use crate::{
    fold::{CODE, Cost, TRUNCATED, read},
    query::{
        CodeLocation, CostSource, MAX_SPANS, SpanDetail, SpanPage, SpanRow,
        tree::{self, Node},
    },
    store::StoreError,
};

/// Traces whose order is remembered.
const REMEMBERED: usize = 8;

/// What [`span_row`] reads.
const ROW: &str = "id, span_id, parent, kind, name, status, started_at, ended_at, duration, model, provider, usage, cost_from, priced_usd,
    error_kind, error_message, tool_call_id";

/// The order of the traces that were looked at last, since pages of one trace are asked for in
/// a row.
#[derive(Default)]
pub(super) struct Trees(Mutex<VecDeque<Arc<Tree>>>);

/// The order of one trace's spans at one version of it.
pub(super) struct Tree {
    trace: i64,
    version: i64,
    pub(super) places: Vec<Place>,
    /// Indices of the places, in the order of their rows.
    by_row: Vec<u32>,
}

impl Tree {
    fn new(trace: i64, version: i64, places: Vec<Place>) -> Self {
        let mut by_row: Vec<u32> = (0..places.len() as u32).collect();
        by_row.sort_unstable_by_key(|index| places[*index as usize].row);
        Self {
            trace,
            version,
            places,
            by_row,
        }
    }

    /// The place of a row.
    fn place(&self, row: i64) -> Option<Place> {
        let place = |index: &u32| self.places[*index as usize];
        let found = self
            .by_row
            .binary_search_by_key(&row, |index| place(index).row);
        found.ok().map(|at| place(&self.by_row[at]))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) row: i64,
    pub(super) depth: u32,
    has_parent: bool,
}

impl Trees {
    pub(super) fn of(
        &self,
        connection: &Connection,
        trace: i64,
        version: i64,
    ) -> Result<Arc<Tree>, StoreError> {
        let known = |tree: &&Arc<Tree>| (tree.trace, tree.version) == (trace, version);
        if let Some(tree) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find(known)
        {
            return Ok(Arc::clone(tree));
        }
        let tree = Arc::new(Tree::new(trace, version, places(connection, trace)?));
        let mut trees = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trees.retain(|other| other.trace != trace);
        trees.truncate(REMEMBERED - 1);
        trees.push_front(Arc::clone(&tree));
        Ok(tree)
    }
}

fn places(connection: &Connection, trace: i64) -> Result<Vec<Place>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, span_id, parent FROM spans WHERE trace = ?1
         ORDER BY coalesce(started_at, ended_at, facts_at), id",
    )?;
    let rows = statement.query_map([trace], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows: Vec<(i64, String, Option<String>)> = rows.collect::<Result<_, _>>()?;
    let nodes: Vec<Node<'_>> = rows
        .iter()
        .map(|(_, id, parent)| Node {
            id,
            parent: parent.as_deref(),
        })
        .collect();
    let places = tree::order(&nodes).into_iter().map(|place| Place {
        row: rows[place.index].0,
        depth: place.depth,
        has_parent: place.parent.is_some(),
    });
    Ok(places.collect())
}

pub(super) fn page(
    connection: &Connection,
    trees: &Trees,
    trace_id: &str,
    offset: u64,
    limit: u64,
) -> Result<Option<SpanPage>, StoreError> {
    let Some((trace, version)) = detail::find(connection, trace_id)? else {
        return Ok(None);
    };
    let tree = trees.of(connection, trace, version)?;
    let start =
        usize::try_from(offset).map_or(tree.places.len(), |offset| offset.min(tree.places.len()));
    let end = tree.places.len().min(start + limit.min(MAX_SPANS) as usize);
    let mut statement =
        connection.prepare_cached(&format!("SELECT {ROW} FROM spans WHERE id = ?1"))?;
    let spans = tree.places[start..end]
        .iter()
        .map(|place| statement.query_row([place.row], |row| span_row(row, *place)))
        .collect::<Result<_, _>>()?;
    Ok(Some(SpanPage {
        total: tree.places.len() as u64,
        spans,
    }))
}

fn span_row(row: &Row<'_>, place: Place) -> rusqlite::Result<SpanRow> {
    let started_at = row.get("started_at")?;
    let usage: rollout_core::event::Usage = json(row, "usage")?;
    let priced_usd = match save::cost(row)? {
        Cost::Priced(usd) => Some(usd),
        _ => None,
    };
    Ok(SpanRow {
        span_id: row.get("span_id")?,
        parent_span_id: row
            .get::<_, Option<String>>("parent")?
            .filter(|_| place.has_parent),
        depth: place.depth,
        kind: row
            .get::<_, Option<String>>("kind")?
            .unwrap_or_else(|| "span".to_owned()),
        name: row.get("name")?,
        status: row.get("status")?,
        started_at: time(started_at),
        duration_ms: milliseconds(row.get("duration")?, started_at, row.get("ended_at")?),
        model: row.get("model")?,
        provider: row.get("provider")?,
        cost_usd: usage.cost_usd.or(priced_usd),
        cost_source: CostSource::of_calls(
            usage.cost_usd.or(priced_usd).is_some(),
            usage.cost_usd.is_some(),
            priced_usd.is_some(),
        ),
        usage,
        error: failure(row)?,
    })
}

pub(super) fn detail(
    connection: &Connection,
    trees: &Trees,
    trace_id: &str,
    span_id: &str,
) -> Result<Option<SpanDetail>, StoreError> {
    let Some((trace, version)) = detail::find(connection, trace_id)? else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ROW} FROM spans WHERE trace = ?1 AND span_id = ?2"
    ))?;
    let tree = trees.of(connection, trace, version)?;
    let found = statement.query_row(params![trace, span_id], |row| {
        let id: i64 = row.get("id")?;
        Bare::of(row, id, tree.place(id))
    });
    let Some(bare) = found.optional()? else {
        return Ok(None);
    };
    let mut span = bare.with_payloads(connection, trace_id)?;
    span.events = detail::span_events(connection, trace, span_id)?;
    Ok(Some(span))
}

/// Tells all spans with their payloads, in tree order.
pub(super) fn details(
    connection: &Connection,
    trees: &Trees,
    trace_id: &str,
    tell: &mut dyn FnMut(SpanDetail) -> bool,
) -> Result<bool, StoreError> {
    let Some((trace, version)) = detail::find(connection, trace_id)? else {
        return Ok(false);
    };
    let tree = trees.of(connection, trace, version)?;
    let mut statement =
        connection.prepare_cached(&format!("SELECT {ROW} FROM spans WHERE id = ?1"))?;
    for place in &tree.places {
        let bare =
            statement.query_row([place.row], |row| Bare::of(row, place.row, Some(*place)))?;
        if !tell(bare.with_payloads(connection, trace_id)?) {
            break;
        }
    }
    Ok(true)
}

/// A span without its payloads.
struct Bare {
    id: i64,
    row: SpanRow,
    ended_at: Option<i64>,
    tool_call_id: Option<String>,
}

impl Bare {
    fn of(row: &Row<'_>, id: i64, place: Option<Place>) -> rusqlite::Result<Self> {
        let place = place.unwrap_or(Place {
            row: id,
            depth: 0,
            has_parent: false,
        });
        Ok(Self {
            id,
            row: span_row(row, place)?,
            ended_at: row.get("ended_at")?,
            tool_call_id: row.get("tool_call_id")?,
        })
    }

    fn with_payloads(
        mut self,
        connection: &Connection,
        trace_id: &str,
    ) -> Result<SpanDetail, StoreError> {
        let mut payloads = Payloads::of(connection, "span_payloads", self.id)?;
        let mut attributes = payloads.members(payload::ATTRIBUTES);
        detail::complete(&mut self.row.error, &mut attributes);
        let [file, line, function] = CODE.map(|name| attributes.remove(name));
        let code = CodeLocation {
            file: file.and_then(|file| read(file.as_str())),
            line: line.and_then(|line| read(line.as_str())),
            function: function.and_then(|function| read(function.as_str())),
        };
        let truncated = attributes.remove(TRUNCATED);
        Ok(SpanDetail {
            row: self.row,
            trace_id: trace_id.to_owned(),
            ended_at: time(self.ended_at),
            tool_call_id: self.tool_call_id,
            input: payloads.take(payload::INPUT),
            output: payloads
                .take(payload::OUTPUT)
                .or_else(|| payloads.take(payload::PREVIEW)),
            attributes,
            code: (code != CodeLocation::default()).then_some(code),
            truncated: truncated
                .and_then(|sizes| read(sizes.as_str()))
                .unwrap_or_default(),
            events: Vec::new(),
        })
    }
}
