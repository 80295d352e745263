//! The pane beside the tree: one span, or the trace as a whole.

use std::collections::BTreeMap;

use askama::{Template, filters::HtmlSafe};
use jiff::Timestamp;
use rollout_core::event::{RawJson, Usage};

use super::{
    facts::{self, Kind, Status},
    value::{JsonView, TurnView, ValueView},
};
use crate::{
    present::{self, Tone},
    query::{EventRow, Failure, FeedbackRow, MessageRow, SpanDetail, TraceDetail},
    value::{Chat, ITEM_COUNT, preview, streamed},
};

/// Events that a pane lists.
const EVENTS: usize = 300;
/// Characters of an event's line.
const LINE: usize = 200;

#[derive(Template)]
#[template(path = "detail.html")]
pub(super) struct Detail {
    /// Whether it may still change.
    open: bool,
    kind: Option<Kind>,
    name: String,
    status: Status,
    when: String,
    link: Option<String>,
    cautions: Vec<String>,
    failure: Option<FailureView>,
    links: Vec<Link>,
    values: Vec<Value>,
    messages: Option<ValueView>,
    groups: Vec<Group>,
    events: Vec<EventView>,
    events_note: String,
}

// Askama has escaped what it prints.
impl HtmlSafe for Detail {}

struct FailureView {
    kind: String,
    message: Option<String>,
    chain: Vec<String>,
}

struct Link {
    relation: &'static str,
    href: String,
    name: String,
}

struct Value {
    title: &'static str,
    note: Option<String>,
    view: ValueView,
    /// Where Copy fetches the whole of it, and under which name.
    from: Option<String>,
    part: &'static str,
}

impl Value {
    /// Of what a stream gave, shows the text that its items make together.
    fn join_items(&mut self, items: Option<&RawJson>, attributes: &BTreeMap<String, RawJson>) {
        let Some(count) = attributes.get(ITEM_COUNT) else {
            return;
        };
        self.note
            .get_or_insert_with(|| format!("{} items", count.as_str()));
        if let Some(text) = items.and_then(|items| streamed(items.as_str())) {
            self.view = ValueView::text(&text);
        }
    }
}

#[derive(Default)]
struct Group {
    title: &'static str,
    absent: Option<&'static str>,
    pairs: Vec<Pair>,
}

struct Pair {
    name: String,
    value: String,
    href: Option<String>,
    share: Option<String>,
}

impl Pair {
    fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            href: None,
            share: None,
        }
    }
}

struct EventView {
    at: String,
    title: String,
    line: Option<String>,
    data: Option<JsonView>,
}

impl Detail {
    /// The pane of one span; `start` is that of its trace.
    pub(super) fn span(span: &SpanDetail, start: Option<Timestamp>) -> Self {
        let row = &span.row;
        let tone = present::status_tone(&row.status);
        let api = format!(
            "/api/v1{}/spans/{}",
            facts::trace_href(&span.trace_id),
            facts::encoded(&row.span_id)
        );
        let offset = start
            .zip(row.started_at)
            .map(|(start, at)| present::since_ms(start, at));
        let mut when: Vec<String> = row.duration_ms.map(present::duration).into_iter().collect();
        when.extend(offset.map(|ms| format!("at +{}", present::duration(ms))));
        let io = |title, part, value: &Option<RawJson>, absent| Value {
            title,
            note: span
                .truncated
                .get(part)
                .map(|bytes| format!("cut; it had {}", present::bytes(*bytes))),
            view: ValueView::of(value.as_ref(), absent),
            from: value.is_some().then(|| api.clone()),
            part,
        };
        let output_absent = match tone {
            Tone::Running => "No output yet.",
            _ => "No output was recorded.",
        };
        let mut output = io("Output", "output", &span.output, output_absent);
        output.join_items(span.output.as_ref(), &span.attributes);
        let mut groups = vec![span_facts(span)];
        groups.extend(usage_group(
            &row.usage,
            row.cost_usd,
            &span.attributes,
            row.kind == "llm" && tone != Tone::Running,
        ));
        groups.extend(attributes("Attributes", &span.attributes));
        Self {
            open: tone == Tone::Running,
            kind: Some(Kind::of(&row.kind)),
            name: row.name.clone().unwrap_or_else(|| row.kind.clone()),
            status: Status::of(&row.status),
            when: when.join(" "),
            link: Some(format!(
                "{}#span={}",
                facts::trace_href(&span.trace_id),
                facts::encoded(&row.span_id)
            )),
            cautions: cautions(tone, &span.truncated, "This span"),
            failure: row.error.as_ref().map(failure),
            links: Vec::new(),
            values: vec![
                io("Input", "input", &span.input, "No input was recorded."),
                output,
            ],
            messages: None,
            groups,
            events_note: events_note(span.events.len()),
            events: events(&span.events, row.started_at),
        }
    }

    /// The pane of the trace as a whole.
    pub(super) fn trace(trace: &TraceDetail) -> Self {
        let summary = &trace.summary;
        let tone = present::status_tone(&summary.status);
        let api = format!("/api/v1{}", facts::trace_href(&summary.trace_id));
        let value = |title, part, value: &Option<RawJson>| {
            value.as_ref().map(|value| Value {
                title,
                note: None,
                view: ValueView::of(Some(value), ""),
                from: Some(api.clone()),
                part,
            })
        };
        let mut output = value("Output", "output", &trace.output);
        if let Some(output) = &mut output {
            output.join_items(trace.output.as_ref(), &trace.metadata);
        }
        let values = [value("Input", "input", &trace.input), output];
        let mut groups = Vec::new();
        groups.extend(judged("Feedback", &trace.feedback));
        groups.extend(judged("Signals", &trace.signals));
        groups.extend(usage_group(
            &summary.usage,
            summary.cost_usd,
            &BTreeMap::new(),
            false,
        ));
        groups.extend(identity(trace));
        groups.extend(attributes("Attributes", &trace.metadata));
        Self {
            open: tone == Tone::Running,
            kind: None,
            name: "The whole trace".to_owned(),
            status: Status::of(&summary.status),
            when: summary
                .duration_ms
                .map(present::duration)
                .unwrap_or_default(),
            link: Some(facts::trace_href(&summary.trace_id)),
            cautions: cautions(tone, &BTreeMap::new(), "This trace"),
            failure: summary.error.as_ref().map(failure),
            links: trace.links.iter().map(link).collect(),
            values: values.into_iter().flatten().collect(),
            messages: (!trace.messages.is_empty())
                .then(|| ValueView::turns(trace.messages.iter().map(message).collect())),
            groups,
            events_note: events_note(trace.events.len()),
            events: events(&trace.events, summary.started_at),
        }
    }
}

fn cautions(tone: Tone, truncated: &BTreeMap<String, u64>, it: &str) -> Vec<String> {
    let mut cautions = Vec::new();
    match tone {
        Tone::Interrupted => cautions.push(format!(
            "{it} never ended: its process is gone. What had happened until then is shown."
        )),
        Tone::Cancelled => cautions.push(format!(
            "{it} was given up before it was done: its future was dropped."
        )),
        _ => {}
    }
    for (part, bytes) in truncated {
        cautions.push(format!(
            "The {part} was cut when it was captured: it had {}.",
            present::bytes(*bytes)
        ));
    }
    cautions
}

fn failure(failure: &Failure) -> FailureView {
    FailureView {
        kind: failure.kind.clone().unwrap_or_else(|| "error".to_owned()),
        message: failure.message.clone(),
        chain: failure.chain.clone(),
    }
}

fn link(link: &crate::query::TraceLink) -> Link {
    let caller = link.relation == "caller";
    Link {
        relation: if caller { "called by" } else { "calls" },
        // A link to the caller leads to the very span that made the call.
        href: match &link.span_id {
            Some(span_id) if caller => facts::span_href(&link.trace_id, span_id),
            _ => facts::trace_href(&link.trace_id),
        },
        name: link.name.clone().unwrap_or_else(|| link.trace_id.clone()),
    }
}

fn span_facts(span: &SpanDetail) -> Group {
    let row = &span.row;
    let mut pairs = Vec::new();
    let mut fact = |name: &str, value: Option<String>| {
        pairs.extend(value.map(|value| Pair::new(name, value)));
    };
    fact("Model", row.model.clone());
    fact("Provider", row.provider.clone());
    if let Some(code) = &span.code {
        fact("Function", code.function.clone());
        fact(
            "Source",
            code.file.as_ref().map(|file| match code.line {
                Some(line) => format!("{file}:{line}"),
                None => file.clone(),
            }),
        );
    }
    fact("Started", row.started_at.map(|at| format!("{at:.6}")));
    fact("Ended", span.ended_at.map(|at| format!("{at:.6}")));
    fact("Tool call", span.tool_call_id.clone());
    fact("Span id", Some(row.span_id.clone()));
    if let Some(parent) = &row.parent_span_id {
        pairs.push(Pair {
            href: Some(facts::span_href(&span.trace_id, parent)),
            ..Pair::new("Parent", parent)
        });
    }
    Group {
        title: "Facts",
        absent: None,
        pairs,
    }
}

/// Attributes that the pane tells in other places.
fn told_elsewhere(name: &str) -> bool {
    matches!(
        name,
        "span_type" | "rollout.truncated" | "rollout.ns" | ITEM_COUNT
    ) || name.starts_with("rollout.usage.")
        || name.starts_with("rollout.link.")
        || matches!(
            name,
            "code.file.path" | "code.line.number" | "code.function.name"
        )
}

fn attributes(title: &'static str, attributes: &BTreeMap<String, RawJson>) -> Option<Group> {
    let pairs: Vec<_> = attributes
        .iter()
        .filter(|(name, _)| !told_elsewhere(name))
        .map(|(name, value)| Pair::new(name, words(value)))
        .collect();
    (!pairs.is_empty()).then_some(Group {
        title,
        absent: None,
        pairs,
    })
}

/// A value as plain words: a text without quotes, anything else as JSON.
fn words(value: &RawJson) -> String {
    match crate::value::Json::read(value.as_str()) {
        crate::value::Json::Text(text) => text,
        _ => value.as_str().to_owned(),
    }
}

/// What a call used. `expected` tells that a usage should be there: then its absence is said.
fn usage_group(
    usage: &Usage,
    cost_usd: Option<f64>,
    attributes: &BTreeMap<String, RawJson>,
    expected: bool,
) -> Option<Group> {
    let mut pairs = Vec::new();
    let part = |of: Option<u64>, part: Option<u64>| {
        of.zip(part)
            .filter(|(of, _)| *of > 0)
            .map(|(of, part)| format!("{:.0}% of it", part as f64 / of as f64 * 100.0))
    };
    let mut fact = |name: &str, value: Option<u64>, share: Option<String>| {
        pairs.extend(value.map(|value| Pair {
            share,
            ..Pair::new(name, grouped(value))
        }));
    };
    fact("Input tokens", usage.input_tokens, None);
    let cached = part(usage.input_tokens, usage.cached_tokens);
    fact("– read from cache", usage.cached_tokens, cached);
    let written = part(usage.input_tokens, usage.cache_creation_tokens);
    fact("– written to cache", usage.cache_creation_tokens, written);
    fact("Output tokens", usage.output_tokens, None);
    let thought = part(usage.output_tokens, usage.reasoning_tokens);
    fact("– reasoning", usage.reasoning_tokens, thought);
    fact("Total tokens", usage.total_tokens, None);
    let filled = part(usage.context_window_tokens, usage.context_used_tokens);
    fact("Context used", usage.context_used_tokens, filled);
    fact("Context window", usage.context_window_tokens, None);
    for (name, number) in &usage.extra {
        pairs.push(Pair::new(name.replace('_', " "), number.to_string()));
    }
    pairs.extend(cost_usd.map(|usd| Pair::new("Cost", present::cost(usd))));
    if pairs.is_empty() {
        return expected.then_some(Group {
            title: "Usage",
            absent: Some("The provider reported no usage."),
            pairs,
        });
    }
    let estimated = attributes
        .get("rollout.usage.source")
        .is_some_and(|source| source.as_str().contains("estimated"));
    Some(Group {
        title: if estimated {
            "Usage (estimated)"
        } else {
            "Usage"
        },
        absent: None,
        pairs,
    })
}

/// A number with its thousands apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn judged(title: &'static str, rows: &[FeedbackRow]) -> Option<Group> {
    let pairs: Vec<_> = rows
        .iter()
        .map(|row| {
            let more: Vec<_> = row
                .attributes
                .iter()
                .filter(|(name, _)| *name != "value" && !told_elsewhere(name))
                .map(|(name, value)| format!("{name}: {}", words(value)))
                .collect();
            Pair {
                share: (!more.is_empty()).then(|| more.join(", ")),
                ..Pair::new(
                    row.name.clone().unwrap_or_default(),
                    row.value.as_ref().map(words).unwrap_or_default(),
                )
            }
        })
        .collect();
    (!pairs.is_empty()).then_some(Group {
        title,
        absent: None,
        pairs,
    })
}

fn identity(trace: &TraceDetail) -> Option<Group> {
    let summary = &trace.summary;
    let context = &trace.context;
    let mut pairs = Vec::new();
    let mut fact = |name: &str, value: Option<String>| {
        pairs.extend(value.map(|value| Pair::new(name, value)));
    };
    fact("External id", summary.external_trace_id.clone());
    fact("User", summary.user_id.clone());
    let traits = |traits: &Option<RawJson>| {
        traits
            .as_ref()
            .filter(|traits| traits.as_str() != "{}")
            .map(words)
    };
    fact("User traits", traits(&context.user_traits));
    fact("Account", context.account_id.clone());
    fact("Account traits", traits(&context.account_traits));
    (!pairs.is_empty()).then_some(Group {
        title: "Identity",
        absent: None,
        pairs,
    })
}

fn message(row: &MessageRow) -> TurnView {
    let parts = row
        .content
        .as_ref()
        .map(|content| Chat::content(content.as_str()))
        .unwrap_or_default();
    let view = TurnView::of(crate::value::Turn {
        role: row.role.clone().unwrap_or_else(|| "message".to_owned()),
        answers: row.tool_call_id.clone(),
        parts,
    });
    if row.is_internal {
        view.noted("internal")
    } else {
        view
    }
}

fn events_note(count: usize) -> String {
    if count > EVENTS {
        format!("the first {EVENTS} of {count}")
    } else {
        count.to_string()
    }
}

fn events(rows: &[EventRow], start: Option<Timestamp>) -> Vec<EventView> {
    rows.iter()
        .take(EVENTS)
        .map(|row| {
            let mut title = row.kind.clone();
            if let Some(name) = &row.name {
                title = format!("{title} {name}");
            }
            if let Some(status) = row.status.as_ref().filter(|status| *status != "ok") {
                title = format!("{title} ({status})");
            }
            let data = serde_json::to_string(&row.data).unwrap_or_default();
            EventView {
                at: start.map_or_else(
                    || present::moment(row.at),
                    |start| format!("+{}", present::duration(present::since_ms(start, row.at))),
                ),
                title,
                line: (!row.data.is_empty()).then(|| preview(&data, LINE)),
                data: (!row.data.is_empty()).then(|| JsonView::of(&data)),
            }
        })
        .collect()
}
