//! The list of traces.

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    ClickHouse,
    database::quoted,
    filter::{conditions, texts},
    rows::external,
};
use crate::{
    query::{Found, MAX_TRACES, TracePage, TraceQuery, TraceSummary, found::Needle},
    store::StoreError,
};

/// The rows that are listed.
pub(super) const LISTED: &str = "rollout_traces FINAL WHERE runs AND NOT gone";

#[derive(Row, Deserialize)]
struct Listed {
    sort_at: i64,
    born: i64,
    trace: String,
    summary: String,
    took: Option<i64>,
    cost_usd: Option<f64>,
    scores: Vec<f64>,
}

impl Listed {
    /// The trace as it was folded. JSON may cost a number its last digit, so that those with fractions are read beside.
    fn summary(self) -> Result<TraceSummary, StoreError> {
        let mut summary: TraceSummary = serde_json::from_str(&self.summary).map_err(|error| {
            StoreError::Database(format!("a trace's row cannot be read: {error}"))
        })?;
        summary.duration_ms = self.took.map(|took| took as f64 / 1e6);
        summary.cost_usd = self.cost_usd;
        summary.usage.cost_usd = self.cost_usd;
        for (score, value) in summary.scores.iter_mut().zip(self.scores) {
            score.value = value;
        }
        Ok(summary)
    }
}

impl ClickHouse {
    pub(super) fn traces(&self, query: &TraceQuery) -> Result<TracePage, StoreError> {
        self.settle()?;
        let mut wanted = conditions(&query.filter, Timestamp::now());
        if let Some(cursor) = &query.cursor {
            let (sort_at, born, trace) = parse_cursor(cursor).ok_or(StoreError::Cursor)?;
            let beyond = if query.ascending { ">" } else { "<" };
            wanted.push_str(&format!(
                " AND (sort_at, born, trace) {beyond} (toInt64({sort_at}), toInt64({born}), {})",
                quoted(trace)
            ));
        }
        let limit = query.limit.clamp(1, MAX_TRACES) as usize;
        let order = if query.ascending { "ASC" } else { "DESC" };
        let order = format!("ORDER BY sort_at {order}, born {order}, trace {order}");
        // Summaries are read only of what is on the page. One more than asked for tells whether there is another.
        let mut rows: Vec<Listed> = self.database.rows(&format!(
            "SELECT sort_at, born, trace, summary, took, cost_usd, scores FROM rollout_traces FINAL WHERE trace IN (
                SELECT trace FROM {LISTED}{wanted} {order} LIMIT {}) {order}",
            limit + 1
        ))?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let found = self.found(&rows, &texts(&query.filter))?;
        Ok(TracePage {
            next_cursor: rows
                .last()
                .filter(|_| more)
                .map(|last| format!("{}.{}.{}", last.sort_at, last.born, last.trace)),
            traces: rows
                .into_iter()
                .zip(found)
                .map(|(row, found)| {
                    Ok::<_, StoreError>(TraceSummary {
                        found,
                        ..row.summary()?
                    })
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

impl ClickHouse {
    /// Where the traces of a page have the first of some texts.
    fn found(
        &self,
        rows: &[Listed],
        texts: &[(Needle, bool)],
    ) -> Result<Vec<Option<Found>>, StoreError> {
        if rows.is_empty() || texts.iter().all(|(_, negated)| *negated) {
            return Ok(rows.iter().map(|_| None).collect());
        }
        let memory = self.fold_again(rows.iter().map(|row| row.trace.as_str()))?;
        rows.iter()
            .map(|row| {
                let shown = external(&row.trace).unwrap_or(&row.trace);
                memory.found(shown, texts)
            })
            .collect()
    }
}

fn parse_cursor(cursor: &str) -> Option<(i64, i64, &str)> {
    let mut parts = cursor.splitn(3, '.');
    let (sort_at, born) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((sort_at, born, parts.next()?))
}
