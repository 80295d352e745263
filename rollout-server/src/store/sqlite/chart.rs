//! Traces over time, and in groups.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rollout_core::event::Usage;
use rusqlite::Connection;

use super::{
    filter::Conditions,
    list::{TRACES, milliseconds, time},
    save::json,
};
use crate::{
    fold::{Tally, nanoseconds},
    present::{self, Tone},
    query::{
        Chart, ChartBucket, ChartQuery, GroupBy, GroupPage, GroupQuery, GroupSummary, Key,
        MAX_BUCKETS, MAX_GROUPS, Test, ValueCount, ValueQuery, latency, latency_step,
    },
    store::StoreError,
};

/// Rows among which values of a key are counted.
const NEWEST: u64 = 10_000;

const SPANS: &str = " JOIN spans ON spans.trace = traces.id";
const MEMBERS: [&str; 2] = [
    " JOIN trace_payloads ON trace_payloads.id = 8 * traces.id + 2",
    " JOIN trace_payloads ON trace_payloads.id = 8 * traces.id + 6",
];

/// A bucket in the making.
#[derive(Default)]
struct Bucket {
    traces: u64,
    errors: u64,
    steps: BTreeMap<u16, u64>,
    tokens: u64,
    cost_usd: Option<f64>,
}

impl Bucket {
    fn told(self) -> ChartBucket {
        let steps: Vec<_> = self.steps.into_iter().collect();
        ChartBucket {
            traces: self.traces,
            errors: self.errors,
            p50_ms: latency(&steps, 0.5),
            p95_ms: latency(&steps, 0.95),
            p99_ms: latency(&steps, 0.99),
            tokens: self.tokens,
            cost_usd: self.cost_usd,
        }
    }
}

pub(super) fn chart(connection: &Connection, query: &ChartQuery) -> Result<Chart, StoreError> {
    let conditions = Conditions::of(&query.filter, query.now);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT sort_at, status, duration, started_at, ended_at, usage FROM {TRACES} WHERE runs{}",
        conditions.sql
    ))?;
    let rows = statement.query_map(rusqlite::params_from_iter(&conditions.values), |row| {
        let status: String = row.get("status")?;
        let took = milliseconds(
            row.get("duration")?,
            row.get("started_at")?,
            row.get("ended_at")?,
        );
        Ok((
            row.get::<_, i64>("sort_at")?,
            present::status_tone(&status) == Tone::Error,
            took.map(|ms| latency_step((ms * 1e6) as u64)),
            json::<Usage>(row, "usage")?,
        ))
    })?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    let (mut from, mut to) = (None, None);
    for term in query.filter.terms.iter().filter(|term| !term.negated) {
        match term.test {
            Test::Since(moment) => from = from.max(Some(nanoseconds(moment.resolve(query.now)))),
            Test::Until(moment) => {
                let at = nanoseconds(moment.resolve(query.now));
                to = Some(to.map_or(at, |to: i64| to.min(at)));
            }
            _ => {}
        }
    }
    let from = from.or_else(|| rows.iter().map(|row| row.0).min());
    let to = to.or_else(|| rows.iter().map(|row| row.0.saturating_add(1)).max());
    let (Some(from), Some(to)) = (from, to) else {
        return Ok(Chart::default());
    };
    let count = query.buckets.clamp(1, MAX_BUCKETS).cast_signed();
    let width = (to.saturating_sub(from).max(1) + count - 1) / count;
    let mut buckets: Vec<Bucket> = (0..count).map(|_| Bucket::default()).collect();
    let mut total = Bucket::default();
    for (at, failed, step, usage) in rows {
        let nth = ((at - from) / width).clamp(0, count - 1);
        for bucket in [&mut buckets[nth as usize], &mut total] {
            bucket.traces += 1;
            bucket.errors += u64::from(failed);
            bucket.tokens += present::tokens(&usage).unwrap_or(0);
            if let Some(step) = step {
                *bucket.steps.entry(step).or_default() += 1;
            }
            if let Some(cost) = usage.cost_usd {
                *bucket.cost_usd.get_or_insert(0.0) += cost;
            }
        }
    }
    Ok(Chart {
        from: time(Some(from)),
        to: time(Some(from.saturating_add(width * count))),
        bucket_ms: width as f64 / 1e6,
        total: total.told(),
        buckets: buckets.into_iter().map(Bucket::told).collect(),
    })
}

pub(super) fn groups(connection: &Connection, query: &GroupQuery) -> Result<GroupPage, StoreError> {
    let column = match query.by {
        GroupBy::User => "user_id",
        GroupBy::Session => "session_id",
        GroupBy::Conversation => "conversation_id",
    };
    let conditions = Conditions::of(&query.filter, Timestamp::now());
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {column} AS shared, sort_at, status, usage, user_id, input_preview FROM {TRACES}
         WHERE runs AND {column} IS NOT NULL{} ORDER BY sort_at DESC, id DESC",
        conditions.sql
    ))?;
    let mut rows = statement.query(rusqlite::params_from_iter(&conditions.values))?;
    let mut groups: BTreeMap<String, (i64, Tally, GroupSummary)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (id, at): (String, i64) = (row.get("shared")?, row.get("sort_at")?);
        let status: String = row.get("status")?;
        let (user_id, input_preview) = (row.get("user_id")?, row.get("input_preview")?);
        let (_, tally, group) = groups.entry(id.clone()).or_insert_with(|| {
            let group = GroupSummary {
                id,
                traces: 0,
                errors: 0,
                first_at: None,
                last_at: time(Some(at)),
                usage: Usage::default(),
                cost_usd: None,
                user_id: None,
                input_preview,
            };
            (at, Tally::default(), group)
        });
        group.traces += 1;
        group.errors += u64::from(present::status_tone(&status) == Tone::Error);
        group.first_at = time(Some(at));
        group.user_id = group.user_id.take().or(user_id);
        let used = Tally {
            usage: json(row, "usage")?,
            ..Tally::default()
        };
        tally.replace(&Tally::default(), &used);
    }
    let after = match &query.cursor {
        Some(cursor) => Some(group_cursor(cursor)?),
        None => None,
    };
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by(|a, b| (b.0, &b.2.id).cmp(&(a.0, &a.2.id)));
    groups.retain(|(at, _, group)| {
        after
            .as_ref()
            .is_none_or(|(last, id)| (*at, &group.id) < (*last, id))
    });
    let limit = query.limit.clamp(1, MAX_GROUPS) as usize;
    let more = groups.len() > limit;
    groups.truncate(limit);
    Ok(GroupPage {
        next_cursor: groups
            .last()
            .filter(|_| more)
            .map(|(at, _, group)| format!("{at}.{}", group.id)),
        groups: groups
            .into_iter()
            .map(|(_, tally, group)| GroupSummary {
                cost_usd: tally.usage.cost_usd,
                usage: tally.usage,
                ..group
            })
            .collect(),
    })
}

fn group_cursor(cursor: &str) -> Result<(i64, String), StoreError> {
    let (at, id) = cursor.split_once('.').ok_or(StoreError::Cursor)?;
    Ok((at.parse().map_err(|_| StoreError::Cursor)?, id.to_owned()))
}

pub(super) fn values(
    connection: &Connection,
    query: &ValueQuery,
) -> Result<Vec<ValueCount>, StoreError> {
    let (value, of) = match &query.key {
        Key::Status => ("status", ""),
        Key::Name => ("traces.name", ""),
        Key::User => ("user_id", ""),
        Key::Account => ("account_id", ""),
        Key::Session => ("session_id", ""),
        Key::Conversation => ("conversation_id", ""),
        Key::Agent => ("agent_name", ""),
        Key::Run => ("run_id", ""),
        Key::Phase => ("phase", ""),
        Key::Step => ("CAST(step_number AS TEXT)", ""),
        Key::Datapoint => ("datapoint_id", ""),
        Key::Env => ("env_name", ""),
        Key::Group => ("group_id", ""),
        Key::Id => ("coalesce(trace_id, external_trace_id)", ""),
        Key::Version => ("body ->> '$.version'", MEMBERS[1]),
        Key::Environment => ("body ->> '$.environment'", MEMBERS[1]),
        Key::Meta(_) => ("body ->> ?1", MEMBERS[0]),
        Key::Tag => ("tags.value", ", json_each(traces.tags) AS tags"),
        Key::Grader => ("grader", " JOIN scores ON scores.trace = traces.id"),
        Key::Type => ("coalesce(spans.kind, 'span')", SPANS),
        Key::Span => ("spans.name", SPANS),
        Key::Tool => ("iif(spans.kind = 'tool', spans.name, NULL)", SPANS),
        Key::Model => ("spans.model", SPANS),
        Key::Provider => ("spans.provider", SPANS),
        Key::Error => ("coalesce(traces.error_kind, spans.error_kind)", SPANS),
    };
    let sql = format!(
        "SELECT value, count(*) FROM (
            SELECT DISTINCT traces.id, {value} AS value
            FROM (SELECT * FROM {TRACES} WHERE runs ORDER BY sort_at DESC, id DESC LIMIT {NEWEST}) AS traces{of})
         WHERE value IS NOT NULL GROUP BY value ORDER BY count(*) DESC, value"
    );
    let path = match &query.key {
        Key::Meta(name) => Some(format!("$.\"{name}\"")),
        _ => None,
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(path), |row| {
        Ok(ValueCount {
            value: row.get(0)?,
            count: row.get::<_, i64>(1)?.cast_unsigned(),
        })
    })?;
    let prefix = query.prefix.to_lowercase();
    let rows = rows.filter(|row| {
        row.as_ref()
            .is_ok_and(|row| row.value.to_lowercase().starts_with(&prefix))
    });
    Ok(rows.take(query.limit as usize).collect::<Result<_, _>>()?)
}
