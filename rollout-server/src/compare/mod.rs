//! Two traces, aligned by their structure, and what differs between them.
//!
//! Spans are matched level by level: children of matched parents, in order, by type and name, those that were given and
//! returned the same first ([`sequence`]). What remains of a level and did the same in both traces has moved; everything
//! else was added or removed. A matched pair is compared part by part ([`Part`]). What differs from run to run by its
//! nature does not count ([`volatile`]), nor do times, tokens and costs: these are told beside it.
//!
//! A trace is read once, and of each span only hashes are kept, so memory is some 100 bytes a span; aligning takes time
//! in proportion to the number of spans.

mod align;
mod canonical;
mod conversation;
mod diff;
mod fingerprint;
mod kept;
mod part;
mod report;
mod sequence;
mod step;
mod text;
mod volatile;
mod words;

use crate::{
    query::TraceDetail,
    store::{Store, StoreError},
};

pub use align::{Change, Counts, Row};
pub use diff::{Form, PartDiff, StepDiff, Turn};
pub use kept::Kept;
pub use part::{Part, Parts};
pub use report::{CompareQuery, Delta, MAX_ROWS, Report, ReportRow, Totals};
pub use text::{Hunk, Line, Side, TextDiff};

use step::Trail;

/// How two traces differ.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The first trace.
    pub a: TraceDetail,
    /// The second trace.
    pub b: TraceDetail,
    /// In what the traces as a whole differ.
    pub whole: Parts,
    /// Every span of both, each once, in the order of both trees as one.
    pub rows: Vec<Row>,
    /// How many rows of which kind.
    pub counts: Counts,
    /// Where they part, in the order in which things happened.
    pub first: Option<Divergence>,
}

/// A place where two traces differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Divergence {
    /// The row; none where it is in what the trace as a whole was given, returned or said.
    pub row: Option<usize>,
    /// What differs there; none of a step that only one of them has.
    pub part: Option<Part>,
}

impl Comparison {
    /// Compares two traces of a store by their ids or the caller's own. `Err` of the inner result is the id that no
    /// trace has.
    pub fn read<'a>(
        store: &dyn Store,
        a: &'a str,
        b: &'a str,
    ) -> Result<Result<Self, &'a str>, StoreError> {
        let Some(first) = Trail::read(store, a)? else {
            return Ok(Err(a));
        };
        let Some(second) = Trail::read(store, b)? else {
            return Ok(Err(b));
        };
        Ok(Ok(Self::of(first, second)))
    }

    fn of(a: Trail, b: Trail) -> Self {
        let rows = align::rows(&a.steps, &b.steps);
        let whole = a.whole.differs(&b.whole);
        Self {
            counts: Counts::of(&rows),
            first: align::first(whole, &rows),
            whole,
            rows,
            a: a.trace,
            b: b.trace,
        }
    }

    /// Whether nothing differs that counts.
    pub fn same(&self) -> bool {
        self.first.is_none()
    }

    /// The rows that differ, and those above them.
    pub fn differing(&self) -> Vec<usize> {
        let mut found = Vec::new();
        let mut above: Vec<usize> = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            while above
                .pop_if(|above| self.rows[*above].depth >= row.depth)
                .is_some()
            {}
            if row.change() != Change::Unchanged {
                let from = above
                    .iter()
                    .position(|above| found.binary_search(above).is_err());
                found.extend(from.into_iter().flat_map(|from| above[from..].to_vec()));
                found.push(index);
            }
            above.push(index);
        }
        found
    }

    /// The next row that differs behind (or, backwards, before) a row.
    pub fn next_difference(&self, from: Option<usize>, backwards: bool) -> Option<usize> {
        let differs = |index: &usize| self.rows[*index].change() != Change::Unchanged;
        match (from, backwards) {
            (None, false) => (0..self.rows.len()).find(differs),
            (None, true) => None,
            (Some(at), false) => (at + 1..self.rows.len()).find(differs),
            (Some(at), true) => (0..at.min(self.rows.len())).rev().find(differs),
        }
    }
}
