//! Our own words, for our own server: what no convention has a place for. And whatever else the program has said.

use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde_json::Value;

use super::{Attributes, View};
use crate::export::otlp::facts::Said;

/// Names that Langfuse takes for its own, whoever says them.
const TAKEN: &[&str] = &[
    "events",
    "input",
    "model",
    "model_config",
    "output",
    "prompt",
    "tool_arguments",
    "tool_response",
];

/// Where what the program has said under such a name goes.
const RENAMED: &str = "rollout.attributes.";

pub(super) fn write(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    to.text("rollout.span.type", &span.kind);
    if !span.name.is_empty() {
        to.text("rollout.span.name", &span.name);
    }
    if span.is_late {
        to.flag("rollout.late", true);
    }
    match span.outcome.status.as_deref() {
        None | Some("ok" | "error") => {}
        Some(status) => to.text("rollout.status", status),
    }
    to.maybe("rollout.trace.name", view.trace.name.as_ref());
    if !view.kind.calls_model() && !span.usage.is_empty() {
        // Where it is no model's, others would count it twice.
        if let Ok(usage) = serde_json::to_value(&span.usage) {
            to.json("rollout.usage", &usage);
        }
    }
    if !span.metadata.is_empty() {
        to.json("rollout.metadata", &span.metadata.clone().into());
    }
    to.texts("rollout.tags", &span.tags);
    to.texts("rollout.error.chain", &span.outcome.chain);
}

/// All that the program has said and nobody has written yet.
pub(super) fn write_rest(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    if !span.has_start {
        to.flag("rollout.incomplete", true);
    }
    for (name, number) in &span.usage.extra {
        if view.kind.calls_model() {
            let number = Value::Number(number.clone());
            to.value(format!("gen_ai.usage.{name}"), &number);
        }
    }
    for (name, value) in &span.attributes {
        // The conventions' own are written where they belong, or say of another kind of span what it is not.
        let of_tool = name == "gen_ai.tool.name" && view.kind != super::Kind::Tool;
        if TAKEN.contains(&name.as_str()) || of_tool {
            to.value(format!("{RENAMED}{name}"), value);
        } else {
            to.value(name.as_str(), value);
        }
    }
}

/// A message of the conversation.
pub(super) fn message(said: &Said) -> Event {
    let mut attributes = Attributes::default();
    attributes.text("role", &said.role);
    match &said.content {
        Value::String(text) => attributes.text("content", text),
        other => {
            attributes.json("content", other);
            attributes.text("mime_type", "application/json");
        }
    }
    attributes.maybe("tool_call_id", said.tool_call_id.as_ref());
    if said.is_internal {
        attributes.flag("is_internal", true);
    }
    Event {
        time_unix_nano: said.at,
        name: "rollout.message".to_owned(),
        attributes: attributes.into_list(),
        ..Event::default()
    }
}
