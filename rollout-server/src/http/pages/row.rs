//! A trace as a row of a list.

use jiff::Timestamp;

use super::{
    facts::{self, Moment, Status},
    list::version,
    search::{self, and},
};
use crate::{
    present,
    query::{Found, TraceSummary},
};

/// Characters around a hit that a list shows at most; those before it go first.
const AROUND: usize = 160;

/// A row.
pub(super) struct Row {
    pub(super) id: String,
    /// Another one whenever anything of the row is.
    pub(super) version: String,
    pub(super) href: String,
    pub(super) status: Status,
    pub(super) status_href: Option<String>,
    pub(super) name: String,
    pub(super) name_href: Option<String>,
    /// The first of its tags; the others are told by their number.
    pub(super) tag: Option<Value>,
    pub(super) other_tags: Option<(usize, String)>,
    pub(super) input: String,
    /// What it returned or, of one that failed, why.
    pub(super) output: String,
    pub(super) failure: bool,
    pub(super) started: Option<Moment>,
    pub(super) duration: String,
    pub(super) running_ms: Option<f64>,
    pub(super) spans: String,
    pub(super) errors: Option<String>,
    pub(super) tokens: String,
    pub(super) cost: String,
    pub(super) user: Option<Value>,
    pub(super) session: Option<Value>,
    pub(super) found: Option<Hit>,
}

/// What a trace has, and the list of those that have it too, unless that is this one.
pub(super) struct Value {
    pub(super) word: String,
    pub(super) href: Option<String>,
}

/// Where the filter's text stands.
pub(super) struct Hit {
    pub(super) href: String,
    pub(super) place: String,
    /// Pieces of the text, and whether each is what was looked for.
    pub(super) pieces: Vec<(String, bool)>,
}

impl Row {
    /// The row of a trace in a list that `filter` has let it into.
    pub(super) fn of(summary: TraceSummary, filter: &str, now: Timestamp) -> Self {
        let (duration, running_ms) = facts::duration_of(&summary, now);
        let lead = |key: &str, value: &str| {
            let filter = and(filter, key, value)?;
            Some(search::href("/", &filter))
        };
        let value = |key: &str, word: String| Value {
            href: lead(key, &word),
            word,
        };
        let known = |known: Option<String>| known.unwrap_or_else(|| "–".to_owned());
        let found = summary.found.as_ref();
        let failure = summary
            .error
            .as_ref()
            .filter(|_| summary.output_preview.is_none());
        let why = failure.map(|error| {
            let parts = [error.kind.as_deref(), error.message.as_deref()];
            let parts: Vec<&str> = parts.into_iter().flatten().collect();
            parts.join(": ")
        });
        Self {
            version: version(&summary),
            href: facts::trace_href(&summary.trace_id),
            status_href: lead("status", &summary.status),
            status: Status::of(&summary.status),
            name_href: summary.name.as_deref().and_then(|name| lead("name", name)),
            name: facts::name_of(&summary),
            started: summary.started_at.map(Moment::of),
            duration,
            running_ms,
            spans: present::count(summary.span_count),
            errors: (summary.error_count > 0).then(|| present::count(summary.error_count)),
            tokens: known(present::tokens(&summary.usage).map(present::count)),
            cost: known(present::trace_cost(&summary)),
            found: found.map(|found| Hit::of(&summary.trace_id, found)),
            user: summary.user_id.map(|id| value("user", id)),
            session: summary.session_id.map(|id| value("session", id)),
            other_tags: (summary.tags.len() > 1)
                .then(|| (summary.tags.len() - 1, summary.tags[1..].join(", "))),
            tag: summary.tags.into_iter().next().map(|tag| value("tag", tag)),
            input: summary.input_preview.unwrap_or_default(),
            failure: why.is_some(),
            output: why.or(summary.output_preview).unwrap_or_default(),
            id: summary.trace_id,
        }
    }
}

impl Hit {
    fn of(trace_id: &str, found: &Found) -> Self {
        let text: Vec<char> = found.text.chars().collect();
        let mut pieces = Vec::new();
        let mut at = 0;
        let mut piece = |from: usize, to: usize, marked: bool| {
            if let Some(chars) = text.get(from..to).filter(|chars| !chars.is_empty()) {
                pieces.push((chars.iter().collect(), marked));
            }
        };
        for (from, to) in &found.marks {
            let (from, to) = (*from as usize, (*to as usize).min(text.len()));
            if from < at || from >= to {
                continue;
            }
            piece(at, from, false);
            piece(from, to, true);
            at = to;
        }
        piece(at, text.len().min(at + AROUND), false);
        let (href, of) = match &found.span_id {
            Some(span) => (facts::span_href(trace_id, span), "of a span"),
            None => (facts::trace_href(trace_id), "of the trace"),
        };
        Self {
            href,
            place: format!("{} {of}", found.part),
            pieces,
        }
    }
}
