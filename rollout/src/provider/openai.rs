//! What OpenAI's APIs answer, and all who speak them.

use rollout_core::Usage;
use serde_json::Value;

use super::Json;
#[cfg(feature = "exchange")]
pub(super) use reading::*;

/// The usage of a chat completion, response or embedding: of the whole answer, or of its `usage`.
pub(crate) fn usage(answer: &Value) -> Usage {
    let Some(usage) = counts(answer) else {
        return Usage::default();
    };
    let input = usage.member("prompt_tokens_details");
    let input = input.or(usage.member("input_tokens_details"));
    let output = usage.member("completion_tokens_details");
    let output = output.or(usage.member("output_tokens_details"));
    let input_tokens = usage.count("prompt_tokens").or(usage.count("input_tokens"));
    let output_tokens = usage
        .count("completion_tokens")
        .or(usage.count("output_tokens"));
    let cached = input.and_then(|details| details.count("cached_tokens"));
    Usage {
        input_tokens,
        output_tokens,
        // DeepSeek counts what the cache gave beside the details.
        cached_tokens: cached.or(usage.count("prompt_cache_hit_tokens")),
        cache_creation_tokens: input.and_then(|details| details.count("cache_write_tokens")),
        reasoning_tokens: output.and_then(|details| details.count("reasoning_tokens")),
        total_tokens: usage.count("total_tokens").or_else(|| {
            let (input, output) = (input_tokens?, output_tokens?);
            Some(input.saturating_add(output))
        }),
        // OpenRouter tells what a call has cost.
        cost_usd: usage.member("cost").and_then(Value::as_f64),
        ..Usage::default()
    }
}

/// The object that counts.
pub(super) fn counts(answer: &Value) -> Option<&Value> {
    let nested = answer
        .member("response")
        .and_then(|answer| answer.member("usage"));
    let usage = answer.member("usage").or(nested).unwrap_or(answer);
    let counted = [
        "prompt_tokens",
        "input_tokens",
        "completion_tokens",
        "output_tokens",
        "total_tokens",
    ];
    counted
        .iter()
        .any(|name| usage.count(name).is_some())
        .then_some(usage)
}

#[cfg(feature = "exchange")]
mod reading {
    use serde_json::{Value, json};

    use super::{counts, usage};
    use crate::provider::json::{append_text, slot};
    use crate::provider::{Facts, Json};

    fn take_usage(facts: &mut Facts, answer: &Value) {
        if let Some(counts) = counts(answer) {
            facts.usage = Some(usage(counts));
            facts.provider_usage = Some(counts.clone());
        }
    }

    fn take_names(facts: &mut Facts, answer: &Value) {
        if let Some(id) = answer.text("id") {
            facts.id = Some(id.to_owned());
        }
        if let Some(model) = answer.text("model") {
            facts.model = Some(model.to_owned());
        }
    }

    /// `{"error": {"message", "type" or "code"}}`, as all of them say it, more or less.
    pub(in crate::provider) fn error(answer: &Value) -> Option<(String, String)> {
        let error = answer.member("error")?;
        let message = error.text("message").or(error.as_str())?;
        let kind = ["type", "code", "status"]
            .iter()
            .find_map(|name| error.text(name))
            .unwrap_or("error");
        Some((kind.to_owned(), message.to_owned()))
    }

    /// The messages of choices, or the one of one.
    fn choices(mut messages: Vec<Value>) -> Option<Value> {
        match messages.len() {
            0 => None,
            1 => messages.pop(),
            _ => Some(messages.into()),
        }
    }

    /// A chat completion.
    pub(in crate::provider) fn completion(answer: &Value) -> Facts {
        let mut facts = Facts::default();
        take_names(&mut facts, answer);
        take_usage(&mut facts, answer);
        facts.error = error(answer);
        let mut messages = Vec::new();
        for choice in answer.items("choices") {
            messages.extend(choice.member("message").cloned());
            facts
                .finish_reasons
                .extend(choice.text("finish_reason").map(str::to_owned));
        }
        facts.output = choices(messages);
        facts
    }

    /// The chunks of a chat completion.
    pub(in crate::provider) fn completion_chunks<'a>(
        chunks: impl Iterator<Item = &'a Value>,
    ) -> Facts {
        let mut facts = Facts::default();
        let mut messages: Vec<Value> = Vec::new();
        let mut reasons: Vec<Option<String>> = Vec::new();
        for chunk in chunks {
            take_names(&mut facts, chunk);
            take_usage(&mut facts, chunk);
            if let Some(error) = error(chunk) {
                facts.error = Some(error);
            }
            for choice in chunk.items("choices") {
                let index = choice.count("index").unwrap_or_default();
                let Some(message) = slot(&mut messages, index) else {
                    continue;
                };
                if let Some(delta) = choice.member("delta") {
                    add_delta(message, delta);
                }
                if let Some(reason) = choice.text("finish_reason") {
                    reasons.resize(messages.len(), None);
                    if let Some(slot) = reasons.get_mut(index as usize) {
                        *slot = Some(reason.to_owned());
                    }
                }
            }
        }
        facts.finish_reasons = reasons.into_iter().flatten().collect();
        facts.output = choices(messages);
        facts
    }

    fn add_delta(message: &mut Value, delta: &Value) {
        let Some(delta) = delta.as_object() else {
            return;
        };
        for (name, value) in delta {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("tool_calls", Value::Array(calls)) => {
                    for call in calls {
                        add_call(message, call);
                    }
                }
                ("function_call", Value::Object(_)) => {
                    let call = message["function_call"].take();
                    message["function_call"] = joined_function(call, value);
                }
                ("role" | "id" | "type", _) => message[name] = value.clone(),
                (_, Value::String(text)) => append_text(message, name, text),
                _ => message[name] = value.clone(),
            }
        }
    }

    fn add_call(message: &mut Value, delta: &Value) {
        let mut calls = match message["tool_calls"].take() {
            Value::Array(calls) => calls,
            _ => Vec::new(),
        };
        // Some gateways number no call: what has an id begins one.
        let last = calls.len() as u64;
        let unnumbered = if delta.text("id").is_some() {
            last
        } else {
            last.saturating_sub(1)
        };
        if let Some(call) = slot(&mut calls, delta.count("index").unwrap_or(unnumbered)) {
            for name in ["id", "type"] {
                if let Some(value) = delta.member(name) {
                    call[name] = value.clone();
                }
            }
            if let Some(function) = delta.member("function") {
                let known = call["function"].take();
                call["function"] = joined_function(known, function);
            }
        }
        message["tool_calls"] = calls.into();
    }

    fn joined_function(known: Value, delta: &Value) -> Value {
        let mut function = if known.is_object() { known } else { json!({}) };
        for name in ["name", "arguments"] {
            if let Some(text) = delta.text(name) {
                append_text(&mut function, name, text);
            }
        }
        function
    }

    /// A response.
    pub(in crate::provider) fn response(answer: &Value) -> Facts {
        let mut facts = Facts::default();
        take_names(&mut facts, answer);
        take_usage(&mut facts, answer);
        facts.error = error(answer);
        facts.output = answer.member("output").cloned();
        let incomplete = answer
            .member("incomplete_details")
            .and_then(|details| details.text("reason"));
        facts
            .finish_reasons
            .extend(incomplete.or(answer.text("status")).map(str::to_owned));
        facts
    }

    /// The events of a response. The last carries it whole; one that was abandoned is put together.
    pub(in crate::provider) fn response_events<'a>(
        events: impl Iterator<Item = &'a Value>,
    ) -> Facts {
        let mut facts = Facts::default();
        let mut items: Vec<Value> = Vec::new();
        for event in events {
            let kind = event.text("type").unwrap_or_default();
            if let Some(answer) = event.member("response") {
                let whole = response(answer);
                if matches!(
                    kind,
                    "response.completed" | "response.incomplete" | "response.failed"
                ) {
                    return whole;
                }
                take_names(&mut facts, answer);
            }
            let index = event.count("output_index").unwrap_or_default();
            match kind {
                "response.output_item.added" | "response.output_item.done" => {
                    if let (Some(slot), Some(item)) =
                        (slot(&mut items, index), event.member("item"))
                    {
                        *slot = item.clone();
                    }
                }
                "error" => {
                    let message = event.text("message").unwrap_or("error");
                    let code = event.text("code").unwrap_or("error");
                    facts.error = error(event).or(Some((code.to_owned(), message.to_owned())));
                }
                _ => {
                    if let (Some(item), Some(delta)) =
                        (slot(&mut items, index), event.text("delta"))
                    {
                        add_item_delta(item, kind, event, delta);
                    }
                }
            }
        }
        items.retain(|item| item.as_object().is_some_and(|item| !item.is_empty()));
        facts.output = (!items.is_empty()).then(|| items.into());
        facts
    }

    fn add_item_delta(item: &mut Value, kind: &str, event: &Value, delta: &str) {
        let (list, index, name) = match kind {
            "response.output_text.delta" | "response.reasoning_text.delta" => {
                ("content", "content_index", "text")
            }
            "response.refusal.delta" => ("content", "content_index", "refusal"),

            "response.reasoning_summary_text.delta" => ("summary", "summary_index", "text"),
            "response.function_call_arguments.delta" => {
                return append_text(item, "arguments", delta);
            }
            _ => return,
        };
        let mut parts = match item[list].take() {
            Value::Array(parts) => parts,
            _ => Vec::new(),
        };
        if let Some(part) = slot(&mut parts, event.count(index).unwrap_or_default()) {
            append_text(part, name, delta);
        }
        item[list] = parts.into();
    }

    /// Embeddings. The vectors are not recorded, their number and size are.
    pub(in crate::provider) fn embeddings(answer: &Value) -> Facts {
        let mut facts = Facts::default();
        take_names(&mut facts, answer);
        take_usage(&mut facts, answer);
        facts.error = error(answer);
        let vectors = answer.items("data");
        if let Some(first) = vectors.first() {
            let dimensions = first.items("embedding").len();
            facts.output = Some(json!({
                "embeddings": vectors.len(),
                "dimensions": (dimensions > 0).then_some(dimensions),
            }));
        }
        facts
    }
}
