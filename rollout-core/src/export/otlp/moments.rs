//! What happens at one moment, as an event of a span.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use serde_json::{Map, Value, json};

use super::facts::Moment;
use crate::event::{Event, EventType, RawObject};
use crate::export::told::{Told, parsed};

/// What an event that is about no span says happened.
pub(super) fn of(event: &Event, told: &Told) -> Moment {
    let (name, attributes) = match event.event_type {
        EventType::Error => ("exception".to_owned(), exception(event, told)),
        EventType::Feedback | EventType::UserSignal | EventType::EvalResult => (
            "gen_ai.evaluation.result".to_owned(),
            evaluation(event, told),
        ),
        _ => (
            event
                .name
                .clone()
                .unwrap_or_else(|| event.event_type.as_str().to_owned()),
            other(event, told),
        ),
    };
    Moment {
        at: told.at(event),
        name,
        attributes,
    }
}

/// The id of the span that a late event becomes: the same whenever it is sent.
pub(super) fn id_of(event: &Event) -> u64 {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    hasher.hash_one(&event.event_id).max(1)
}

fn exception(event: &Event, told: &Told) -> Map<String, Value> {
    let mut attributes = told.rest.clone();
    if let Some(kind) = event.error.kind.as_ref().or(event.name.as_ref()) {
        attributes.insert("exception.type".to_owned(), kind.clone().into());
    }
    let message = told
        .error_message
        .as_ref()
        .or(event.error.message_preview.as_ref());
    if let Some(message) = message {
        attributes.insert("exception.message".to_owned(), message.clone().into());
    }
    attributes
}

/// A score, in the words of OpenTelemetry: a number, or a word.
fn evaluation(event: &Event, told: &Told) -> Map<String, Value> {
    let mut attributes = told.rest.clone();
    let mut put = |name: &str, value: Value| {
        attributes.insert(format!("gen_ai.evaluation.{name}"), value);
    };
    if let Some(name) = &event.name {
        put("name", name.clone().into());
    }
    match told.rest.get("value") {
        Some(Value::Number(number)) => put("score.value", json!(number.as_f64())),
        Some(Value::Bool(truth)) => put("score.label", truth.to_string().into()),
        Some(Value::String(word)) => put("score.label", word.clone().into()),
        _ => {}
    }
    if let Some(score) = event.outcome.eval_score {
        put("score.value", json!(score));
    }
    if event.event_type == EventType::EvalResult
        && let Some(label) = &event.status
    {
        put("score.label", label.clone().into());
    }
    for name in ["explanation", "reason", "comment"] {
        if let Some(text @ Value::String(_)) = told.rest.get(name) {
            put("explanation", text.clone());
            break;
        }
    }
    attributes.insert(
        "rollout.event_type".to_owned(),
        event.event_type.as_str().into(),
    );
    attributes
}

fn other(event: &Event, told: &Told) -> Map<String, Value> {
    let mut attributes = told.rest.clone();
    attributes.insert(
        "rollout.event_type".to_owned(),
        event.event_type.as_str().into(),
    );
    let members = event.raw.as_ref().map(RawObject::members);
    for (name, value) in members.unwrap_or_default() {
        attributes.insert(format!("rollout.{name}"), parsed(value));
    }
    if let Some(model) = &event.model.model {
        attributes.insert("gen_ai.request.model".to_owned(), model.clone().into());
    }
    attributes
}
