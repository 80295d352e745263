//! Costs of stored traces, worked out anew.

use rollout_core::event::Usage;
use rusqlite::{Connection, params};

use super::{
    dictionary::Dictionary,
    facts,
    list::{self, Place, cursor, parse_cursor},
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
    dictionary: &mut Dictionary,
    query: &RepriceQuery,
) -> Result<RepricePage, StoreError> {
    let after = match &query.cursor {
        Some(cursor) => Some(parse_cursor(cursor).ok_or(StoreError::Cursor)?),
        None => None,
    };
    let (places, mut next) = list::matching(connection, &query.filter, after, TRACES_AT_ONCE)?;
    let mut page = RepricePage::default();
    let mut calls = 0;
    let mut facts = facts::Writing::new(connection, dictionary);
    for (index, place) in places.iter().enumerate() {
        if calls >= SPANS_AT_ONCE {
            next = Some(places[index - 1]);
            break;
        }
        let repriced = reprice(connection, query, *place, &mut page)?;
        calls += repriced.calls;
        if repriced.changed {
            facts.reread(place.1)?;
        }
    }
    facts.finish()?;
    page.next_cursor = next.map(cursor);
    Ok(page)
}

/// What was done to a trace.
struct Repriced {
    /// Spans that were looked at.
    calls: u64,
    /// Whether something is written.
    changed: bool,
}

/// A span with a usage.
struct Span {
    row: i64,
    usage: Usage,
    before: Cost,
    now: Cost,
    name: String,
}

/// Gives one trace its costs anew.
fn reprice(
    connection: &Connection,
    query: &RepriceQuery,
    (_, row): Place,
    page: &mut RepricePage,
) -> Result<Repriced, StoreError> {
    let spans = spans(connection, query, row)?;
    let mut statement = connection.prepare_cached(
        "SELECT usage, reported_calls, priced_calls, unpriced_calls, coalesce(trace_id, external_trace_id, ''), name
         FROM traces WHERE id = ?1",
    )?;
    let (mut usage, counts, trace_id, name): (Usage, [i64; 3], String, Option<String>) = statement
        .query_row([row], |row| {
            let counts = [row.get(1)?, row.get(2)?, row.get(3)?];
            Ok((json(row, "usage")?, counts, row.get(4)?, row.get(5)?))
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
            trace_id,
            name,
            before_usd: before,
            after_usd: sum,
        });
    }
    let calls = spans.len() as u64;
    let changed: Vec<_> = spans
        .iter()
        .filter(|span| span.before != span.now)
        .collect();
    if query.dry_run || (!differs && counts == now && changed.is_empty()) {
        return Ok(Repriced {
            calls,
            changed: false,
        });
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
    Ok(Repriced {
        calls,
        changed: true,
    })
}

/// `MODEL (PROVIDER)`, as far as they are known.
pub(super) fn call_name(model: Option<String>, provider: Option<String>) -> String {
    match (model, provider) {
        (Some(model), Some(provider)) => format!("{model} ({provider})"),
        (Some(model), None) => model,
        (None, _) => "no model".to_owned(),
    }
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
            name: call_name(model, provider),
            usage,
        })
    })?;
    Ok(spans.collect::<Result<_, _>>()?)
}
