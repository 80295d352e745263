//! The shapes of `GET /api/v1/compare`, and of `rollout diff --json`.

use rollout_core::event::Usage;
use serde::Serialize;

use super::{Change, Comparison, Counts, Divergence, Parts, Row, StepDiff};
use crate::{
    present,
    query::{MAX_SPANS, SpanRow, TraceSummary},
    store::{Store, StoreError},
};

/// How many rows a report holds at most.
pub const MAX_ROWS: u64 = 10_000;

/// Which part of a comparison is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompareQuery {
    /// Only rows that differ, and those above them.
    pub only_differences: bool,
    /// How many rows are passed over.
    pub offset: u64,
    /// How many rows at most, up to [`MAX_ROWS`].
    pub limit: u64,
}

/// Two traces side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The first trace.
    pub a: TraceSummary,
    /// The second trace.
    pub b: TraceSummary,
    /// Whether nothing differs that counts.
    pub same: bool,
    /// What the second took more than the first.
    pub delta: Delta,
    /// In what the traces as a whole differ: `name`, `input`, `messages`, `output`, `status`, `error`.
    pub whole: Parts,
    /// How many steps of which kind.
    pub counts: Counts,
    /// Where they part, in the order in which things happened; none of traces that are the same.
    pub first: Option<Divergence>,
    /// How many rows there are that are asked for.
    pub total: u64,
    /// The rows asked for, in the order of both trees as one.
    pub rows: Vec<ReportRow>,
    /// The `offset` of the rows behind these; none on the last page.
    pub next_offset: Option<u64>,
    /// What differs in words, of the step that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<StepDiff>,
}

/// A step of one trace or of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportRow {
    /// Its number among all rows, from 0.
    pub row: usize,
    /// How many steps are around it.
    pub depth: u32,
    /// What became of it.
    pub change: Change,
    /// In what the two differ: `name`, `order`, `model`, `input`, `prompt`, `attributes`, `output`, `status`, `error`.
    pub differs: Parts,
    /// The span of the first trace.
    pub a: Option<SpanRow>,
    /// The span of the second.
    pub b: Option<SpanRow>,
    /// What the second took more than the first, where both have it.
    pub delta: Delta,
}

impl ReportRow {
    /// The span that stands for both: that of the second trace where there is one.
    pub fn span(&self) -> Option<&SpanRow> {
        self.b.as_ref().or(self.a.as_ref())
    }
}

/// What one took more than the other; `null` where one of them is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Delta {
    /// Milliseconds.
    pub duration_ms: Option<f64>,
    /// Tokens.
    pub tokens: Option<i64>,
    /// US dollars.
    pub cost_usd: Option<f64>,
}

impl Delta {
    fn between(a: &Totals, b: &Totals) -> Self {
        let less = |a: Option<f64>, b: Option<f64>| Some(b? - a?);
        Self {
            duration_ms: less(a.duration_ms, b.duration_ms),
            tokens: a.tokens.zip(b.tokens).map(|(a, b)| b as i64 - a as i64),
            cost_usd: less(a.cost_usd, b.cost_usd),
        }
    }
}

/// What something took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Milliseconds.
    pub duration_ms: Option<f64>,
    /// Tokens.
    pub tokens: Option<u64>,
    /// US dollars.
    pub cost_usd: Option<f64>,
}

impl Totals {
    fn new(duration_ms: Option<f64>, usage: &Usage, cost_usd: Option<f64>) -> Self {
        Self {
            duration_ms,
            tokens: present::tokens(usage),
            cost_usd,
        }
    }

    /// Of a trace.
    pub fn of(trace: &TraceSummary) -> Self {
        Self::new(trace.duration_ms, &trace.usage, trace.cost_usd)
    }

    /// Of a span.
    pub fn of_span(span: &SpanRow) -> Self {
        Self::new(span.duration_ms, &span.usage, span.cost_usd)
    }
}

impl Comparison {
    /// A part of it in words. A span that has gone meanwhile is missing from its row.
    pub fn report(&self, store: &dyn Store, query: CompareQuery) -> Result<Report, StoreError> {
        let from = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let limit = query.limit.min(MAX_ROWS) as usize;
        let (total, numbers): (usize, Vec<usize>) = if query.only_differences {
            let differing = self.differing();
            let numbers = differing.iter().copied().skip(from).take(limit);
            (differing.len(), numbers.collect())
        } else {
            let numbers = (0..self.rows.len()).skip(from).take(limit);
            (self.rows.len(), numbers.collect())
        };
        let rows = self.rows(store, &numbers)?;
        let next = query.offset.saturating_add(rows.len() as u64);
        Ok(Report {
            same: self.same(),
            delta: Delta::between(&Totals::of(&self.a.summary), &Totals::of(&self.b.summary)),
            whole: self.whole,
            counts: self.counts,
            first: self.first,
            total: total as u64,
            next_offset: (!rows.is_empty() && next < total as u64).then_some(next),
            rows,
            diff: None,
            a: self.a.summary.clone(),
            b: self.b.summary.clone(),
        })
    }

    /// The rows of these numbers.
    pub fn rows(&self, store: &dyn Store, numbers: &[usize]) -> Result<Vec<ReportRow>, StoreError> {
        let rows: Vec<(usize, &Row)> = numbers
            .iter()
            .filter_map(|number| Some((*number, self.rows.get(*number)?)))
            .collect();
        let mut a = Spans::read(
            store,
            &self.a.summary.trace_id,
            rows.iter().filter_map(|(_, row)| row.a),
        )?;
        let mut b = Spans::read(
            store,
            &self.b.summary.trace_id,
            rows.iter().filter_map(|(_, row)| row.b),
        )?;
        let rows = rows.into_iter().map(|(number, row)| {
            let (a, b) = (a.take(row.a), b.take(row.b));
            let delta = a
                .as_ref()
                .zip(b.as_ref())
                .map(|(a, b)| Delta::between(&Totals::of_span(a), &Totals::of_span(b)));
            ReportRow {
                row: number,
                depth: row.depth,
                change: row.change(),
                differs: row.differs,
                a,
                b,
                delta: delta.unwrap_or_default(),
            }
        });
        Ok(rows.collect())
    }

    /// The row of a span of the first trace, else of the second.
    pub fn row_of(&self, store: &dyn Store, span_id: &str) -> Result<Option<usize>, StoreError> {
        let sides: [(&str, fn(&Row) -> Option<u32>); 2] = [
            (&self.a.summary.trace_id, |row| row.a),
            (&self.b.summary.trace_id, |row| row.b),
        ];
        for (trace_id, side) in sides {
            let mut offset = 0;
            loop {
                let page = store
                    .spans(trace_id, offset, MAX_SPANS)?
                    .unwrap_or_default();
                if let Some(at) = page.spans.iter().position(|span| span.span_id == span_id) {
                    let place = u32::try_from(offset + at as u64).ok();
                    return Ok(self.rows.iter().position(|row| side(row) == place));
                }
                offset += page.spans.len() as u64;
                if page.spans.is_empty() || offset >= page.total {
                    break;
                }
            }
        }
        Ok(None)
    }
}

/// Some spans of a trace by their places.
struct Spans(std::collections::HashMap<u32, SpanRow>);

impl Spans {
    /// Reads them, neighbours together.
    fn read(
        store: &dyn Store,
        trace_id: &str,
        places: impl Iterator<Item = u32>,
    ) -> Result<Self, StoreError> {
        let mut places: Vec<u32> = places.collect();
        places.sort_unstable();
        let mut spans = std::collections::HashMap::with_capacity(places.len());
        let mut rest = &*places;
        while let Some(first) = rest.first() {
            // A few that nobody asked for cost less than another question.
            let near = rest
                .windows(2)
                .take_while(|pair| pair[1] - pair[0] <= 16)
                .count()
                + 1;
            let last = rest[near - 1];
            let (from, limit) = (u64::from(*first), u64::from(last - first) + 1);
            let page = store
                .spans(trace_id, from, limit.min(MAX_SPANS))?
                .unwrap_or_default();
            let read = page.spans.len() as u32;
            spans.extend((*first..).zip(page.spans));
            let until = first.saturating_add(read.max(1));
            rest = &rest[rest.partition_point(|place| *place < until)..];
        }
        Ok(Self(spans))
    }

    fn take(&mut self, place: Option<u32>) -> Option<SpanRow> {
        self.0.remove(&place?)
    }
}
