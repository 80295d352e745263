//! Rows of traces, and the list of them.

use std::fmt::Write as _;

use jiff::Timestamp;
use rollout_core::event::Usage;
use rusqlite::{Connection, Row, types::Value};

use super::{filter::Conditions, save::json};
use crate::{
    query::{
        CostSource, Failure, MAX_TRACES, RolloutFacts, ScoreRow, TracePage, TraceQuery,
        TraceSummary,
    },
    store::StoreError,
};

/// What [`summary`] reads.
pub(super) const SUMMARY: &str = "coalesce(trace_id, external_trace_id, '') AS shown_id, external_trace_id, name,
    status, started_at, first_at, ended_at, duration, span_count, error_count, usage, reported_calls, priced_calls, unpriced_calls, agent_name, user_id,
    session_id, conversation_id, tags, input_preview, output_preview, error_kind, error_message, id, sort_at, trace AS rollout, run_id,
    phase, step_number, datapoint_id, env_name, model_name, grader_name, group_id, sample_index, turns, messages,
    (SELECT json_group_array(json_array(grader, value, passed)) FROM scores WHERE scores.trace = traces.id) AS scores";

/// What it reads them from.
pub(super) const TRACES: &str = "traces LEFT JOIN rollouts ON rollouts.trace = traces.id";

pub(super) fn traces(connection: &Connection, query: &TraceQuery) -> Result<TracePage, StoreError> {
    let mut sql = format!("SELECT {SUMMARY} FROM {TRACES} WHERE runs");
    let mut values = Vec::new();
    if let Some(cursor) = &query.cursor {
        let (sort_at, id) = parse_cursor(cursor).ok_or(StoreError::Cursor)?;
        let beyond = if query.ascending { ">" } else { "<" };
        let _ = write!(sql, " AND (sort_at, id) {beyond} (?, ?)");
        values.extend([Value::Integer(sort_at), Value::Integer(id)]);
    }
    let conditions = Conditions::of(&query.filter, Timestamp::now());
    sql.push_str(&conditions.sql);
    values.extend(conditions.values);
    let limit = query.limit.clamp(1, MAX_TRACES) as usize;
    // One more than asked for tells whether there is another page.
    let order = if query.ascending { "ASC" } else { "DESC" };
    let _ = write!(
        sql,
        " ORDER BY sort_at {order}, id {order} LIMIT {}",
        limit + 1
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        Ok((summary(row)?, (row.get("sort_at")?, row.get("id")?)))
    })?;
    let mut rows: Vec<(TraceSummary, (i64, i64))> = rows.collect::<Result<_, _>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok(TracePage {
        next_cursor: rows.last().filter(|_| more).map(|(_, last)| cursor(*last)),
        traces: rows.into_iter().map(|(summary, _)| summary).collect(),
    })
}

pub(super) fn cursor((sort_at, id): (i64, i64)) -> String {
    format!("{sort_at}.{id}")
}

pub(super) fn parse_cursor(cursor: &str) -> Option<(i64, i64)> {
    let (sort_at, id) = cursor.split_once('.')?;
    Some((sort_at.parse().ok()?, id.parse().ok()?))
}

pub(super) fn summary(row: &Row<'_>) -> rusqlite::Result<TraceSummary> {
    let started_at: Option<i64> = row.get("started_at")?;
    let first_at: Option<i64> = row.get("first_at")?;
    let ended_at: Option<i64> = row.get("ended_at")?;
    let mut usage: Usage = json(row, "usage")?;
    let cost_usd = usage.cost_usd;
    let cost_source = CostSource::of_calls(
        cost_usd.is_some(),
        row.get::<_, i64>("reported_calls")? > 0,
        row.get::<_, i64>("priced_calls")? > 0,
    );
    if cost_source != Some(CostSource::Reported) {
        usage.cost_usd = None;
    }
    Ok(TraceSummary {
        trace_id: row.get("shown_id")?,
        external_trace_id: row.get("external_trace_id")?,
        name: row.get("name")?,
        status: row.get("status")?,
        started_at: time(started_at.or(first_at)),
        ended_at: time(ended_at),
        duration_ms: milliseconds(row.get("duration")?, started_at, ended_at),
        span_count: row.get::<_, i64>("span_count")? as u64,
        error_count: row.get::<_, i64>("error_count")? as u64,
        cost_usd,
        cost_source,
        unpriced_calls: row.get::<_, i64>("unpriced_calls")?.cast_unsigned(),
        usage,
        agent_name: row.get("agent_name")?,
        user_id: row.get("user_id")?,
        session_id: row.get("session_id")?,
        conversation_id: row.get("conversation_id")?,
        tags: json(row, "tags")?,
        error: failure(row)?,
        input_preview: row.get("input_preview")?,
        output_preview: row.get("output_preview")?,
        rollout: rollout(row)?,
        scores: json::<Vec<(String, f64, Option<u8>)>>(row, "scores")?
            .into_iter()
            .map(|(grader, value, passed)| ScoreRow {
                grader,
                value,
                passed: passed.map(|passed| passed != 0),
            })
            .collect(),
        found: None,
    })
}

fn rollout(row: &Row<'_>) -> rusqlite::Result<Option<RolloutFacts>> {
    if row.get::<_, Option<i64>>("rollout")?.is_none() {
        return Ok(None);
    }
    Ok(Some(RolloutFacts {
        run_id: row.get("run_id")?,
        phase: row.get("phase")?,
        step_number: row.get("step_number")?,
        datapoint_id: row.get("datapoint_id")?,
        env_name: row.get("env_name")?,
        model_name: row.get("model_name")?,
        grader_name: row.get("grader_name")?,
        group_id: row.get("group_id")?,
        sample_index: row.get("sample_index")?,
        turns: row.get::<_, i64>("turns")? as u64,
        messages: row.get::<_, i64>("messages")? as u64,
    }))
}

pub(super) fn failure(row: &Row<'_>) -> rusqlite::Result<Option<Failure>> {
    let failure = Failure {
        kind: row.get("error_kind")?,
        message: row.get("error_message")?,
        chain: Vec::new(),
    };
    Ok((failure != Failure::default()).then_some(failure))
}

pub(super) fn time(nanoseconds: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds?.into()).ok()
}

/// How long it took: as measured, else as the clock on the wall says.
pub(super) fn milliseconds(
    duration: Option<i64>,
    started_at: Option<i64>,
    ended_at: Option<i64>,
) -> Option<f64> {
    let nanoseconds = duration.or_else(|| Some(ended_at?.saturating_sub(started_at?).max(0)))?;
    Some(nanoseconds as f64 / 1e6)
}
