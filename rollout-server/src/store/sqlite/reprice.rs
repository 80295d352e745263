//! Costs of stored traces, worked out anew.

use std::fmt::Write as _;

use jiff::Timestamp;
use rollout_core::event::Usage;
use rusqlite::{Connection, params, types::Value};

use super::{
    filter::Conditions,
    list::{TRACES, cursor, parse_cursor},
    save::{self, json},
};
use crate::{
    fold::{Cost, PricedCall},
    query::{RepricePage, RepriceQuery, RepricedTrace},
    store::StoreError,
};

/// Traces, and spans, that are looked at in one transaction, beyond those of its last trace: others wait to write
/// meanwhile.
const TRACES_AT_ONCE: usize = 200;
const SPANS_AT_ONCE: u64 = 5_000;

/// Dollars by which sums differ that are the same: of numbers added up in another order.
const SAME: f64 = 1e-9;

/// See [`Store::reprice`](crate::store::Store::reprice). Writes nothing in a dry run.
pub(super) fn page(
    connection: &Connection,
    query: &RepriceQuery,
) -> Result<RepricePage, StoreError> {
    let mut page = RepricePage::default();
    let mut calls = 0;
    let traces = traces(connection, query)?;
    for (index, trace) in traces.iter().enumerate() {
        if index == TRACES_AT_ONCE || calls >= SPANS_AT_ONCE {
            let (sort_at, row, ..) = traces[index - 1];
            page.next_cursor = Some(cursor((sort_at, row)));
            break;
        }
        calls += reprice(connection, query, trace, &mut page)?;
    }
    Ok(page)
}

/// When it began, its row, its id and its name.
type Found = (i64, i64, String, Option<String>);

/// One more than is looked at, if there are so many.
fn traces(connection: &Connection, query: &RepriceQuery) -> Result<Vec<Found>, StoreError> {
    let mut sql = format!(
        "SELECT sort_at, id, coalesce(trace_id, external_trace_id, ''), name FROM {TRACES} WHERE runs"
    );
    let mut values = Vec::new();
    if let Some(cursor) = &query.cursor {
        let (sort_at, id) = parse_cursor(cursor).ok_or(StoreError::Cursor)?;
        sql.push_str(" AND (sort_at, id) < (?, ?)");
        values.extend([Value::Integer(sort_at), Value::Integer(id)]);
    }
    let conditions = Conditions::of(&query.filter, Timestamp::now());
    sql.push_str(&conditions.sql);
    values.extend(conditions.values);
    let _ = write!(
        sql,
        " ORDER BY sort_at DESC, id DESC LIMIT {}",
        TRACES_AT_ONCE + 1
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A span with a usage.
struct Span {
    row: i64,
    usage: Usage,
    before: Cost,
    now: Cost,
    name: String,
}

/// Gives one trace its costs anew; tells how many spans were looked at.
fn reprice(
    connection: &Connection,
    query: &RepriceQuery,
    (_, row, trace_id, name): &Found,
    page: &mut RepricePage,
) -> Result<u64, StoreError> {
    let spans = spans(connection, query, *row)?;
    let (mut usage, counts): (Usage, [i64; 3]) = connection
        .prepare_cached(
            "SELECT usage, reported_calls, priced_calls, unpriced_calls FROM traces WHERE id = ?1",
        )?
        .query_row([row], |row| {
            Ok((json(row, "usage")?, [row.get(1)?, row.get(2)?, row.get(3)?]))
        })?;
    let mut sum: Option<f64> = None;
    let mut now = [0; 3];
    for span in &spans {
        let (nth, usd) = match span.now {
            Cost::None => continue,
            Cost::Reported => (0, span.usage.cost_usd),
            Cost::Priced(usd) => (1, Some(usd)),
            Cost::Unpriced => (2, None),
        };
        now[nth] += 1;
        match usd {
            Some(usd) => sum = Some(sum.unwrap_or(0.0) + usd),
            None => *page.unpriced.entry(span.name.clone()).or_default() += 1,
        }
    }
    let before = usage.cost_usd;
    page.looked_at += 1;
    page.before_usd += before.unwrap_or(0.0);
    page.after_usd += sum.unwrap_or(0.0);
    let differs = match (before, sum) {
        (Some(before), Some(sum)) => (before - sum).abs() > SAME,
        (before, sum) => before.is_some() != sum.is_some(),
    };
    if differs {
        page.changed.push(RepricedTrace {
            trace_id: trace_id.clone(),
            name: name.clone(),
            before_usd: before,
            after_usd: sum,
        });
    }
    let looked_at = spans.len() as u64;
    let changed: Vec<_> = spans
        .iter()
        .filter(|span| span.before != span.now)
        .collect();
    if query.dry_run || (!differs && counts == now && changed.is_empty()) {
        return Ok(looked_at);
    }
    for span in changed {
        let (from, usd) = span.now.parts();
        connection
            .prepare_cached("UPDATE spans SET cost_from = ?2, priced_usd = ?3 WHERE id = ?1")?
            .execute(params![span.row, from, usd])?;
    }
    usage.cost_usd = sum;
    connection
        .prepare_cached(
            "UPDATE traces SET usage = ?2, reported_calls = ?3, priced_calls = ?4, unpriced_calls = ?5,
                version = version + 1 WHERE id = ?1",
        )?
        .execute(params![row, save::usage(&usage), now[0], now[1], now[2]])?;
    Ok(looked_at)
}

fn spans(
    connection: &Connection,
    query: &RepriceQuery,
    trace: i64,
) -> Result<Vec<Span>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, kind, provider, model, started_at, usage, cost_from, priced_usd FROM spans
         WHERE trace = ?1 AND usage IS NOT NULL ORDER BY id",
    )?;
    let spans = statement.query_map([trace], |row| {
        let usage: Usage = json(row, "usage")?;
        let (kind, provider, model): (Option<String>, Option<String>, Option<String>) =
            (row.get("kind")?, row.get("provider")?, row.get("model")?);
        let call = PricedCall {
            kind: kind.as_deref(),
            provider: provider.as_deref(),
            model: model.as_deref(),
            started_at: row.get("started_at")?,
            usage: &usage,
        };
        Ok(Span {
            row: row.get("id")?,
            before: save::cost(row)?,
            now: call.cost(&query.prices),
            name: match (&model, &provider) {
                (Some(model), Some(provider)) => format!("{model} ({provider})"),
                (Some(model), None) => model.clone(),
                (None, _) => "no model".to_owned(),
            },
            usage,
        })
    })?;
    Ok(spans.collect::<Result<_, _>>()?)
}
