//! Traces one below the other.

use std::io::{self, Write};

use jiff::Timestamp;

use super::paint::{BOLD, DIM, ERROR, Painted, plain, short_id, tone};
use crate::{
    present::{self, Tone},
    query::TraceSummary,
};

/// Characters of a name at most.
const NAME: usize = 32;

struct Line {
    status: String,
    tone: Tone,
    id: String,
    name: String,
    started: String,
    duration: String,
    spans: String,
    errors: u64,
    tokens: String,
    cost: String,
    input: String,
}

impl Line {
    fn of(trace: &TraceSummary, now: Timestamp) -> Self {
        let meant = present::status_tone(&trace.status);
        let so_far = || match (meant, trace.started_at) {
            (Tone::Running, Some(at)) => present::duration(present::since_ms(at, now)),
            _ => "–".to_owned(),
        };
        Self {
            status: plain(&trace.status, 20),
            tone: meant,
            id: short_id(&trace.trace_id),
            name: plain(trace.name.as_deref().unwrap_or("(no name)"), NAME),
            started: trace.started_at.map(present::moment).unwrap_or_default(),
            duration: trace.duration_ms.map_or_else(so_far, present::duration),
            spans: present::count(trace.span_count),
            errors: trace.error_count,
            tokens: present::tokens(&trace.usage)
                .map(present::count)
                .unwrap_or_default(),
            cost: present::trace_cost(trace).unwrap_or_default(),
            input: trace.input_preview.clone().unwrap_or_default(),
        }
    }
}

/// Writes a line for each trace under a line of headings, in columns, `width` characters wide;
/// `now` tells how long running ones have taken.
pub fn write_list(
    out: &mut dyn Write,
    traces: &[TraceSummary],
    now: Timestamp,
    width: usize,
) -> io::Result<()> {
    let lines: Vec<_> = traces.iter().map(|trace| Line::of(trace, now)).collect();
    let widest = |head: &str, of: fn(&Line) -> &String| {
        let lines = lines.iter().map(|line| of(line).chars().count());
        lines.chain([head.chars().count()]).max().unwrap_or(0)
    };
    let (status, id) = (
        widest("STATUS", |line| &line.status),
        widest("TRACE", |line| &line.id),
    );
    let (name, started) = (
        widest("NAME", |line| &line.name),
        widest("STARTED (UTC)", |line| &line.started),
    );
    let (duration, spans) = (
        widest("DURATION", |line| &line.duration),
        widest("SPANS", |line| &line.spans),
    );
    let (tokens, cost) = (
        widest("TOKENS", |line| &line.tokens),
        widest("COST", |line| &line.cost),
    );
    let fixed = status + id + name + started + duration + spans + tokens + cost + 6 + 2 * 9 + 2;
    let room = width.saturating_sub(fixed);
    let input = if room >= 12 { "INPUT" } else { "" };
    let head = format!(
        "  {:status$}  {:id$}  {:name$}  {:started$}  {:>duration$}  {:>spans$}  {:>6}  {:>tokens$}  {:>cost$}  {input}",
        "STATUS", "TRACE", "NAME", "STARTED (UTC)", "DURATION", "SPANS", "ERRORS", "TOKENS", "COST",
    );
    writeln!(out, "{}", Painted(DIM, head.trim_end()))?;
    for line in &lines {
        let mark = Painted(tone(line.tone), line.tone.mark());
        let word = Painted(tone(line.tone), format_args!("{:status$}", line.status)).to_string();
        let bold = Painted(BOLD, format_args!("{:name$}", line.name)).to_string();
        let errors = if line.errors > 0 {
            Painted(ERROR, format!("{:>6}", present::count(line.errors)))
        } else {
            Painted(DIM, format!("{:>6}", "–"))
        };
        let said = if input.is_empty() {
            String::new()
        } else {
            Painted(DIM, plain(&line.input, room)).to_string()
        };
        let text = format!(
            "{mark} {word}  {:id$}  {bold}  {:started$}  {:>duration$}  {:>spans$}  {errors}  {:>tokens$}  {:>cost$}  {said}",
            line.id, line.started, line.duration, line.spans, line.tokens, line.cost,
        );
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}
