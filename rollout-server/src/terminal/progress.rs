//! One line for each thing that happens.

use std::io::{self, Write};

use jiff::Timestamp;

use super::{
    paint::{BOLD, DIM, ERROR, Facts, Painted, kind, mark, plain, short_id, tone},
    tree::token_words,
};
use crate::{
    present::{self, Tone},
    query::{SpanRow, TraceSummary},
};

/// Characters of a name.
const NAME: usize = 60;

fn begin(at: Option<Timestamp>, trace: &TraceSummary, depth: usize) -> String {
    let clock = at.map_or_else(
        || " ".repeat(12),
        |at| at.strftime("%H:%M:%S%.3f").to_string(),
    );
    let words = format!("{clock}  {}", short_id(&trace.trace_id));
    // Deep trees keep room for their names.
    format!("{}  {}", Painted(DIM, words), "  ".repeat(depth.min(12)))
}

/// Writes that a trace has begun, and with what.
pub fn write_begin(out: &mut dyn Write, trace: &TraceSummary) -> io::Result<()> {
    let mut facts = Facts::default();
    facts.push(format_args!("{} {}", mark("running"), bold_name(trace)));
    facts.extend(trace.input_preview.as_ref().map(|input| plain(input, 80)));
    writeln!(out, "{}{facts}", begin(trace.started_at, trace, 0))
}

/// Writes how a trace ended.
pub fn write_end(out: &mut dyn Write, trace: &TraceSummary) -> io::Result<()> {
    let mut facts = Facts::default();
    facts.push(format_args!("{} {}", mark(&trace.status), bold_name(trace)));
    let meant = present::status_tone(&trace.status);
    facts.push(Painted(tone(meant), plain(&trace.status, 40)));
    facts.extend(trace.duration_ms.map(present::duration));
    facts.push(format_args!("{} spans", present::count(trace.span_count)));
    facts.extend(token_words(&trace.usage));
    facts.extend(present::trace_cost(trace));
    let at = trace.ended_at.or(trace.started_at);
    writeln!(out, "{}{facts}", begin(at, trace, 0))
}

fn bold_name(trace: &TraceSummary) -> Painted<String> {
    let name = trace.name.as_deref().unwrap_or("(no name)");
    Painted(BOLD, plain(name, NAME))
}

/// Writes that a span has begun, or how it ended.
pub fn write_span(out: &mut dyn Write, trace: &TraceSummary, span: &SpanRow) -> io::Result<()> {
    let meant = present::status_tone(&span.status);
    let name = span.name.as_deref().unwrap_or(&span.kind);
    let mut facts = Facts::default();
    facts.push(format_args!(
        "{} {} {}",
        mark(&span.status),
        Painted(kind(&span.kind), plain(&span.kind, 40)),
        plain(name, NAME),
    ));
    if meant != Tone::Ok {
        facts.push(Painted(tone(meant), plain(&span.status, 40)));
    }
    facts.extend(span.duration_ms.map(present::duration));
    facts.extend(span.model.as_ref().map(|model| plain(model, NAME)));
    facts.extend(token_words(&span.usage));
    if let Some(error) = &span.error {
        let words = [error.kind.as_deref(), error.message.as_deref()];
        let words: Vec<_> = words.into_iter().flatten().collect();
        facts.push(Painted(ERROR, plain(&words.join(": "), 160)));
    }
    let depth = span.depth as usize + 1;
    writeln!(out, "{}{facts}", begin(span.started_at, trace, depth))
}
