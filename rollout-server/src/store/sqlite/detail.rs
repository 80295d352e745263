//! One trace with all that belongs to it as a whole.

use std::collections::BTreeMap;

use rollout_core::event::{Event, EventType, RawJson, RawObject};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::{
    list::{SUMMARY, TRACES, summary, time},
    payload,
};
use crate::{
    fold::{ERROR_CHAIN, ERROR_MESSAGE, INTRA_INDEX, REPEATED, TURN_INDEX, read},
    query::{EventRow, Failure, FeedbackRow, MessageRow, TraceContext, TraceDetail, TraceLink},
    store::StoreError,
};

/// Events of one kind that a page shows at most; a stream may have brought many more chunks.
const SHOWN_EVENTS: i64 = 10_000;

/// The row and version of a trace, by its id or the caller's.
pub(super) fn find(
    connection: &Connection,
    trace_id: &str,
) -> Result<Option<(i64, i64)>, StoreError> {
    for sql in [
        "SELECT id, version FROM traces WHERE trace_id = ?1",
        "SELECT id, version FROM traces WHERE external_trace_id = ?1
         ORDER BY trace_id IS NULL, sort_at DESC LIMIT 1",
    ] {
        let found = connection
            .prepare_cached(sql)?
            .query_row([trace_id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

pub(super) fn trace(
    connection: &Connection,
    trace_id: &str,
) -> Result<Option<TraceDetail>, StoreError> {
    let Some((trace, _)) = find(connection, trace_id)? else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {SUMMARY}, account_id, link_trace_id, link_span_id FROM {TRACES} WHERE id = ?1"
    ))?;
    let (mut summary, account_id, link) = statement.query_row([trace], |row| {
        let link: (Option<String>, Option<String>) =
            (row.get("link_trace_id")?, row.get("link_span_id")?);
        Ok((summary(row)?, row.get("account_id")?, link))
    })?;
    let mut payloads = Payloads::of(connection, "trace_payloads", trace)?;
    let mut metadata = payloads.members(payload::ATTRIBUTES);
    complete(&mut summary.error, &mut metadata);
    let links = links(connection, trace, &summary.trace_id, link)?;
    let (messages, feedback, signals) = (
        said(connection, trace, "message", message)?,
        said(connection, trace, "feedback", feedback)?,
        said(connection, trace, "user.signal", self::feedback)?,
    );
    Ok(Some(TraceDetail {
        summary,
        input: payloads.take(payload::INPUT),
        output: payloads.take(payload::OUTPUT),
        metadata,
        context: TraceContext {
            user_traits: payloads.take(payload::USER_TRAITS),
            account_id,
            account_traits: payloads.take(payload::ACCOUNT_TRAITS),
            agent: payloads.texts(payload::AGENT),
            ids: payloads.texts(payload::IDS),
        },
        messages,
        feedback,
        signals,
        links,
        events: trace_events(connection, trace)?,
    }))
}

/// Adds to an error what rides in the attributes: its causes, and a message that is long.
pub(super) fn complete(error: &mut Option<Failure>, attributes: &mut BTreeMap<String, RawJson>) {
    let (chain, message) = (
        attributes.remove(ERROR_CHAIN),
        attributes.remove(ERROR_MESSAGE),
    );
    if let Some(error) = error {
        error.chain = chain
            .and_then(|chain| read(chain.as_str()))
            .unwrap_or_default();
        error.message = message
            .and_then(|message| read(message.as_str()))
            .or(error.message.take());
    }
}

/// The payloads of a trace or span, as far as nobody has taken them.
pub(super) struct Payloads(BTreeMap<i64, String>);

impl Payloads {
    pub(super) fn of(connection: &Connection, table: &str, row: i64) -> Result<Self, StoreError> {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT id, body FROM {table} WHERE id BETWEEN ?1 AND ?2"
        ))?;
        let first = payload::id(row, 0);
        let rows = statement.query_map([first, payload::id(row, 7)], |row| {
            Ok((row.get::<_, i64>(0)? - first, row.get(1)?))
        })?;
        Ok(Self(rows.collect::<Result<_, _>>()?))
    }

    pub(super) fn take(&mut self, what: i64) -> Option<RawJson> {
        RawJson::parse(self.0.remove(&what)?).ok()
    }

    pub(super) fn members(&mut self, what: i64) -> BTreeMap<String, RawJson> {
        let object = self
            .0
            .remove(&what)
            .and_then(|body| RawObject::parse(body).ok());
        object.as_ref().map(members).unwrap_or_default()
    }

    fn texts(&mut self, what: i64) -> BTreeMap<String, String> {
        self.0
            .remove(&what)
            .and_then(|body| read(&body))
            .unwrap_or_default()
    }
}

fn members(object: &RawObject) -> BTreeMap<String, RawJson> {
    let members = object.members().into_iter();
    members
        .map(|(name, value)| (name.into_owned(), value.to_owned().into()))
        .collect()
}

/// What an event itself says in its attributes.
fn attributes(object: Option<&RawObject>) -> BTreeMap<String, RawJson> {
    let mut attributes = object.map(members).unwrap_or_default();
    attributes.retain(|name, _| !REPEATED.contains(&name.as_str()));
    attributes
}

fn links(
    connection: &Connection,
    trace: i64,
    trace_id: &str,
    (caller, span_id): (Option<String>, Option<String>),
) -> Result<Vec<TraceLink>, StoreError> {
    let caller = match (caller, &span_id) {
        (None, Some(span_id)) => connection
            .prepare_cached(
                "SELECT traces.trace_id FROM spans JOIN traces ON traces.id = spans.trace
                 WHERE span_id = ?1 AND length(span_id) <> 16 AND traces.id <> ?2 LIMIT 1",
            )?
            .query_row(params![span_id, trace], |row| row.get(0))
            .optional()?
            .flatten(),
        (caller, _) => caller,
    };
    let mut links = Vec::new();
    if let Some(trace_id) = caller {
        let name = connection
            .prepare_cached("SELECT name FROM traces WHERE trace_id = ?1")?
            .query_row([&trace_id], |row| row.get(0))
            .optional()?
            .flatten();
        links.push(TraceLink {
            relation: "caller".to_owned(),
            trace_id,
            span_id,
            name,
        });
    }
    let mut statement = connection.prepare_cached(
        "SELECT trace_id, link_span_id, name FROM traces WHERE link_trace_id = ?1 AND id <> ?2 ORDER BY sort_at, id",
    )?;
    let callees = statement.query_map(params![trace_id, trace], |row| {
        Ok(TraceLink {
            relation: "callee".to_owned(),
            trace_id: row.get::<_, Option<String>>(0)?.unwrap_or_default(),
            span_id: row.get(1)?,
            name: row.get(2)?,
        })
    })?;
    for callee in callees {
        links.push(callee?);
    }
    Ok(links)
}

/// What was said in a trace, of one type, in order.
fn said<T>(
    connection: &Connection,
    trace: i64,
    kind: &str,
    shape: impl Fn(Event, i64) -> Option<T>,
) -> Result<Vec<T>, StoreError> {
    let rows = rows(
        connection,
        "SELECT at, body FROM events WHERE trace = ?1 AND kind = ?2 ORDER BY at, id LIMIT ?3",
        params![trace, kind, SHOWN_EVENTS],
    )?;
    let events = rows
        .into_iter()
        .filter_map(|(at, body)| shape(serde_json::from_str(&body).ok()?, at));
    Ok(events.collect())
}

fn rows(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<(i64, String)>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn message(event: Event, at: i64) -> Option<MessageRow> {
    let message = event.message;
    let mut attributes = attributes(event.attributes.as_ref());
    let mut number = |name| attributes.remove(name).and_then(|it| read(it.as_str()));
    let (turn_index, intra_index) = (number(TURN_INDEX), number(INTRA_INDEX));
    Some(MessageRow {
        at: time(Some(at))?,
        span_id: event.span_id,
        id: message.id,
        role: message.role,
        content: message.content,
        content_type: message.content_type,
        tool_call_id: message.tool_call_id,
        index: message.index,
        is_internal: message.is_internal,
        turn_index,
        intra_index,
        attributes,
    })
}

fn feedback(event: Event, at: i64) -> Option<FeedbackRow> {
    let mut attributes = attributes(event.attributes.as_ref());
    Some(FeedbackRow {
        at: time(Some(at))?,
        span_id: event.span_id,
        name: event.name,
        value: attributes.remove("value"),
        attributes,
    })
}

/// What was reported outside of the trace's spans.
fn trace_events(connection: &Connection, trace: i64) -> Result<Vec<EventRow>, StoreError> {
    let rows = rows(
        connection,
        "SELECT at, body FROM events WHERE trace = ?1 AND kind NOT IN ('message', 'feedback', 'user.signal')
         AND NOT EXISTS (SELECT 1 FROM spans WHERE spans.trace = ?1 AND spans.span_id = events.span_id)
         ORDER BY at, id LIMIT ?2",
        params![trace, SHOWN_EVENTS],
    )?;
    Ok(rows.into_iter().filter_map(event).collect())
}

/// What was reported inside of a span.
pub(super) fn span_events(
    connection: &Connection,
    trace: i64,
    span_id: &str,
) -> Result<Vec<EventRow>, StoreError> {
    let rows = rows(
        connection,
        "SELECT at, body FROM events WHERE trace = ?1 AND span_id = ?2 ORDER BY at, id LIMIT ?3",
        params![trace, span_id, SHOWN_EVENTS],
    )?;
    Ok(rows.into_iter().filter_map(event).collect())
}

fn event((at, body): (i64, String)) -> Option<EventRow> {
    let event: Event = serde_json::from_str(&body).ok()?;
    let attributes = attributes(event.attributes.as_ref());
    let mut data = members(&RawObject::parse(body).ok()?);
    for said_elsewhere in [
        "event_id",
        "event_type",
        "schema_version",
        "trace_id",
        "external_trace_id",
        "span_id",
        "parent_span_id",
        "sequence",
        "occurred_at",
        "name",
        "status",
        // The same on every event of the trace.
        "agent",
    ] {
        data.remove(said_elsewhere);
    }
    if event.event_type != EventType::IdentityUpdate {
        data.remove("context");
    }
    data.remove("attributes");
    if !attributes.is_empty() {
        data.insert("attributes".to_owned(), RawJson::of(&attributes).ok()?);
    }
    data.retain(|_, value| value.as_str() != "{}");
    Some(EventRow {
        at: time(Some(at))?,
        kind: event.event_type.as_str().to_owned(),
        name: event.name,
        status: event.status,
        data,
    })
}
