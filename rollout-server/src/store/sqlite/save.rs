//! The statements behind a [`Group`](super::group::Group): rows in, rows out.

use std::borrow::Cow;

use rollout_core::event::Usage;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{
    group::{SpanEntry, TraceEntry},
    payload,
};
use crate::{
    fold::{Cost, LifeState, Members, RunState, Said, Score, SpanState, Tally, TraceState},
    store::StoreError,
};

pub(super) fn find_trace(
    connection: &Connection,
    trace_id: &str,
) -> Result<Option<i64>, StoreError> {
    find(
        connection,
        "SELECT id FROM traces WHERE trace_id = ?1",
        trace_id,
    )
}

/// The newest trace of a caller's id.
pub(super) fn find_external(
    connection: &Connection,
    external: &str,
) -> Result<Option<i64>, StoreError> {
    find(
        connection,
        "SELECT id FROM traces WHERE external_trace_id = ?1 ORDER BY trace_id IS NULL, sort_at DESC LIMIT 1",
        external,
    )
}

/// What was said by a caller's id before its trace came.
pub(super) fn find_without_trace_id(
    connection: &Connection,
    external: &str,
) -> Result<Option<i64>, StoreError> {
    find(
        connection,
        "SELECT id FROM traces WHERE external_trace_id = ?1 AND trace_id IS NULL AND span_count = 0",
        external,
    )
}

fn find(connection: &Connection, sql: &str, id: &str) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_row([id], |row| row.get(0))
        .optional()?)
}

pub(super) fn name_trace(
    connection: &Connection,
    row: i64,
    trace_id: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE traces SET trace_id = ?2 WHERE id = ?1")?
        .execute(params![row, trace_id])?;
    Ok(())
}

pub(super) fn name_externally(
    connection: &Connection,
    row: i64,
    external: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE traces SET external_trace_id = ?2 WHERE id = ?1 AND external_trace_id IS NULL",
        )?
        .execute(params![row, external])?;
    Ok(())
}

/// Moves what was said by a caller's id alone into its trace.
pub(super) fn absorb(connection: &Connection, row: i64, nameless: i64) -> Result<(), StoreError> {
    for sql in [
        "UPDATE events SET trace = ?1 WHERE trace = ?2",
        "UPDATE OR REPLACE seen SET trace = ?1 WHERE trace = ?2",
        "UPDATE traces SET
            user_id = coalesce(traces.user_id, said.user_id),
            account_id = coalesce(traces.account_id, said.account_id),
            session_id = coalesce(traces.session_id, said.session_id),
            conversation_id = coalesce(traces.conversation_id, said.conversation_id)
         FROM traces AS said WHERE traces.id = ?1 AND said.id = ?2",
        "UPDATE OR IGNORE trace_payloads SET id = id + 8 * (?1 - ?2) WHERE id >= 8 * ?2 AND id < 8 * (?2 + 1)",
        "DELETE FROM trace_payloads WHERE ?1 <> ?2 AND id >= 8 * ?2 AND id < 8 * (?2 + 1)",
        "UPDATE OR IGNORE scores SET trace = ?1 WHERE trace = ?2",
        "DELETE FROM scores WHERE ?1 <> ?2 AND trace = ?2",
        "DELETE FROM traces WHERE ?1 <> ?2 AND id = ?2",
    ] {
        connection.prepare_cached(sql)?.execute([row, nameless])?;
    }
    Ok(())
}

pub(super) fn load_trace<'a>(
    connection: &Connection,
    row: i64,
) -> Result<TraceState<'a>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name, started_at, ended_at, duration, said_status, error_kind, error_message,
            runs, begun, span_count, error_count, open_count, usage, reported_calls, priced_calls, unpriced_calls, agent_name, user_id, account_id,
            session_id, conversation_id, tags, input_preview, preview_rank, output_preview, output_rank, link_trace_id, link_span_id, first_at, facts_at, writer
         FROM traces WHERE id = ?1",
    )?;
    Ok(statement.query_row([row], |row| {
        Ok(TraceState {
            life: life(row)?,
            runs: row.get("runs")?,
            begun: row.get("begun")?,
            tally: Tally {
                spans: row.get("span_count")?,
                errors: row.get("error_count")?,
                open: row.get("open_count")?,
                usage: json(row, "usage")?,
                reported: row.get("reported_calls")?,
                priced: row.get("priced_calls")?,
                unpriced: row.get("unpriced_calls")?,
            },
            agent_name: text(row, "agent_name")?,
            user_id: text(row, "user_id")?,
            account_id: text(row, "account_id")?,
            session_id: text(row, "session_id")?,
            conversation_id: text(row, "conversation_id")?,
            tags: json(row, "tags")?,
            input_preview: row.get("input_preview")?,
            preview_rank: row.get("preview_rank")?,
            output_preview: row.get("output_preview")?,
            output_rank: row.get("output_rank")?,
            link_trace_id: text(row, "link_trace_id")?,
            link_span_id: text(row, "link_span_id")?,
            first_at: row.get("first_at")?,
            facts_at: row.get("facts_at")?,
            writer: row.get("writer")?,
            ..TraceState::default()
        })
    })?)
}

/// A trace with its metadata and what it is a rollout of.
pub(super) fn load_whole_trace<'a>(
    connection: &Connection,
    row: i64,
) -> Result<TraceState<'a>, StoreError> {
    let attributes = payload::id(row, payload::ATTRIBUTES);
    Ok(TraceState {
        attributes: members(connection, "trace_payloads", attributes)?,
        run: load_run(connection, row)?,
        ..load_trace(connection, row)?
    })
}

/// Members that are stored as a payload.
pub(super) fn members<'a>(
    connection: &Connection,
    table: &str,
    id: i64,
) -> Result<Members<'a>, StoreError> {
    let stored: Option<(i64, String)> = connection
        .prepare_cached(&format!("SELECT at, body FROM {table} WHERE id = ?1"))?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(stored.map_or_else(Members::default, |(at, body)| Members::from_json(at, body)))
}

pub(super) fn load_span<'a>(
    connection: &Connection,
    trace: i64,
    node: &str,
) -> Result<Option<(i64, SpanState<'a>)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name, started_at, ended_at, duration, said_status, error_kind, error_message,
            id, parent, kind, tool_call_id, provider, model, usage, cost_from, priced_usd, facts_at, usage_at, writer
         FROM spans WHERE trace = ?1 AND span_id = ?2",
    )?;
    let found = statement.query_row(params![trace, node], |row| {
        let state = SpanState {
            life: life(row)?,
            parent: text(row, "parent")?,
            kind: text(row, "kind")?,
            tool_call_id: text(row, "tool_call_id")?,
            provider: text(row, "provider")?,
            model: text(row, "model")?,
            usage: json(row, "usage")?,
            cost: cost(row)?,
            facts_at: row.get("facts_at")?,
            usage_at: row.get("usage_at")?,
            writer: row.get("writer")?,
            ..SpanState::default()
        };
        Ok((row.get("id")?, state))
    });
    Ok(found.optional()?)
}

/// What a trace is known to be a rollout of.
pub(super) fn load_run<'a>(
    connection: &Connection,
    trace: i64,
) -> Result<Option<RunState<'a>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT run_id, phase, step_number, datapoint_id, env_name, model_name, grader_name, group_id,
            sample_index, turns, messages, resumed_at, facts_at
         FROM rollouts WHERE trace = ?1",
    )?;
    let found = statement.query_row([trace], |row| {
        Ok(RunState {
            run_id: text(row, "run_id")?,
            phase: text(row, "phase")?,
            step_number: row.get("step_number")?,
            datapoint_id: text(row, "datapoint_id")?,
            env_name: text(row, "env_name")?,
            model_name: text(row, "model_name")?,
            grader_name: text(row, "grader_name")?,
            group_id: text(row, "group_id")?,
            sample_index: row.get("sample_index")?,
            turns: row.get("turns")?,
            messages: row.get("messages")?,
            resumed_at: row.get("resumed_at")?,
            facts_at: row.get("facts_at")?,
        })
    });
    Ok(found.optional()?)
}

pub(super) fn run(
    connection: &Connection,
    trace: i64,
    run: &RunState<'_>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO rollouts (trace, run_id, phase, step_number, datapoint_id, env_name,
                model_name, grader_name, group_id, sample_index, turns, messages, resumed_at, facts_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            trace,
            run.run_id,
            run.phase,
            run.step_number,
            run.datapoint_id,
            run.env_name,
            run.model_name,
            run.grader_name,
            run.group_id,
            run.sample_index,
            run.turns,
            run.messages,
            run.resumed_at,
            run.facts_at,
        ])?;
    Ok(())
}

/// Keeps a grader's score, unless a later one of its is there.
pub(super) fn score(
    connection: &Connection,
    trace: i64,
    at: i64,
    score: &Score<'_>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO scores (trace, grader, at, value, passed) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (trace, grader) DO UPDATE SET at = excluded.at, value = excluded.value,
                passed = excluded.passed WHERE excluded.at >= at",
        )?
        .execute(params![trace, score.grader, at, score.value, score.passed])?;
    Ok(())
}

/// The seven columns that traces and spans have in common.
fn life<'a>(row: &Row<'_>) -> rusqlite::Result<LifeState<'a>> {
    Ok(LifeState {
        name: text(row, "name")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        duration: row.get("duration")?,
        status: text(row, "said_status")?,
        error_kind: text(row, "error_kind")?,
        error_message: text(row, "error_message")?,
    })
}

/// Where it is known from what a span cost.
pub(super) fn cost(row: &Row<'_>) -> rusqlite::Result<Cost> {
    Ok(Cost::from_parts(
        row.get("cost_from")?,
        row.get("priced_usd")?,
    ))
}

fn text<'a>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Cow<'a, str>>> {
    Ok(row.get::<_, Option<String>>(column)?.map(Cow::Owned))
}

/// A column of JSON of our own; what is not there, or not ours, is empty.
pub(super) fn json<T: Default + for<'de> serde::Deserialize<'de>>(
    row: &Row<'_>,
    column: &str,
) -> rusqlite::Result<T> {
    let text: Option<String> = row.get(column)?;
    Ok(text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

pub(super) fn usage(usage: &Usage) -> Option<String> {
    (!usage.is_empty()).then(|| to_json(usage))
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    // Only types of ours with text keys come here: these can always be written.
    serde_json::to_string(value).unwrap_or_default()
}

/// Writes a trace's row and gives its status.
pub(super) fn trace(connection: &Connection, trace: &TraceEntry<'_>) -> Result<String, StoreError> {
    let state = &trace.state;
    let (life, tally) = (&state.life, &state.tally);
    let status = connection
        .prepare_cached(
            "UPDATE traces SET
                name = ?2, started_at = ?3, ended_at = ?4, duration = ?5, said_status = ?6, error_kind = ?7,
                error_message = ?8, runs = ?9, begun = ?10, span_count = ?11, error_count = ?12,
                open_count = ?13, usage = ?14, agent_name = ?15, user_id = ?16, account_id = ?17,
                session_id = ?18, conversation_id = ?19, tags = ?20, link_trace_id = ?21, link_span_id = ?22,
                first_at = ?23, facts_at = ?24, writer = ?25, input_preview = ?26,
                preview_rank = ?27, interrupted = interrupted OR ?28, output_preview = ?29, output_rank = ?30,
                reported_calls = ?31, priced_calls = ?32, unpriced_calls = ?33, version = version + 1
             WHERE id = ?1 RETURNING status",
        )?
        .query_row(params![
            trace.row,
            life.name,
            life.started_at,
            life.ended_at,
            life.duration,
            life.status,
            life.error_kind,
            life.error_message,
            state.runs,
            state.begun,
            tally.spans,
            tally.errors,
            tally.open,
            usage(&tally.usage),
            state.agent_name,
            state.user_id,
            state.account_id,
            state.session_id,
            state.conversation_id,
            (!state.tags.is_empty()).then(|| to_json(&state.tags)),
            state.link_trace_id,
            state.link_span_id,
            state.first_at,
            state.facts_at,
            state.writer,
            state.input_preview,
            state.preview_rank,
            state.interrupted,
            state.output_preview,
            state.output_rank,
            tally.reported,
            tally.priced,
            tally.unpriced,
        ], |row| row.get(0))?;
    Ok(status)
}

/// Writes a span's row and gives its number.
pub(super) fn span(
    connection: &Connection,
    trace: i64,
    span: &mut SpanEntry<'_>,
) -> Result<i64, StoreError> {
    let state = &span.state;
    let life = &state.life;
    let sql = if span.row.is_none() {
        "INSERT INTO spans (id, trace, span_id, parent, kind, name, said_status, started_at, ended_at, duration,
            error_kind, error_message, tool_call_id, provider, model, usage, facts_at, usage_at, writer, interrupted, cost_from,
            priced_usd)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"
    } else {
        "UPDATE spans SET parent = ?4, kind = ?5, name = ?6, said_status = ?7, started_at = ?8, ended_at = ?9,
            duration = ?10, error_kind = ?11, error_message = ?12, tool_call_id = ?13, provider = ?14,
            model = ?15, usage = ?16, facts_at = ?17, usage_at = ?18, writer = ?19,
            interrupted = interrupted OR ?20, cost_from = ?21, priced_usd = ?22
         WHERE id = ?1 AND trace = ?2 AND span_id = ?3"
    };
    let (cost_from, priced_usd) = state.cost.parts();
    connection.prepare_cached(sql)?.execute(params![
        span.row,
        trace,
        span.node,
        state.parent,
        state.kind,
        life.name,
        life.status,
        life.started_at,
        life.ended_at,
        life.duration,
        life.error_kind,
        life.error_message,
        state.tool_call_id,
        state.provider,
        state.model,
        usage(&state.usage),
        state.facts_at,
        state.usage_at,
        state.writer,
        state.interrupted,
        cost_from,
        priced_usd,
    ])?;
    Ok(span.row.unwrap_or_else(|| connection.last_insert_rowid()))
}

pub(super) fn span_payloads(
    connection: &Connection,
    row: i64,
    span: &SpanState<'_>,
) -> Result<(), StoreError> {
    put(
        connection,
        PUT_INTO_SPAN,
        payload::id(row, payload::INPUT),
        span.input,
    )?;
    put(
        connection,
        PUT_INTO_SPAN,
        payload::id(row, payload::OUTPUT),
        span.output,
    )?;
    // What a stream has brought so far is of no interest once its output is there.
    let preview = span.preview.filter(|_| span.output.is_none());
    put(
        connection,
        PUT_INTO_SPAN,
        payload::id(row, payload::PREVIEW),
        preview,
    )?;
    if span.attributes.changed {
        let body = span.attributes.to_json();
        let said = Some((span.attributes.at, body.as_str()));
        put(
            connection,
            PUT_INTO_SPAN,
            payload::id(row, payload::ATTRIBUTES),
            said,
        )?;
    }
    Ok(())
}

pub(super) fn trace_payloads(
    connection: &Connection,
    row: i64,
    trace: &TraceState<'_>,
) -> Result<(), StoreError> {
    let agent = trace.agent.map(|(at, agent)| (at, to_json(agent)));
    let ids = trace.ids.map(|(at, ids)| (at, to_json(ids)));
    let attributes = trace
        .attributes
        .changed
        .then(|| (trace.attributes.at, trace.attributes.to_json()));
    for (what, said) in [
        (payload::AGENT, agent),
        (payload::IDS, ids),
        (payload::ATTRIBUTES, attributes),
    ] {
        let said = said.as_ref().map(|(at, body)| (*at, body.as_str()));
        put(connection, PUT_INTO_TRACE, payload::id(row, what), said)?;
    }
    for (what, said) in [
        (payload::INPUT, trace.input),
        (payload::OUTPUT, trace.output),
        (payload::USER_TRAITS, trace.user_traits),
        (payload::ACCOUNT_TRAITS, trace.account_traits),
    ] {
        put(connection, PUT_INTO_TRACE, payload::id(row, what), said)?;
    }
    Ok(())
}

/// Says how a payload is written to a table, unless a later one is there.
macro_rules! put_into {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (id, at, body) VALUES (?1, ?2, ?3) ON CONFLICT (id)
              DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= at"
        )
    };
}

const PUT_INTO_TRACE: &str = put_into!("trace_payloads");
const PUT_INTO_SPAN: &str = put_into!("span_payloads");

fn put(connection: &Connection, sql: &str, id: i64, said: Said<'_>) -> Result<(), StoreError> {
    if let Some((at, body)) = said {
        connection
            .prepare_cached(sql)?
            .execute(params![id, at, body])?;
    }
    Ok(())
}

/// Finds the trace of a caller of which only the span is named.
pub(super) fn resolve_link(
    connection: &Connection,
    row: i64,
    trace: &mut TraceState<'_>,
) -> Result<(), StoreError> {
    if trace.link_trace_id.is_some() {
        return Ok(());
    }
    if let Some(span_id) = &trace.link_span_id {
        trace.link_trace_id = connection
            .prepare_cached(
                "SELECT traces.trace_id FROM spans JOIN traces ON traces.id = spans.trace
                 WHERE span_id = ?1 AND length(span_id) <> 16 AND traces.id <> ?2 LIMIT 1",
            )?
            .query_row(params![span_id, row], |row| row.get::<_, Option<String>>(0))
            .optional()?
            .flatten()
            .map(Cow::Owned);
    }
    Ok(())
}

/// Marks what a process has left open. Returns the traces that may be others by that.
pub(super) fn interrupt(connection: &Connection, writer: &str) -> Result<Vec<i64>, StoreError> {
    let changed = {
        let mut statement = connection.prepare_cached(
            "SELECT trace FROM spans JOIN writers ON writers.id = spans.writer
                WHERE writers.name = ?1 AND spans.ended_at IS NULL
             UNION SELECT traces.id FROM traces JOIN writers ON writers.id = traces.writer
                WHERE writers.name = ?1 AND traces.ended_at IS NULL",
        )?;
        let traces = statement.query_map([writer], |row| row.get(0))?;
        traces.collect::<Result<_, _>>()?
    };
    for sql in [
        "UPDATE traces SET version = version + 1 WHERE id IN (
            SELECT trace FROM spans JOIN writers ON writers.id = spans.writer
            WHERE writers.name = ?1 AND spans.ended_at IS NULL)",
        "UPDATE spans SET interrupted = 1
            WHERE ended_at IS NULL AND writer = (SELECT id FROM writers WHERE name = ?1)",
        // One that began in a process that does not write here is no more than what is open in it.
        "UPDATE traces SET interrupted = 1, version = version + 1
            WHERE ended_at IS NULL AND writer = (SELECT id FROM writers WHERE name = ?1)
                AND (begun OR EXISTS (
                    SELECT 1 FROM spans WHERE spans.trace = traces.id AND spans.writer = traces.writer
                        AND spans.ended_at IS NULL))",
        "UPDATE writers SET gone = 1 WHERE name = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([writer])?;
    }
    Ok(changed)
}
