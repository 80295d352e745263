//! The exporter `console`: a readable tree of each trace when it ends.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Deserialize;

use super::{Batch, ExportFuture, Exporter, Receipt};

/// How many traces are open at most, and spans in one; the oldest trace goes, and spans beyond
/// are only counted.
const MOST_TRACES: usize = 256;
const MOST_SPANS: usize = 2_000;

/// How many characters of a name or message are shown.
const MOST_CHARS: usize = 120;

const NAME: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();
const FAILED: Style = AnsiColor::Red.on_default();

/// Prints a tree of each trace when it ends, by default on stderr, with colour on a terminal
/// only.
pub struct ConsoleExporter {
    output: Box<dyn Write + Send>,
    colour: bool,
    /// Open traces, and when each was seen first.
    traces: BTreeMap<String, (u64, Trace)>,
    seen: u64,
}

#[derive(Default)]
struct Trace {
    name: String,
    spans: Vec<Span>,
    left_out: usize,
    /// Where it began in another process: the first span here. With that, there is no more to come.
    branch: Option<String>,
}

#[derive(Default)]
struct Span {
    id: String,
    parent: Option<String>,
    kind: String,
    name: String,
    ended: bool,
    status: String,
    duration_ms: Option<f64>,
    detail: String,
    error: Option<String>,
}

/// What is read of an event.
#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    parent_span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    span_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(default)]
    duration_ms: Option<f64>,
    #[serde(default)]
    model: Model,
    #[serde(default)]
    usage: Usage,
    #[serde(default)]
    error: Failure,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
struct Attributes {
    #[serde(default, rename = "rollout.parent.remote")]
    branch: bool,
}

#[derive(Default, Deserialize)]
struct Model {
    model: Option<String>,
}

#[derive(Default, Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost_usd: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Failure {
    #[serde(rename = "type")]
    kind: Option<String>,
    message_preview: Option<String>,
}

impl Default for ConsoleExporter {
    fn default() -> Self {
        Self::new()
    }
}

impl ConsoleExporter {
    /// Prints on stderr.
    pub fn new() -> Self {
        Self::to(io::stderr(), io::stderr().is_terminal())
    }

    /// Prints to `output`.
    pub fn to(output: impl Write + Send + 'static, colour: bool) -> Self {
        Self {
            output: Box::new(output),
            colour,
            traces: BTreeMap::new(),
            seen: 0,
        }
    }

    fn take(&mut self, event: &Seen<'_>) {
        let Some(trace_id) = event.trace_id.as_deref() else {
            return;
        };
        if !self.traces.contains_key(trace_id) {
            self.make_room();
            self.seen += 1;
            let fresh = (self.seen, Trace::default());
            self.traces.insert(trace_id.into(), fresh);
        }
        let Some((_, trace)) = self.traces.get_mut(trace_id) else {
            return;
        };
        match &*event.event_type {
            "trace.start" => trace.name = text(event.name.as_ref()),
            "trace.end" => {
                if trace.name.is_empty() {
                    trace.name = text(event.name.as_ref());
                }
                self.print(trace_id, event);
            }
            _ => {
                let ends = trace.take(event) && trace.branch.as_deref() == event.span_id.as_deref();
                if ends && trace.name.is_empty() {
                    trace.name = trace.branch_name();
                    self.print(trace_id, event);
                }
            }
        }
    }

    fn print(&mut self, trace_id: &str, end: &Seen<'_>) {
        if let Some((_, trace)) = self.traces.remove(trace_id) {
            let tree = self.tree(trace_id, &trace, end);
            // A terminal that is gone is nobody's loss.
            let _ = self.output.write_all(tree.as_bytes());
            let _ = self.output.flush();
        }
    }

    fn make_room(&mut self) {
        if self.traces.len() < MOST_TRACES {
            return;
        }
        let oldest = self.traces.iter().min_by_key(|(_, (seen, _))| *seen);
        if let Some(id) = oldest.map(|(id, _)| id.clone()) {
            self.traces.remove(&id);
        }
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.into()
        }
    }

    fn tree(&self, trace_id: &str, trace: &Trace, end: &Seen<'_>) -> String {
        let mut out = self.paint(NAME, &trace.name);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "  {}",
            self.state(&text(end.status.as_ref()), end.duration_ms)
        );
        let _ = writeln!(out, "  {}", self.paint(QUIET, trace_id));
        if let Some(error) = end.error.text() {
            let _ = writeln!(out, "  {}", self.paint(FAILED, &error));
        }
        let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        let ids: BTreeMap<&str, usize> = trace
            .spans
            .iter()
            .enumerate()
            .map(|(index, span)| (span.id.as_str(), index))
            .collect();
        for (index, span) in trace.spans.iter().enumerate() {
            let parent = span.parent.as_deref().and_then(|id| ids.get(id).copied());
            let parent = parent.filter(|parent| *parent != index);
            children.entry(parent).or_default().push(index);
        }
        // Depth first, without recursion: depth is the program's choice.
        let mut stack: Vec<(usize, String, bool)> = Vec::new();
        let push = |stack: &mut Vec<_>, parent, indent: &str| {
            let found = children.get(&parent).map_or(&[][..], Vec::as_slice);
            for (place, index) in found.iter().rev().enumerate() {
                stack.push((*index, indent.to_owned(), place == 0));
            }
        };
        push(&mut stack, None, "");
        while let Some((index, indent, last)) = stack.pop() {
            let span = &trace.spans[index];
            let branch = if last { "└─ " } else { "├─ " };
            let _ = write!(out, "{}", self.paint(QUIET, &format!("{indent}{branch}")));
            let _ = write!(out, "{} ", self.paint(NAME, &span.name));
            let _ = write!(out, "{}  ", self.paint(QUIET, &span.kind));
            let status = if span.ended { &span.status } else { "running" };
            let _ = write!(out, "{}", self.state(status, span.duration_ms));
            let _ = writeln!(out, "{}", self.paint(QUIET, &span.detail));
            let inner = format!("{indent}{}", if last { "   " } else { "│  " });
            if let Some(error) = &span.error {
                let bar = self.paint(QUIET, &inner);
                let _ = writeln!(out, "{bar}{}", self.paint(FAILED, error));
            }
            push(&mut stack, Some(index), &inner);
        }
        if trace.left_out > 0 {
            let _ = writeln!(out, "… and {} spans more", trace.left_out);
        }
        out
    }

    fn state(&self, status: &str, duration_ms: Option<f64>) -> String {
        let status = match status {
            "" | "ok" => status.to_owned(),
            _ => self.paint(FAILED, status),
        };
        match duration_ms {
            Some(ms) if ms >= 1_000.0 => format!("{status} {:.2} s", ms / 1_000.0),
            Some(ms) => format!("{status} {ms:.1} ms"),
            None => status,
        }
    }
}

impl Trace {
    fn branch_name(&self) -> String {
        let branch = self.branch.as_deref();
        let mut spans = self.spans.iter();
        let found = spans.find(|span| Some(span.id.as_str()) == branch);
        found.map(|span| span.name.clone()).unwrap_or_default()
    }

    /// Takes in what a span says. Returns whether that ends.
    fn take(&mut self, event: &Seen<'_>) -> bool {
        let Some(id) = event.span_id.as_deref() else {
            return false;
        };
        let opens = matches!(&*event.event_type, "span.start" | "tool.call");
        let ends = matches!(&*event.event_type, "span.end" | "tool.result");
        let updates = opens || ends || event.event_type == "span.update";
        // Latest first: an event is mostly about a span that began a moment ago.
        let found = self.spans.iter().rposition(|span| span.id == id);
        let index = match found {
            Some(index) => index,
            None if !updates => return false,
            None if self.spans.len() >= MOST_SPANS => {
                self.left_out += usize::from(opens);
                return false;
            }
            None => {
                self.spans.push(Span {
                    id: id.into(),
                    ..Span::default()
                });
                self.spans.len() - 1
            }
        };
        if event.attributes.branch && self.branch.is_none() {
            self.branch = Some(id.into());
        }
        let span = &mut self.spans[index];
        if !updates {
            return false;
        }
        if event.parent_span_id.is_some() {
            span.parent = event.parent_span_id.as_deref().map(Into::into);
        }
        if event.name.is_some() {
            span.name = text(event.name.as_ref());
        }
        if let Some(kind) = &event.span_type {
            span.kind = kind.to_string();
        }
        if let Some(model) = &event.model.model {
            span.detail = format!("  {}", short(model));
        }
        if let (Some(input), Some(output)) = (event.usage.input_tokens, event.usage.output_tokens) {
            // Writing to a String cannot fail.
            let _ = write!(span.detail, "  {input} → {output} tokens");
            if let Some(cost) = event.usage.cost_usd {
                let _ = write!(span.detail, "  ${cost:.4}");
            }
        }
        if ends {
            span.ended = true;
            span.status = text(event.status.as_ref());
            span.duration_ms = event.duration_ms;
            span.error = event.error.text();
        }
        ends
    }
}

impl Failure {
    fn text(&self) -> Option<String> {
        match (&self.kind, &self.message_preview) {
            (None, None) => None,
            (Some(kind), None) => Some(short(kind)),
            (None, Some(message)) => Some(short(message)),
            (Some(kind), Some(message)) => Some(short(&format!("{kind}: {message}"))),
        }
    }
}

fn text(value: Option<&Cow<'_, str>>) -> String {
    value.map(|text| short(text)).unwrap_or_default()
}

/// One line, cut, and with nothing in it that a terminal would obey.
fn short(text: &str) -> String {
    let mut out: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST_CHARS)
        .collect();
    if text.chars().nth(MOST_CHARS).is_some() {
        out.push('…');
    }
    out
}

impl Exporter for ConsoleExporter {
    fn name(&self) -> &'static str {
        "console"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        for event in batch.parsed::<Seen<'_>>().flatten() {
            self.take(&event);
        }
        Box::pin(std::future::ready(Ok(Receipt::all())))
    }
}

impl std::fmt::Debug for ConsoleExporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleExporter")
            .field("open_traces", &self.traces.len())
            .finish_non_exhaustive()
    }
}
