//! The words of OpenTelemetry's conventions for generative AI.

use serde_json::{Map, Value, json};

use super::{Attributes, Kind, View};
use crate::export::otlp::conversation::Spoken;
use crate::export::otlp::facts::SpanFacts;

const REQUEST: &str = "gen_ai.request.";

/// Providers that have another name there.
const PROVIDERS: &[(&str, &str)] = &[
    ("azure", "azure.ai.openai"),
    ("bedrock", "aws.bedrock"),
    ("gemini", "gcp.gemini"),
    ("google", "gcp.gemini"),
    ("mistral", "mistral_ai"),
    ("vertex_ai", "gcp.vertex_ai"),
    ("xai", "x_ai"),
];

/// Options that are numbers with a fraction there, however they are written.
const FLOATS: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
];

/// The options of a model call, by their names.
pub(super) fn options(span: &SpanFacts) -> Map<String, Value> {
    let mut options = Map::new();
    for (name, value) in &span.attributes {
        if let Some(name) = name.strip_prefix(REQUEST).filter(|name| *name != "model") {
            options.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(temperature) = span.model.temperature {
        options
            .entry("temperature")
            .or_insert_with(|| json!(temperature));
    }
    options
}

pub(super) fn write(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    if let Some(operation) = view.operation {
        to.text("gen_ai.operation.name", operation);
    }
    to.maybe("user.id", view.context.user_id.as_ref());
    to.maybe(
        "gen_ai.conversation.id",
        view.context.conversation_id.as_ref(),
    );
    match view.kind {
        Kind::Agent => agent(view, to),
        Kind::Tool => tool(view, to),
        Kind::Retrieval => retrieval(view, to),
        Kind::Llm | Kind::Embedding => model(view, to),
        _ => {}
    }
    if view.kind != Kind::Embedding {
        messages(view, to);
    }
    for name in ["code.file.path", "code.function.name"] {
        if let Some(Value::String(text)) = span.attributes.get(name) {
            to.text(name, text);
        }
    }
    let line = span.attributes.get("code.line.number");
    to.count("code.line.number", line.and_then(Value::as_u64));
    to.maybe("vcs.repository.url.full", view.trace.repository.as_ref());
    to.maybe("vcs.ref.head.revision", view.trace.commit.as_ref());
}

fn agent(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    let named = Some(&span.name).filter(|name| !name.is_empty());
    to.maybe("gen_ai.agent.name", named.or(span.agent.name.as_ref()));
    to.maybe("gen_ai.agent.id", span.agent.id.as_ref());
    to.maybe("gen_ai.agent.version", span.agent.version.as_ref());
}

fn tool(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    to.text("gen_ai.tool.name", &span.name);
    to.text("gen_ai.tool.type", "function");
    to.maybe("gen_ai.tool.call.id", span.tool_call_id.as_ref());
    to.maybe("gen_ai.tool.call.arguments", span.input.as_ref());
    if let Some(output) = view.output() {
        to.text("gen_ai.tool.call.result", output);
    }
}

fn retrieval(view: &View<'_>, to: &mut Attributes) {
    if let Some(query) = query(view) {
        to.text("gen_ai.retrieval.query.text", query);
    }
    to.maybe("gen_ai.retrieval.documents", view.span.output.as_ref());
}

/// What is looked for: the one text of the input, or the one that is called the query.
fn query(view: &View<'_>) -> Option<String> {
    let input = super::parsed_text(view.span.input.as_ref()?);
    let said = match &input {
        Value::Object(members) => members
            .get("query")
            .or_else(|| members.values().next().filter(|_| members.len() == 1))?,
        other => other,
    };
    said.as_str().map(str::to_owned)
}

fn model(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    if let Some(provider) = &span.model.provider {
        let known = PROVIDERS.iter().find(|(ours, _)| ours == provider);
        to.text(
            "gen_ai.provider.name",
            known.map_or(provider.as_str(), |(_, theirs)| theirs),
        );
    }
    to.maybe("gen_ai.request.model", span.model.model.as_ref());
    for (name, value) in &view.options {
        option(name, value, to);
    }
    for name in ["gen_ai.response.id", "gen_ai.response.model"] {
        if let Some(Value::String(text)) = span.attributes.get(name) {
            to.text(name, text);
        }
    }
    to.texts("gen_ai.response.finish_reasons", &finish_reasons(view));
    let first = "gen_ai.response.time_to_first_chunk";
    to.float(first, view.number(first));
    let usage = &span.usage;
    to.count("gen_ai.usage.input_tokens", usage.input_tokens);
    to.count("gen_ai.usage.output_tokens", usage.output_tokens);
    to.count("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens);
    // Most do not know the newer name, `cache_write`.
    to.count(
        "gen_ai.usage.cache_creation.input_tokens",
        usage.cache_creation_tokens,
    );
    to.count(
        "gen_ai.usage.reasoning.output_tokens",
        usage.reasoning_tokens,
    );
}

fn option(name: &str, value: &Value, to: &mut Attributes) {
    let whole = format!("{REQUEST}{name}");
    match (name, value) {
        (name, Value::Number(_)) if FLOATS.contains(&name) => to.float(whole, value.as_f64()),
        ("stop_sequences", Value::String(one)) => to.texts(whole, [one]),
        _ => to.value(whole, value),
    }
}

pub(super) fn finish_reasons(view: &View<'_>) -> Vec<String> {
    match view.span.attributes.get("gen_ai.response.finish_reasons") {
        Some(Value::Array(reasons)) => {
            let texts = reasons.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

fn messages(view: &View<'_>, to: &mut Attributes) {
    let asked = &view.asked;
    if !asked.system.is_empty() {
        let parts: Vec<Value> = asked.system.iter().map(super::Part::gen_ai).collect();
        to.json("gen_ai.system_instructions", &parts.into());
    }
    if !asked.messages.is_empty() {
        to.json("gen_ai.input.messages", &list(&asked.messages, &[]));
    }
    if !view.answered.is_empty() {
        let reasons = finish_reasons(view);
        to.json("gen_ai.output.messages", &list(&view.answered, &reasons));
    }
    if !asked.tools.is_empty() {
        let tools: Vec<Value> = asked.tools.iter().map(definition).collect();
        to.json("gen_ai.tool.definitions", &tools.into());
    }
}

fn list(messages: &[Spoken], reasons: &[String]) -> Value {
    let messages = messages.iter().enumerate().map(|(index, spoken)| {
        let parts: Vec<Value> = spoken.parts.iter().map(super::Part::gen_ai).collect();
        let mut message = json!({ "role": spoken.role, "parts": parts });
        if let Some(reason) = reasons.get(index) {
            message["finish_reason"] = reason.clone().into();
        }
        message
    });
    messages.collect()
}

/// A tool as it is defined there: flat, as a function.
fn definition(tool: &Value) -> Value {
    let function = tool.get("function").unwrap_or(tool);
    let Value::Object(members) = function else {
        return tool.clone();
    };
    let mut definition = members.clone();
    if let Some(schema) = definition.remove("input_schema") {
        definition.insert("parameters".to_owned(), schema);
    }
    definition
        .entry("type")
        .or_insert_with(|| "function".into());
    definition.into()
}
