//! A trace as a tree.

use std::io::{self, Write};

use rollout_core::event::{RawJson, Usage};

use super::paint::{BOLD, DIM, ERROR, Facts, Painted, kind, mark, plain, tone};
use crate::{
    present::{self, Tone},
    query::{CodeLocation, Failure, RolloutFacts, ScoreRow, SpanDetail, TraceDetail},
    value::{ITEM_COUNT, PROMPT, preview, streamed},
};

/// Characters of a name.
const NAME: usize = 80;
/// Characters of an error's message and of each of its causes.
const MESSAGE: usize = 300;

/// A trace and those of its spans that are shown.
#[derive(Debug, Clone, Copy)]
pub struct TraceTree<'a> {
    /// The trace.
    pub trace: &'a TraceDetail,
    /// Its spans in tree order, from the first.
    pub spans: &'a [SpanDetail],
    /// How many there are.
    pub total: u64,
}

/// Writes the head of the trace and its spans, one below the other, in lines of about `width`
/// characters: types, names, statuses, durations, models, tokens, where they are in the source,
/// what they were given, returned and failed with.
pub fn write_tree(out: &mut dyn Write, tree: TraceTree<'_>, width: usize) -> io::Result<()> {
    head(out, tree.trace)?;
    let last = last_siblings(tree.spans);
    let mut open: Vec<bool> = Vec::new();
    for (at, span) in tree.spans.iter().enumerate() {
        let depth = span.row.depth as usize;
        open.truncate(depth);
        open.resize(depth, false);
        let parent = tree
            .spans
            .get(at + 1)
            .is_some_and(|next| next.row.depth > span.row.depth);
        let stem = stem(&open);
        open.push(!last[at]);
        let (branch, below) = match (depth, last[at]) {
            (0, _) => ("", ""),
            (_, true) => ("└─ ", "   "),
            (_, false) => ("├─ ", "│  "),
        };
        let below = format!("{stem}{below}{}", if parent { "│  " } else { "   " });
        span_line(out, span, &format!("{stem}{branch}"))?;
        span_values(out, span, &below, width)?;
    }
    let shown = tree.spans.len() as u64;
    if shown < tree.total {
        let more = tree.total - shown;
        writeln!(
            out,
            "{}",
            Painted(DIM, format_args!("… and {more} more spans"))
        )?;
    }
    Ok(())
}

/// What a rollout is of, and what it was worth.
fn rollout_facts(rollout: &RolloutFacts, scores: &[ScoreRow]) -> Facts {
    let mut facts = Facts::default();
    let words = [
        ("run", &rollout.run_id),
        ("phase", &rollout.phase),
        ("step", &rollout.step_number.map(|step| step.to_string())),
        ("datapoint", &rollout.datapoint_id),
        ("environment", &rollout.env_name),
        ("policy", &rollout.model_name),
        (
            "sample",
            &rollout.sample_index.map(|sample| sample.to_string()),
        ),
    ];
    for (name, value) in words {
        let value = value.as_ref();
        facts.extend(value.map(|value| format!("{name} {}", plain(value, NAME))));
    }
    facts.push(counted(rollout.turns, "turn"));
    for score in scores {
        let value = present::score(score.value);
        facts.push(format_args!("{} {value}", plain(&score.grader, NAME)));
    }
    facts
}

fn head(out: &mut dyn Write, trace: &TraceDetail) -> io::Result<()> {
    let summary = &trace.summary;
    let meant = present::status_tone(&summary.status);
    let name = summary.name.as_deref().unwrap_or("(no name)");
    let mut facts = Facts::default();
    facts.push(Painted(BOLD, plain(name, NAME)));
    facts.push(Painted(
        tone(meant),
        format_args!("{} {}", meant.mark(), plain(&summary.status, 40)),
    ));
    facts.extend(summary.duration_ms.map(present::duration));
    facts.push(counted(summary.span_count, "span"));
    if summary.error_count > 0 {
        facts.push(Painted(ERROR, counted(summary.error_count, "error")));
    }
    if let Some(lost) = present::dropped(trace.dropped()) {
        facts.push(Painted(ERROR, format_args!("lost {}", plain(&lost, NAME))));
    }
    facts.extend(token_words(&summary.usage));
    facts.extend(present::trace_cost(summary));
    writeln!(out, "{facts}")?;

    let mut facts = Facts::default();
    facts.push(format_args!("trace {}", plain(&summary.trace_id, 200)));
    facts.extend(
        summary
            .started_at
            .map(|at| format!("{} UTC", present::moment(at))),
    );
    let words = [
        ("user", &summary.user_id),
        ("session", &summary.session_id),
        ("conversation", &summary.conversation_id),
    ];
    for (name, value) in words {
        facts.extend(
            value
                .as_ref()
                .map(|value| format!("{name} {}", plain(value, NAME))),
        );
    }
    if !summary.tags.is_empty() {
        facts.push(format_args!(
            "tags {}",
            plain(&summary.tags.join(", "), NAME)
        ));
    }
    writeln!(out, "{}", Painted(DIM, facts))?;
    if let Some(rollout) = &summary.rollout {
        let facts = rollout_facts(rollout, &summary.scores);
        writeln!(out, "{}", Painted(DIM, facts))?;
    }
    for link in &trace.links {
        let caller = link.relation == "caller";
        let words = format!(
            "{} {}  trace {}",
            if caller { "called by" } else { "calls" },
            plain(link.name.as_deref().unwrap_or("a trace"), NAME),
            plain(&link.trace_id, 200),
        );
        writeln!(out, "{}", Painted(DIM, words))?;
    }
    if meant == Tone::Interrupted {
        writeln!(
            out,
            "{}",
            Painted(
                tone(meant),
                "its process is gone; what had happened is below"
            )
        )?;
    }
    // The root span says it too, where there is one.
    if let Some(error) = summary.error.as_ref().filter(|_| summary.span_count == 0) {
        failure(out, error, "")?;
    }
    writeln!(out)
}

fn span_line(out: &mut dyn Write, span: &SpanDetail, before: &str) -> io::Result<()> {
    let row = &span.row;
    let meant = present::status_tone(&row.status);
    let name = row.name.as_deref().unwrap_or(&row.kind);
    let mut facts = Facts::default();
    facts.push(format_args!(
        "{} {} {}",
        mark(&row.status),
        Painted(kind(&row.kind), plain(&row.kind, 40)),
        Painted(BOLD, plain(name, NAME)),
    ));
    if meant != Tone::Ok {
        facts.push(Painted(tone(meant), plain(&row.status, 40)));
    }
    facts.extend(row.duration_ms.map(present::duration));
    facts.extend(row.model.as_ref().map(|model| plain(model, NAME)));
    facts.extend(token_words(&row.usage));
    facts.extend(row.cost_usd.map(present::cost));
    facts.extend(
        span.code
            .as_ref()
            .and_then(location)
            .map(|place| Painted(DIM, place)),
    );
    writeln!(out, "{}{facts}", Painted(DIM, before))
}

fn span_values(
    out: &mut dyn Write,
    span: &SpanDetail,
    below: &str,
    width: usize,
) -> io::Result<()> {
    let room = width.saturating_sub(below.chars().count() + 7).max(24);
    let mut line = |name: &str, value: Option<&RawJson>| match value {
        Some(value) => {
            let cut = span
                .truncated
                .get(match name {
                    "in" => "input",
                    "out" => "output",
                    other => other,
                })
                .map(|bytes| format!("  (cut; it had {})", present::bytes(*bytes)))
                .unwrap_or_default();
            let room = room.saturating_sub(cut.len());
            let streamed = (name == "out" && span.attributes.contains_key(ITEM_COUNT))
                .then(|| streamed(value.as_str()))
                .flatten();
            let words = match streamed {
                Some(text) => plain(&text, room),
                None => preview(value.as_str(), room),
            };
            let words = if words.is_empty() { "\"\"" } else { &words };
            writeln!(
                out,
                "{}{}{}{}",
                Painted(DIM, below),
                Painted(DIM, format_args!("{name:<4}")),
                plain(words, room),
                Painted(DIM, cut),
            )
        }
        None => Ok(()),
    };
    line("in", span.input.as_ref())?;
    line("ask", span.attributes.get(PROMPT))?;
    line("out", span.output.as_ref())?;
    match &span.row.error {
        Some(error) => failure(out, error, below),
        None => Ok(()),
    }
}

fn failure(out: &mut dyn Write, error: &Failure, below: &str) -> io::Result<()> {
    let below = Painted(DIM, below);
    let kind = error.kind.as_deref().unwrap_or("error");
    let message = error.message.as_deref().unwrap_or_default();
    let colon = if message.is_empty() { "" } else { ": " };
    let words = format!("{}{colon}{}", plain(kind, NAME), plain(message, MESSAGE));
    writeln!(out, "{below}{}", Painted(ERROR, words))?;
    for cause in &error.chain {
        writeln!(out, "{below}  ↳ {}", plain(cause, MESSAGE))?;
    }
    Ok(())
}

/// Which spans have no later sibling, looking from the end.
fn last_siblings(spans: &[SpanDetail]) -> Vec<bool> {
    let mut last = vec![false; spans.len()];
    let mut later: Vec<bool> = Vec::new();
    for (at, span) in spans.iter().enumerate().rev() {
        let depth = span.row.depth as usize;
        later.truncate(depth + 1);
        later.resize(depth + 1, false);
        last[at] = !later[depth];
        later[depth] = true;
    }
    last
}

/// The lines that pass by on the left, from the first level that draws one.
fn stem(open: &[bool]) -> String {
    open.iter()
        .skip(1)
        .map(|open| if *open { "│  " } else { "   " })
        .collect()
}

fn counted(count: u64, of: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {of}{s}", present::count(count))
}

pub(super) fn token_words(usage: &Usage) -> Option<String> {
    match (usage.input_tokens, usage.output_tokens) {
        (Some(input), Some(output)) => Some(format!(
            "{} → {} tokens",
            present::count(input),
            present::count(output)
        )),
        _ => present::tokens(usage).map(|all| format!("{} tokens", present::count(all))),
    }
}

fn location(code: &CodeLocation) -> Option<String> {
    let file = plain(code.file.as_deref()?, 120);
    Some(match code.line {
        Some(line) => format!("{file}:{line}"),
        None => file,
    })
}
