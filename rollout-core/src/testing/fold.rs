//! From events to a tree.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{CapturedError, CapturedSpan, CapturedTrace};

/// Spans of one trace by id, in the order in which they began, each with its parent.
#[derive(Default)]
struct Spans {
    order: Vec<String>,
    found: HashMap<String, (Option<String>, CapturedSpan)>,
}

pub(super) fn traces(events: &[Value]) -> Vec<CapturedTrace> {
    let mut order: Vec<(CapturedTrace, Spans)> = Vec::new();
    for event in events {
        let Some(id) = text(event, "trace_id") else {
            continue;
        };
        let index = order.iter().position(|(trace, _)| trace.trace_id == id);
        let index = index.unwrap_or_else(|| {
            let trace = CapturedTrace {
                trace_id: id,
                status: "running".into(),
                ..CapturedTrace::default()
            };
            order.push((trace, Spans::default()));
            order.len() - 1
        });
        if let Some((trace, spans)) = order.get_mut(index) {
            take(event, trace, spans);
        }
    }
    order
        .into_iter()
        .map(|(mut trace, mut spans)| {
            spans.on_top();
            trace.spans = spans.tree();
            trace
        })
        .collect()
}

fn take(event: &Value, trace: &mut CapturedTrace, spans: &mut Spans) {
    if let Some(context) = event.get("context") {
        trace.context = context.clone();
    }
    let mut attributes = map(event, "attributes");
    unite(
        &mut trace.tags,
        strings(attributes.remove("rollout.trace.tags")),
    );
    if let Some(Value::Object(metadata)) = attributes.remove("rollout.trace.metadata") {
        trace.metadata.extend(metadata);
    }
    let tags = strings(attributes.remove("rollout.tags"));
    let metadata = attributes.remove("rollout.metadata");
    attributes.remove("rollout.ns");
    match event["event_type"].as_str().unwrap_or_default() {
        "trace.start" | "trace.end" => {
            unite(&mut trace.tags, tags);
            if let Some(Value::Object(metadata)) = metadata {
                trace.metadata.extend(metadata);
            }
            if let Some(name) = text(event, "name") {
                trace.name = name;
            }
            if let Some(linked) = attributes.remove("rollout.link.trace_id") {
                let span = attributes.remove("rollout.link.span_id");
                let string = |value: Value| value.as_str().unwrap_or_default().to_owned();
                trace.link = Some((string(linked), span.map(string)));
            }
            if let Some(status) = text(event, "status") {
                trace.status = status;
            }
            set(&mut trace.input, event, "input");
            set(&mut trace.output, event, "output");
            trace.error = trace.error.take().or_else(|| error(event, &attributes));
            trace.attributes.extend(attributes);
        }
        "span.start" | "span.update" | "span.end" | "tool.call" | "tool.result"
        | "llm.stream_start" | "llm.stream_end" => {
            if let Some(id) = text(event, "span_id") {
                let branch = attributes.remove("rollout.parent.remote").is_some();
                if branch && trace.name.is_empty() {
                    trace.name = text(event, "name").unwrap_or_default();
                }
                let span = spans.get(id, event);
                unite(&mut span.tags, tags);
                if let Some(Value::Object(metadata)) = metadata {
                    span.metadata.extend(metadata);
                }
                take_span(event, attributes, span);
            }
        }
        _ => trace.moments.push(event.clone()),
    }
}

/// Tags, each once.
fn unite(tags: &mut Vec<String>, more: Vec<String>) {
    for tag in more {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
}

fn take_span(event: &Value, attributes: Map<String, Value>, span: &mut CapturedSpan) {
    if let Some(name) = text(event, "name") {
        span.name = name;
    }
    if let Some(span_type) = text(event, "span_type") {
        span.span_type = span_type;
    }
    if matches!(
        event["event_type"].as_str(),
        Some("span.end" | "tool.result")
    ) && let Some(status) = text(event, "status")
    {
        span.status = status;
    }
    for (input, output) in [("input", "output"), ("arguments", "result")] {
        set(&mut span.input, event, input);
        set(&mut span.output, event, output);
    }
    span.error = span.error.take().or_else(|| error(event, &attributes));
    span.attributes.extend(attributes);
    for (section, into) in [
        ("model", &mut span.model),
        ("usage", &mut span.usage),
        ("tool", &mut span.tool),
    ] {
        if let Some(Value::Object(new)) = event.get(section) {
            match into {
                Value::Object(old) => old.extend(new.clone()),
                none => *none = Value::Object(new.clone()),
            }
        }
    }
}

impl Spans {
    fn get(&mut self, id: String, event: &Value) -> &mut CapturedSpan {
        let (parent, span) = self.found.entry(id.clone()).or_insert_with(|| {
            self.order.push(id.clone());
            let span = CapturedSpan {
                span_id: id,
                status: "running".into(),
                ..CapturedSpan::default()
            };
            (None, span)
        });
        if let Some(id) = text(event, "parent_span_id") {
            *parent = Some(id);
        }
        span
    }

    /// Spans whose parents were opened in another process are on top.
    fn on_top(&mut self) {
        let known: HashSet<String> = self.found.keys().cloned().collect();
        for (parent, _) in self.found.values_mut() {
            parent.take_if(|parent| !known.contains(parent));
        }
    }

    /// The spans as a tree, siblings in the order in which they began.
    fn tree(mut self) -> Vec<CapturedSpan> {
        // By the id of the parent, which for those on top is empty.
        let mut children: HashMap<String, Vec<String>> = HashMap::new();
        for id in self.order {
            let parent = self.found.get(&id).and_then(|(parent, _)| parent.clone());
            children
                .entry(parent.unwrap_or_default())
                .or_default()
                .push(id);
        }
        below("", &mut self.found, &children)
    }
}

fn below(
    parent: &str,
    found: &mut HashMap<String, (Option<String>, CapturedSpan)>,
    children: &HashMap<String, Vec<String>>,
) -> Vec<CapturedSpan> {
    let ids = children.get(parent).map(Vec::as_slice).unwrap_or_default();
    let take = |id: &String| {
        let (_, mut span) = found.remove(id)?;
        span.children = below(id, found, children);
        Some(span)
    };
    ids.iter().filter_map(take).collect()
}

fn error(event: &Value, attributes: &Map<String, Value>) -> Option<CapturedError> {
    let section = event.get("error")?;
    let long = attributes
        .get("rollout.error.message")
        .and_then(Value::as_str);
    Some(CapturedError {
        error_type: text(section, "type").unwrap_or_default(),
        message: long
            .map(str::to_owned)
            .or(text(section, "message_preview"))
            .unwrap_or_default(),
        chain: strings(attributes.get("rollout.error.chain").cloned()),
    })
}

fn set(field: &mut Option<Value>, event: &Value, key: &str) {
    if let Some(value) = event.get("raw").and_then(|raw| raw.get(key)) {
        *field = Some(value.clone());
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

fn map(value: &Value, key: &str) -> Map<String, Value> {
    value
        .get(key)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

fn strings(value: Option<Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}
