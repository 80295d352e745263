//! MLflow's own words, as far as it does not read OpenInference's: input and output as they are (of others' it drops
//! what is empty or zero, and takes a text of digits for a number), the kind of a chat, tokens as one object, cost, and
//! what is said of a trace.

use serde_json::{Map, Value, json};

use super::{Attributes, View, parsed_text};

pub(super) fn write(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    if let Some(kind) = view.kind.mlflow(view.operation) {
        to.text("mlflow.spanType", kind);
    }
    if let Some(input) = &span.input {
        as_it_is("mlflow.spanInputs", input, to);
    }
    if let Some(output) = view.output() {
        as_it_is("mlflow.spanOutputs", output, to);
    }
    if view.kind.calls_model() {
        let usage = &span.usage;
        // What is missing here it does not add up.
        let sum = usage.input_tokens.zip(usage.output_tokens);
        let sum = sum.map(|(input, output)| input.saturating_add(output));
        let counts: Map<String, Value> = [
            ("input_tokens", usage.input_tokens),
            ("output_tokens", usage.output_tokens),
            ("total_tokens", usage.total_tokens.or(sum)),
            ("cache_read_input_tokens", usage.cached_tokens),
            ("cache_creation_input_tokens", usage.cache_creation_tokens),
        ]
        .into_iter()
        .filter_map(|(name, count)| Some((name.to_owned(), count?.into())))
        .collect();
        if !counts.is_empty() {
            to.json("mlflow.chat.tokenUsage", &counts.into());
        }
        to.maybe("mlflow.llm.model", span.model.model.as_ref());
        to.maybe("mlflow.llm.provider", span.model.provider.as_ref());
        if let Some(usd) = usage.cost_usd {
            to.json("mlflow.llm.cost", &json!({ "total_cost": usd }));
        }
        if !view.asked.tools.is_empty() {
            let tools = view.asked.tools.clone();
            to.json("mlflow.chat.tools", &tools.into());
        }
    }
    if view.is_root {
        let tag = |name: &str| format!("mlflow.traceTag.{name}");
        to.maybe(tag("mlflow.traceName"), view.trace.name.as_ref());
        for name in &view.trace.tags {
            to.text(tag(name), "true");
        }
        for (name, value) in &view.metadata {
            let words = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            to.text(tag(name), words);
        }
    }
}

/// A value that it shows as what it is: it reads texts of JSON, but none that is a bare number or a flag.
fn as_it_is(name: &str, json: &str, to: &mut Attributes) {
    match parsed_text(json) {
        Value::Null => {}
        value @ (Value::Bool(_) | Value::Number(_)) => to.value(name, &value),
        _ => to.text(name, json),
    }
}
