//! The pane beside the tree: one span, or the trace as a whole.

use std::collections::BTreeMap;

use askama::{Template, filters::HtmlSafe};
use jiff::Timestamp;
use rollout_core::event::RawJson;

use super::{
    facts::{self, Kind, Status},
    groups::{self, Group},
    json::JsonView,
    text::Budget,
    turn::{Said, TurnView},
    value::{Form, FormLink, Source, ValueView},
};
use crate::{
    http::curl::Call,
    present::{self, Tone},
    query::{EventRow, Failure, MessageRow, SpanDetail, TraceDetail},
    value::{Chat, ITEM_COUNT, PROMPT, preview, streamed},
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
    /// Where a command is that makes a model call again, or why there is none.
    curl: Option<Result<String, String>>,
    /// Where the trace is as a file.
    files: Option<String>,
    cautions: Vec<String>,
    failure: Option<FailureView>,
    links: Vec<Link>,
    values: Vec<Value>,
    messages: Option<ValueView>,
    messages_note: String,
    messages_forms: Vec<FormLink>,
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
    forms: Vec<FormLink>,
    /// Where Copy fetches the whole of it, and the way to it in there.
    from: Option<String>,
    path: String,
}

impl Value {
    fn of(
        title: &'static str,
        value: Option<&RawJson>,
        source: &Source,
        absent: &'static str,
        note: Option<String>,
        api: &str,
        path: &str,
    ) -> Self {
        let form = value.map(|value| Form::of(value)[0]);
        let shown = value.zip(form);
        Self {
            title,
            note,
            view: match shown {
                Some((value, form)) => ValueView::formed(value, form, Some(source)),
                None => ValueView::of(None, absent),
            },
            forms: shown.map_or_else(Vec::new, |(value, form)| source.forms(value, form)),
            from: value.is_some().then(|| api.to_owned()),
            path: path.to_owned(),
        }
    }

    /// Of what a stream gave, shows the text that its items make together.
    fn join_items(&mut self, items: Option<&RawJson>, attributes: &BTreeMap<String, RawJson>) {
        let Some(count) = attributes.get(ITEM_COUNT) else {
            return;
        };
        self.note
            .get_or_insert_with(|| format!("{} items", count.as_str()));
        if let Some(text) = items.and_then(|items| streamed(items.as_str())) {
            self.view = ValueView::text(&text);
            self.forms.clear();
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
        let io = |title, part, value: &Option<RawJson>, absent| {
            let source = Source::new(&span.trace_id, Some(&row.span_id), part);
            let note = span.truncated.get(part);
            let note = note.map(|bytes| format!("cut; it had {}", present::bytes(*bytes)));
            Value::of(title, value.as_ref(), &source, absent, note, &api, part)
        };
        let prompt = |prompt: &RawJson| {
            let source = Source::new(&span.trace_id, Some(&row.span_id), "prompt");
            let path = format!("attributes/{PROMPT}");
            Value::of("Prompt", Some(prompt), &source, "", None, &api, &path)
        };
        let output_absent = match tone {
            Tone::Running => "No output yet.",
            _ => "No output was recorded.",
        };
        let mut output = io("Output", "output", &span.output, output_absent);
        output.join_items(span.output.as_ref(), &span.attributes);
        let mut groups = Vec::new();
        groups.extend(groups::usage_group(
            &row.usage,
            (row.cost_usd, row.cost_source),
            &span.attributes,
            row.kind == "llm" && tone != Tone::Running,
        ));
        groups.push(groups::span_facts(span));
        groups.extend(groups::attributes("Attributes", &span.attributes));
        let curl = (row.kind == "llm").then(|| Call::of(span).map(|_| format!("{api}/curl")));
        Self {
            open: tone == Tone::Running,
            curl,
            files: None,
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
            values: [
                Some(io("Input", "input", &span.input, "No input was recorded.")),
                span.attributes.get(PROMPT).map(prompt),
                Some(output),
            ]
            .into_iter()
            .flatten()
            .collect(),
            messages: None,
            messages_note: String::new(),
            messages_forms: Vec::new(),
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
            let source = Source::new(&summary.trace_id, None, part);
            let value = value.as_ref()?;
            Some(Value::of(title, Some(value), &source, "", None, &api, part))
        };
        let mut output = value("Output", "output", &trace.output);
        if let Some(output) = &mut output {
            output.join_items(trace.output.as_ref(), &trace.metadata);
        }
        let values = [value("Input", "input", &trace.input), output];
        let mut groups = Vec::new();
        groups.extend(groups::judged("Feedback", &trace.feedback));
        groups.extend(groups::judged("Signals", &trace.signals));
        groups.extend(groups::usage_group(
            &summary.usage,
            (summary.cost_usd, summary.cost_source),
            &BTreeMap::new(),
            false,
        ));
        groups.extend(groups::identity(trace));
        groups.extend(groups::attributes("Attributes", &trace.metadata));
        Self {
            open: tone == Tone::Running,
            curl: None,
            files: Some(format!("{api}/export?format=")),
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
            messages: (!trace.messages.is_empty()).then(|| conversation(trace, Form::Chat, None)),
            messages_note: match trace.messages.len() {
                0 => String::new(),
                count => count.to_string(),
            },
            messages_forms: conversation_forms(&summary.trace_id),
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

/// The messages of a trace as one conversation, up to the one before `until`.
pub(super) fn conversation(trace: &TraceDetail, form: Form, until: Option<usize>) -> ValueView {
    let id = &trace.summary.trace_id;
    let said = trace.messages.iter().enumerate();
    let said = said.map(|(number, row)| message(id, number, row)).collect();
    let source = Source::new(id, None, "messages");
    let word = if form == Form::Markdown {
        "markdown"
    } else {
        "chat"
    };
    let earlier = format!("{}&as={word}", source.pieces());
    let mut budget = Budget::default();
    ValueView::turns(TurnView::all(
        said,
        until,
        form,
        Some(&earlier),
        &mut budget,
    ))
}

fn conversation_forms(trace_id: &str) -> Vec<FormLink> {
    let pieces = Source::new(trace_id, None, "messages").pieces();
    let form = |title, word, current| FormLink {
        title,
        href: format!("{pieces}&as={word}"),
        current,
    };
    vec![
        form("Chat", "chat", true),
        form("Markdown", "markdown", false),
    ]
}

fn message(trace_id: &str, number: usize, row: &MessageRow) -> Said {
    let content = row.content.as_ref().map(RawJson::as_str);
    let parts = content.map(Chat::content).unwrap_or_default();
    let turn = row.turn_index.map(|turn| format!("turn {turn}"));
    let internal = row.is_internal.then(|| "internal".to_owned());
    Said {
        turn: crate::value::Turn {
            role: row.role.clone().unwrap_or_else(|| "message".to_owned()),
            answers: row.tool_call_id.clone(),
            parts,
            results: Vec::new(),
        },
        notes: turn.into_iter().chain(internal).collect(),
        images: Some(Source::new(trace_id, None, &format!("message.{number}")).images()),
        first_image: 0,
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
