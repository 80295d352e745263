//! What went into a span, and what came out.

use rollout_core::event::RawJson;
use serde_json::Value;

use super::{
    attributes::Attributes,
    kind::{AGENT, EMBEDDING},
    messages::{before_answer, take_answer_data, take_events, take_input, take_output},
    payload::payload,
    unflatten::take_list,
    value::parsed,
};

/// Where systems write what they show, whatever else is there.
const OWN_INPUT: &[&str] = &[
    "langfuse.observation.input",
    "traceroot.span.input",
    "mlflow.spanInputs",
];
const OWN_OUTPUT: &[&str] = &[
    "langfuse.observation.output",
    "traceroot.span.output",
    "mlflow.spanOutputs",
];
/// Where they write it otherwise.
const OTHER_INPUT: &[&str] = &[
    "tool.parameters",
    "tool_arguments",
    "gen_ai.retrieval.query.text",
    "reranker.query",
    "traceloop.entity.input",
    "request_data",
    "gen_ai.prompt",
];
const OTHER_OUTPUT: &[&str] = &[
    "tool_response",
    "final_result",
    "traceloop.entity.output",
    "gen_ai.completion",
];
/// All that was said while an agent ran.
const ALL_MESSAGES: &[&str] = &["pydantic_ai.all_messages", "all_messages_events"];

/// Input and output.
#[derive(Default)]
pub(super) struct Content {
    pub(super) input: Option<RawJson>,
    pub(super) output: Option<RawJson>,
}

/// Messages that a span's events tell of.
#[derive(Default)]
pub(super) struct Told {
    pub(super) given: Vec<Value>,
    pub(super) answered: Vec<Value>,
}

/// Takes input and output, each from the first place that has it.
pub(super) fn take(attributes: &mut Attributes, kind: &str, mut told: Told) -> Content {
    let (given, answered) = take_events(attributes, "events");
    told.given.extend(given);
    told.answered.extend(answered);
    let asked =
        |attributes: &mut Attributes| attributes.take_payload(&["gen_ai.tool.call.arguments"]);
    let input = attributes
        .take_payload(OWN_INPUT)
        .or_else(|| take_input(attributes, told.given))
        .or_else(|| asked(attributes))
        .or_else(|| value(attributes, "input"))
        .or_else(|| embedded(attributes, kind))
        .or_else(|| attributes.take_payload(OTHER_INPUT))
        .or_else(|| all_messages(attributes, kind));
    let output = attributes
        .take_payload(OWN_OUTPUT)
        .or_else(|| take_output(attributes, told.answered))
        .or_else(|| attributes.take_payload(&["gen_ai.tool.call.result"]))
        .or_else(|| documents(attributes))
        .or_else(|| value(attributes, "output"))
        .or_else(|| attributes.take_payload(OTHER_OUTPUT))
        .or_else(|| take_answer_data(attributes));
    forget_repeated(attributes, "input", input.as_ref());
    forget_repeated(attributes, "output", output.as_ref());
    Content { input, output }
}

/// OpenInference's value, of the type that is said beside it.
fn value(attributes: &mut Attributes, side: &str) -> Option<RawJson> {
    let mime = attributes.text(&format!("{side}.mime_type"));
    let value = attributes.get(&format!("{side}.value"))?;
    let said = payload(value, mime.as_deref())?;
    attributes.take(&format!("{side}.value"));
    attributes.take(&format!("{side}.mime_type"));
    Some(said)
}

/// Of a value that says once more what was taken elsewhere, nothing is kept.
fn forget_repeated(attributes: &mut Attributes, side: &str, taken: Option<&RawJson>) {
    let name = format!("{side}.value");
    let again = attributes.get(&name).and_then(|value| payload(value, None));
    if again.is_some() && again.as_ref() == taken {
        attributes.take(&name);
    }
    if !attributes.has(&name) {
        attributes.take(&format!("{side}.mime_type"));
    }
}

/// The texts that are to be embedded.
fn embedded(attributes: &mut Attributes, kind: &str) -> Option<RawJson> {
    if kind != EMBEDDING {
        return None;
    }
    let mut texts = Vec::new();
    for (index, mut item) in take_list(attributes, "embedding.embeddings")
        .into_iter()
        .enumerate()
    {
        texts.extend(item.take("embedding.text"));
        for (name, value) in item.into_object() {
            attributes.add(format!("embedding.embeddings.{index}.{name}"), value);
        }
    }
    (!texts.is_empty())
        .then(|| RawJson::of(&texts).ok())
        .flatten()
}

/// What was found.
fn documents(attributes: &mut Attributes) -> Option<RawJson> {
    if let Some(found) = attributes.take_payload(&["gen_ai.retrieval.documents"]) {
        return Some(found);
    }
    let found = ["retrieval.documents", "reranker.output_documents"]
        .into_iter()
        .find(|name| attributes.has_below(&format!("{name}.")))?;
    let documents: Vec<Value> = take_list(attributes, found)
        .into_iter()
        .map(|document| {
            let members = document.into_object().into_iter().map(|(name, value)| {
                let name = name.strip_prefix("document.").unwrap_or(&name).to_owned();
                let value = if name == "metadata" {
                    parsed(value)
                } else {
                    value
                };
                (name, value)
            });
            Value::Object(members.collect())
        })
        .collect();
    RawJson::of(&documents).ok()
}

/// What an agent was given, of all that it has said; the whole stays an attribute.
fn all_messages(attributes: &mut Attributes, kind: &str) -> Option<RawJson> {
    if kind != AGENT {
        return None;
    }
    let all = ALL_MESSAGES.iter().find_map(|name| attributes.get(name))?;
    before_answer(&parsed(all.clone()))
}
