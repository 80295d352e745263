//! The spans of a trace with who is around whom.

use std::collections::HashMap;

use super::{Failure, Local, answer::short};
use crate::{
    present::{self, Tone},
    query::{MAX_SPANS, SpanRow, TraceDetail},
};

/// Spans of one trace in tree order, without their payloads.
pub(super) struct Tree {
    pub(super) rows: Vec<SpanRow>,
    parents: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
    pub(super) tops: Vec<usize>,
}

impl Tree {
    /// Reads all spans of a trace.
    pub(super) fn read(local: &Local, trace_id: &str) -> Result<Self, Failure> {
        let mut rows = Vec::new();
        loop {
            let page = local
                .store
                .spans(trace_id, rows.len() as u64, MAX_SPANS)?
                .unwrap_or_default();
            let is_last = page.spans.is_empty();
            rows.extend(page.spans);
            if is_last || rows.len() as u64 >= page.total {
                break;
            }
        }
        let mut tree = Self {
            parents: Vec::with_capacity(rows.len()),
            children: vec![Vec::new(); rows.len()],
            tops: Vec::new(),
            rows,
        };
        let mut around: Vec<usize> = Vec::new();
        for index in 0..tree.rows.len() {
            around.truncate(tree.rows[index].depth as usize);
            let parent = around.last().copied();
            match parent {
                Some(parent) => tree.children[parent].push(index),
                None => tree.tops.push(index),
            }
            tree.parents.push(parent);
            around.push(index);
        }
        Ok(tree)
    }

    /// The place of a span by its id, or the beginning of it.
    pub(super) fn find(&self, trace: &TraceDetail, span_id: &str) -> Result<usize, Failure> {
        if let Some(index) = self.rows.iter().position(|row| row.span_id == span_id) {
            return Ok(index);
        }
        let like =
            |index: &usize| !span_id.is_empty() && self.rows[*index].span_id.starts_with(span_id);
        let mut found = (0..self.rows.len()).filter(like);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => Err(Failure::told(format!(
                "several spans have an id that begins with {span_id}: give more of it"
            ))),
            (None, _) => Err(Failure::told(format!(
                "the trace {} has no span {span_id}: `outline` and `search` with \"trace\" show their ids",
                trace.summary.trace_id
            ))),
        }
    }

    /// The spans right below.
    pub(super) fn below(&self, index: usize) -> &[usize] {
        &self.children[index]
    }

    /// The names from the top down to a span, those in the middle of a deep one left out.
    pub(super) fn path(&self, index: usize) -> String {
        let mut names = Vec::new();
        let mut at = Some(index);
        while let Some(index) = at {
            names.push(name(&self.rows[index], 40));
            at = self.parents[index];
        }
        names.reverse();
        if names.len() > 8 {
            let left_out = names.len() - 7;
            names.splice(3..3 + left_out, [format!("({left_out} more)")]);
        }
        names.join(" › ")
    }

    /// Failed spans without a failed one below: where failures are from. Those below `from`, if that is given.
    pub(super) fn causes(&self, from: Option<usize>) -> Vec<usize> {
        let mut fails_below = vec![false; self.rows.len()];
        for index in (0..self.rows.len()).rev() {
            if let Some(parent) = self.parents[index] {
                fails_below[parent] |= fails_below[index] || failed(&self.rows[index]);
            }
        }
        let is_cause = |index: &usize| failed(&self.rows[*index]) && !fails_below[*index];
        self.range(from).filter(is_cause).collect()
    }

    /// A span and all below it; without one, all.
    pub(super) fn range(&self, from: Option<usize>) -> std::ops::Range<usize> {
        let Some(from) = from else {
            return 0..self.rows.len();
        };
        let depth = self.rows[from].depth;
        let after = self.rows[from + 1..]
            .iter()
            .position(|row| row.depth <= depth);
        from..after.map_or(self.rows.len(), |after| from + 1 + after)
    }

    /// Siblings, those that are alike as one: more than `most` of one type and name.
    pub(super) fn folded(
        &self,
        spans: impl Iterator<Item = usize>,
        most: usize,
    ) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut by_name: HashMap<(&str, Option<&str>), usize> = HashMap::new();
        for index in spans {
            let row = &self.rows[index];
            let group = *by_name
                .entry((&row.kind, row.name.as_deref()))
                .or_insert_with(|| {
                    groups.push(Vec::new());
                    groups.len() - 1
                });
            groups[group].push(index);
        }
        let mut shown = Vec::new();
        for group in groups {
            if group.len() > most {
                shown.push(group);
            } else {
                shown.extend(group.into_iter().map(|index| vec![index]));
            }
        }
        shown.sort_by_key(|group| group[0]);
        shown
    }
}

/// Whether a span failed.
pub(super) fn failed(row: &SpanRow) -> bool {
    row.error.is_some() || present::status_tone(&row.status) == Tone::Error
}

/// A span's name in so many characters.
pub(super) fn name(row: &SpanRow, chars: usize) -> String {
    short(row.name.as_deref().unwrap_or(&row.kind), chars)
}

/// What a failed span says of it, in so many characters.
pub(super) fn error(row: &SpanRow, chars: usize) -> String {
    let failure = row.error.as_ref();
    let kind = failure.and_then(|failure| failure.kind.as_deref());
    let message = failure.and_then(|failure| failure.message.as_deref());
    match (kind, message) {
        (Some(kind), Some(message)) => format!("{}: {}", short(kind, 60), short(message, chars)),
        (Some(only), None) | (None, Some(only)) => short(only, chars),
        (None, None) => row.status.clone(),
    }
}
