//! `list_traces`, and the list that a search for traces answers with.

use std::fmt::Write as _;

use rmcp::schemars;
use serde::Deserialize;

use super::{
    Failure, Local,
    answer::{Answer, short},
};
use crate::{
    present,
    query::{Filter, FilterError, TraceQuery, TraceSummary},
};

/// Traces that are listed at most.
const MOST: u64 = 100;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// What the traces must have: words like status:error, name:support*, tool:lookup, model:gpt-4.1*, error:Timeout,
    /// user:ID, duration>2s, cost>0.05, errors>0, since:2h, tag:x, a minus before a word for its opposite, and plain text
    /// ("refund") that stands anywhere in the trace.
    #[serde(default)]
    filter: String,
    /// How many at most, from 1 to 100; 20 unless said.
    limit: Option<u64>,
    /// The cursor that the answer before this one has named, for the traces after it.
    cursor: Option<String>,
    /// Tokens that the answer may take, from 300 to 50000; 2000 unless said.
    budget: Option<u64>,
}

pub(super) fn answer(local: &Local, asked: &Asked) -> Result<String, Failure> {
    let query = TraceQuery {
        filter: filter(&asked.filter, None)?,
        limit: limit(asked.limit)?,
        cursor: asked.cursor.clone(),
        ascending: false,
    };
    let mut answer = Answer::within(asked.budget)?;
    let shown = write(local, query, &mut answer)?;
    if shown == 0 {
        nothing(local, &mut answer, asked.filter.trim().is_empty())?;
    }
    Ok(answer.told())
}

/// How many are asked for.
pub(super) fn limit(asked: Option<u64>) -> Result<u64, Failure> {
    match asked.unwrap_or(20) {
        limit @ 1..=MOST => Ok(limit),
        limit => Err(Failure::told(format!(
            "`limit` is {limit}: how many traces, from 1 to {MOST}"
        ))),
    }
}

/// Says why there are none.
pub(super) fn nothing(local: &Local, answer: &mut Answer, all: bool) -> Result<(), Failure> {
    let place = short(&local.place(), 200);
    let is_empty = all
        || local
            .store
            .traces(&TraceQuery {
                limit: 1,
                ..TraceQuery::default()
            })?
            .traces
            .is_empty();
    answer.line(&if is_empty {
        format!(
            "no trace is recorded in {place} yet: run a program that calls rollout::init() there, or start \
             `rollout mcp --dir DIR` with another directory"
        )
    } else {
        format!("no trace in {place} has that; without a filter, `list_traces` lists all")
    });
    Ok(())
}

/// Writes a line for each trace, as far as there is room, and how to go on. Returns how many were written.
pub(super) fn write(
    local: &Local,
    mut query: TraceQuery,
    answer: &mut Answer,
) -> Result<usize, Failure> {
    let page = local.store.traces(&query)?;
    let mut shown = 0;
    for trace in &page.traces {
        if !answer.line(&line(trace)) {
            break;
        }
        shown += 1;
    }
    let mut next = page.next_cursor;
    if shown < page.traces.len() {
        // The cursor behind the last one that was written.
        query.limit = shown as u64;
        next = match shown {
            0 => query.cursor.clone(),
            _ => local.store.traces(&query)?.next_cursor,
        };
    }
    if let Some(cursor) = next {
        answer.left_out(format!(
            "older traces: the same with \"cursor\": \"{cursor}\""
        ));
    } else if shown < page.traces.len() {
        answer.left_out("all traces: a larger \"budget\" has room for them");
    }
    Ok(shown)
}

fn line(trace: &TraceSummary) -> String {
    let mut line = format!("{} {}", trace.trace_id, short(&trace.status, 20));
    if let Some(at) = trace.started_at {
        line.push(' ');
        line.push_str(&present::moment(at));
    }
    if let Some(ms) = trace.duration_ms {
        line.push_str(", ");
        line.push_str(&present::duration(ms));
    }
    let spans = if trace.span_count == 1 {
        "span"
    } else {
        "spans"
    };
    let _ = write!(line, ", {} {spans}", trace.span_count);
    if trace.error_count > 0 {
        let _ = write!(line, " ({} failed)", trace.error_count);
    }
    if let Some(tokens) = present::tokens(&trace.usage) {
        let _ = write!(line, ", {} tokens", present::count(tokens));
    }
    if let Some(cost) = present::trace_cost(trace) {
        line.push_str(", ");
        line.push_str(&cost);
    }
    let _ = write!(
        line,
        " | {}",
        short(trace.name.as_deref().unwrap_or("no name"), 60)
    );
    if let Some(found) = &trace.found {
        let span = found
            .span_id
            .as_ref()
            .map(|id| format!(" of span {id}"))
            .unwrap_or_default();
        let _ = write!(line, " | {}{span}: {}", found.part, short(&found.text, 160));
        return line;
    }
    if let Some(input) = &trace.input_preview {
        let _ = write!(line, " | in: {}", short(input, 80));
    }
    if let Some(error) = &trace.error {
        let words = error
            .message
            .as_deref()
            .or(error.kind.as_deref())
            .unwrap_or_default();
        let _ = write!(line, " | error: {}", short(words, 120));
    } else if let Some(output) = &trace.output_preview {
        let _ = write!(line, " | out: {}", short(output, 80));
    }
    line
}

/// A filter, and a text that must stand in the trace as well.
pub(super) fn filter(words: &str, text: Option<&str>) -> Result<Filter, Failure> {
    let parsed: Result<Filter, FilterError> = words.parse();
    let mut filter = parsed
        .map_err(|error| Failure::told(format!("`filter`: {error}\n\n{}", error.under(words))))?;
    filter.terms.extend(text.map(|text| crate::query::Term {
        negated: false,
        test: crate::query::Test::Contains(text.to_owned()),
    }));
    Ok(filter)
}
