//! `diff`: two traces, aligned, and what differs between them.

use std::fmt::Write as _;

use rmcp::schemars;
use serde::Deserialize;

use super::{
    Failure, Local,
    answer::{Answer, short},
};
use crate::{
    compare::{Change, Comparison, Form, Part, ReportRow, StepDiff, TextDiff, Totals},
    present,
    query::TraceSummary,
};

/// Characters of a line of a text diff.
const LINE: usize = 400;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The first trace: its id, the beginning of it, or `last` for the newest.
    a: String,
    /// The second trace.
    b: String,
    /// Only what differs of the step of this number, as text; the number stands at the beginning of its line.
    row: Option<usize>,
    /// Lines of differing steps that are passed over.
    #[serde(default)]
    offset: usize,
    /// Tokens that the answer may take, from 300 to 50000; 2000 unless said.
    budget: Option<u64>,
}

pub(super) fn answer(local: &Local, asked: &Asked) -> Result<String, Failure> {
    let mut answer = Answer::within(asked.budget)?;
    let store = &*local.store;
    let (a, b) = (local.find(&asked.a)?, local.find(&asked.b)?);
    let ids = (&*a.summary.trace_id, &*b.summary.trace_id);
    let comparison = Comparison::read(store, ids.0, ids.1)?
        .map_err(|id| Failure::told(format!("the trace {id} has just been removed")))?;
    let more = |rest: &str| {
        format!(
            "diff {{\"a\": \"{}\", \"b\": \"{}\", {rest}}}",
            ids.0, ids.1
        )
    };
    if let Some(row) = asked.row {
        let diff = comparison.diff(store, Some(row))?.ok_or_else(|| {
            Failure::told(format!(
                "`row` is {row}: the two traces have {} steps, counted from 0",
                comparison.rows.len()
            ))
        })?;
        step(&diff, &mut answer);
        return Ok(answer.told());
    }
    if asked.offset == 0 {
        head(&comparison, &mut answer);
    }
    let differing = comparison.differing();
    let offset = asked.offset.min(differing.len());
    // No line takes less than some tokens: more rows have no room.
    let most = (answer.room() / 16) as usize + 1;
    let rows = comparison.rows(
        store,
        &differing[offset..differing.len().min(offset + most)],
    )?;
    // In the first answer, a third is for what differs at the first place.
    let first = comparison.first.filter(|_| asked.offset == 0);
    let kept = first.map_or(0, |_| answer.room() / 3);
    let mut shown = 0;
    for row in &rows {
        if !answer.line_leaving(&line(row), kept) {
            break;
        }
        shown += 1;
    }
    if let Some(first) = first
        && let Some(diff) = comparison.diff(store, first.row)?
    {
        answer.line(&match first.row {
            Some(row) => format!("what differs first, in step {row}:"),
            None => "what differs first, in the traces as a whole:".to_owned(),
        });
        step(&diff, &mut answer);
    }
    let next = offset + shown;
    if next < differing.len() {
        let left = differing.len() - next;
        answer.left_out(format!(
            "{left} more steps: {}",
            more(&format!("\"offset\": {next}"))
        ));
    }
    if asked.offset == 0 && !comparison.same() {
        answer.left_out("texts of the other steps: the same with \"row\": NUMBER");
    }
    Ok(answer.told())
}

fn head(comparison: &Comparison, answer: &mut Answer) {
    for (mark, trace) in [
        ("- a", &comparison.a.summary),
        ("+ b", &comparison.b.summary),
    ] {
        answer.line(&format!("{mark}: {}", facts(trace)));
    }
    if comparison.same() {
        answer.line("nothing differs that counts: ids, times, tokens and costs do not");
        return;
    }
    let counts = comparison.counts;
    answer.line(&format!(
        "steps: {} the same, {} changed (~), {} only in b (+), {} only in a (-), {} moved (↕)",
        counts.unchanged, counts.changed, counts.added, counts.removed, counts.moved
    ));
    let whole: Vec<_> = comparison.whole.iter().map(Part::name).collect();
    if !whole.is_empty() {
        answer.line(&format!(
            "of the traces as a whole differ: {}",
            whole.join(", ")
        ));
    }
}

fn facts(trace: &TraceSummary) -> String {
    let totals = Totals::of(trace);
    let mut words = format!(
        "{} {} {}",
        trace.trace_id,
        short(trace.name.as_deref().unwrap_or("without a name"), 60),
        short(&trace.status, 20)
    );
    words.extend(
        totals
            .duration_ms
            .map(|ms| format!(", {}", present::duration(ms))),
    );
    let _ = write!(words, ", {} spans", trace.span_count);
    words.extend(
        totals
            .tokens
            .map(|tokens| format!(", {} tokens", present::count(tokens))),
    );
    words.extend(present::trace_cost(trace).map(|cost| format!(", {cost}")));
    words
}

/// A step: its number, what became of it, its ids, and in what the two differ.
fn line(row: &ReportRow) -> String {
    let mut line = format!(
        "{} {}{}",
        row.row,
        "  ".repeat(row.depth.min(12) as usize),
        row.change.mark()
    );
    if let Some(span) = row.span() {
        let _ = write!(
            line,
            " {} [{}]",
            short(span.name.as_deref().unwrap_or(&span.kind), 60),
            short(&span.kind, 20)
        );
    }
    if row.change != Change::Unchanged {
        let ids: Vec<_> = [("a", &row.a), ("b", &row.b)]
            .into_iter()
            .filter_map(|(side, span)| {
                Some(format!("{side} {}", short(&span.as_ref()?.span_id, 64)))
            })
            .collect();
        let _ = write!(line, " ({})", ids.join(", "));
    }
    let differs: Vec<_> = row.differs.iter().map(Part::name).collect();
    if !differs.is_empty() {
        let _ = write!(line, ": {}", differs.join(", "));
    }
    line
}

/// The texts of one step, as far as there is room.
fn step(diff: &StepDiff, answer: &mut Answer) {
    let mut left = 0;
    for part in &diff.parts {
        left += usize::from(!answer.line(&format!("{}:", part.part.name())));
        match &part.form {
            Form::Lines { diff, .. } => left += lines(diff, answer),
            Form::Conversation { turns } => {
                for turn in turns.iter().filter(|turn| turn.change != Change::Unchanged) {
                    let role = format!("{} {}", turn.change.mark(), short(&turn.role, 40));
                    left += usize::from(!answer.line(&role));
                    left += lines(&turn.diff, answer);
                }
            }
        }
    }
    if left > 0 {
        answer.left_out(format!(
            "{left} lines of texts: a larger \"budget\", or `span` for either side"
        ));
    }
}

/// The lines of a text diff; returns how many had no room.
fn lines(diff: &TextDiff, answer: &mut Answer) -> usize {
    let mut left = diff.left_out;
    for hunk in &diff.hunks {
        for line in &hunk.lines {
            let text = format!("  {} {}", line.side.mark(), short(&line.text(), LINE));
            left += usize::from(!answer.line(&text));
        }
    }
    left
}
