//! Traces over time, and in groups.

use clickhouse::Row;
use jiff::Timestamp;
use rollout_core::event::Usage;
use serde::Deserialize;

use super::{ClickHouse, database::quoted, filter::conditions, list::LISTED};
use crate::{
    fold::nanoseconds,
    query::{
        Chart, ChartBucket, ChartQuery, GroupBy, GroupPage, GroupQuery, GroupSummary, Key,
        MAX_BUCKETS, MAX_GROUPS, Test, ValueCount, ValueQuery, latency,
    },
    store::{StoreError, sqlite::list::time},
};

/// Traces among which values of a key are counted.
const NEWEST: u64 = 10_000;

/// What a bucket comes to.
#[derive(Row, Deserialize)]
struct Bucket {
    nth: i64,
    traces: u64,
    errors: u64,
    tokens: u64,
    cost: Option<f64>,
    steps: Vec<u16>,
    counts: Vec<u64>,
}

/// The same in the making.
#[derive(Default)]
struct Sum {
    bucket: ChartBucket,
    steps: std::collections::BTreeMap<u16, u64>,
}

impl Sum {
    fn add(&mut self, row: &Bucket) {
        self.bucket.traces += row.traces;
        self.bucket.errors += row.errors;
        self.bucket.tokens += row.tokens;
        if let Some(cost) = row.cost {
            *self.bucket.cost_usd.get_or_insert(0.0) += cost;
        }
        for (step, count) in row.steps.iter().zip(&row.counts) {
            *self.steps.entry(*step).or_default() += count;
        }
    }

    fn told(self) -> ChartBucket {
        let steps: Vec<_> = self.steps.into_iter().collect();
        ChartBucket {
            p50_ms: latency(&steps, 0.5),
            p95_ms: latency(&steps, 0.95),
            p99_ms: latency(&steps, 0.99),
            ..self.bucket
        }
    }
}

#[derive(Row, Deserialize)]
struct GroupRow {
    id: String,
    traces: u64,
    errors: u64,
    first_at: i64,
    last_at: i64,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    cache_creation_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    total_tokens: Option<u64>,
    cost_usd: Option<f64>,
    user_id: Option<String>,
    input_preview: Option<String>,
}

impl ClickHouse {
    pub(super) fn chart(&self, query: &ChartQuery) -> Result<Chart, StoreError> {
        self.settle()?;
        let wanted = conditions(&query.filter, query.now);
        let (mut from, mut to) = (None, None);
        for term in query.filter.terms.iter().filter(|term| !term.negated) {
            match term.test {
                Test::Since(moment) => {
                    from = from.max(Some(nanoseconds(moment.resolve(query.now))));
                }
                Test::Until(moment) => {
                    let at = nanoseconds(moment.resolve(query.now));
                    to = Some(to.map_or(at, |to: i64| to.min(at)));
                }
                _ => {}
            }
        }
        if from.is_none() || to.is_none() {
            let bounds: Option<(i64, i64, u64)> = self.database.row(&format!(
                "SELECT min(sort_at), max(sort_at), count() FROM {LISTED}{wanted}"
            ))?;
            if let Some((first, last, 1..)) = bounds {
                from = from.or(Some(first));
                to = to.or(Some(last.saturating_add(1)));
            }
        }
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(Chart::default());
        };
        let count = query.buckets.clamp(1, MAX_BUCKETS).cast_signed();
        let width = (to.saturating_sub(from).max(1) + count - 1) / count;
        let steps = "sumMapIf([ifNull(step, 0)], [toUInt64(1)], step IS NOT NULL)";
        let rows: Vec<Bucket> = self.database.rows(&format!(
            "SELECT toInt64(greatest(0, least({count} - 1, intDiv(sort_at - toInt64({from}), toInt64({width}))))) AS nth,
                count() AS traces, countIf(failed) AS errors,
                sum(coalesce(total_tokens, coalesce(input_tokens, 0) + coalesce(output_tokens, 0))) AS tokens,
                sum(cost_usd) AS cost,
                tupleElement({steps}, 1) AS steps, tupleElement({steps}, 2) AS counts
             FROM {LISTED}{wanted} GROUP BY nth ORDER BY nth"
        ))?;
        let mut buckets: Vec<Sum> = (0..count).map(|_| Sum::default()).collect();
        let mut total = Sum::default();
        for row in &rows {
            total.add(row);
            if let Some(bucket) = buckets.get_mut(row.nth as usize) {
                bucket.add(row);
            }
        }
        Ok(Chart {
            from: time(Some(from)),
            to: time(Some(from.saturating_add(width * count))),
            bucket_ms: width as f64 / 1e6,
            total: total.told(),
            buckets: buckets.into_iter().map(Sum::told).collect(),
        })
    }

    pub(super) fn groups(&self, query: &GroupQuery) -> Result<GroupPage, StoreError> {
        self.settle()?;
        let column = match query.by {
            GroupBy::User => "user_id",
            GroupBy::Session => "session_id",
            GroupBy::Conversation => "conversation_id",
        };
        let wanted = conditions(&query.filter, Timestamp::now());
        let after = match &query.cursor {
            Some(cursor) => {
                let (at, id) = group_cursor(cursor).ok_or(StoreError::Cursor)?;
                format!(" HAVING (last_at, id) < (toInt64({at}), {})", quoted(id))
            }
            None => String::new(),
        };
        let limit = query.limit.clamp(1, MAX_GROUPS) as usize;
        let mut rows: Vec<GroupRow> = self.database.rows(&format!(
            "SELECT assumeNotNull(it.{column}) AS id, count() AS traces, countIf(it.failed) AS errors,
                min(it.sort_at) AS first_at, max(it.sort_at) AS last_at,
                sum(it.input_tokens) AS input_tokens, sum(it.output_tokens) AS output_tokens,
                sum(it.cached_tokens) AS cached_tokens, sum(it.cache_creation_tokens) AS cache_creation_tokens,
                sum(it.reasoning_tokens) AS reasoning_tokens, sum(it.total_tokens) AS total_tokens,
                sum(it.cost_usd) AS cost_usd,
                argMax(it.user_id, (it.sort_at, it.born)) AS user_id,
                tupleElement(argMax(tuple(it.input_preview), (it.sort_at, it.born)), 1) AS input_preview
             FROM (SELECT * FROM {LISTED} AND {column} IS NOT NULL{wanted}) AS it
             GROUP BY it.{column}{after} ORDER BY last_at DESC, id DESC LIMIT {}",
            limit + 1
        ))?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        Ok(GroupPage {
            next_cursor: last.map(|row| format!("{}.{}", row.last_at, row.id)),
            groups: rows
                .into_iter()
                .map(|row| GroupSummary {
                    id: row.id,
                    traces: row.traces,
                    errors: row.errors,
                    first_at: time(Some(row.first_at)),
                    last_at: time(Some(row.last_at)),
                    usage: Usage {
                        input_tokens: row.input_tokens,
                        output_tokens: row.output_tokens,
                        cached_tokens: row.cached_tokens,
                        cache_creation_tokens: row.cache_creation_tokens,
                        reasoning_tokens: row.reasoning_tokens,
                        total_tokens: row.total_tokens,
                        cost_usd: row.cost_usd,
                        ..Usage::default()
                    },
                    cost_usd: row.cost_usd,
                    user_id: row.user_id,
                    input_preview: row.input_preview,
                })
                .collect(),
        })
    }

    pub(super) fn values(&self, query: &ValueQuery) -> Result<Vec<ValueCount>, StoreError> {
        self.settle()?;
        let one = |column: &str| format!("if(isNull({column}), [], [assumeNotNull({column})])");
        let values = match &query.key {
            Key::Status => "[status]".to_owned(),
            Key::Name => one("name"),
            Key::User => one("user_id"),
            Key::Account => one("account_id"),
            Key::Session => one("session_id"),
            Key::Conversation => one("conversation_id"),
            Key::Agent => one("agent_name"),
            Key::Version => one("version_of_agent"),
            Key::Environment => one("environment"),
            Key::Run => one("run_id"),
            Key::Phase => one("phase"),
            Key::Step => one("toString(step_number)"),
            Key::Datapoint => one("datapoint_id"),
            Key::Env => one("env_name"),
            Key::Group => one("group_id"),
            Key::Id => one("coalesce(trace_id, external_trace_id)"),
            Key::Meta(name) => {
                let name = quoted(name);
                format!("if(mapContains(meta, {name}), [meta[{name}]], [])")
            }
            Key::Tag => "arrayDistinct(tags)".to_owned(),
            Key::Grader => "graders".to_owned(),
            Key::Type => "types".to_owned(),
            Key::Span => "span_names".to_owned(),
            Key::Tool => "tools".to_owned(),
            Key::Model => "models".to_owned(),
            Key::Provider => "providers".to_owned(),
            Key::Error => format!(
                "arrayDistinct(arrayConcat({}, span_errors))",
                one("error_kind")
            ),
        };
        let rows: Vec<(String, u64)> = self.database.rows(&format!(
            "SELECT value, count() AS seen FROM (
                SELECT {values} AS found FROM {LISTED} ORDER BY sort_at DESC, born DESC LIMIT {NEWEST})
             ARRAY JOIN found AS value WHERE startsWith(lowerUTF8(value), {}) GROUP BY value
             ORDER BY seen DESC, value LIMIT {}",
            quoted(&query.prefix.to_lowercase()),
            query.limit
        ))?;
        Ok(rows
            .into_iter()
            .map(|(value, count)| ValueCount { value, count })
            .collect())
    }
}

fn group_cursor(cursor: &str) -> Option<(i64, &str)> {
    let (at, id) = cursor.split_once('.')?;
    Some((at.parse().ok()?, id))
}
