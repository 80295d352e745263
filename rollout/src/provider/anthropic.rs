//! What Anthropic's messages API answers.

use rollout_core::Usage;
use serde_json::Value;

use super::Json;
#[cfg(feature = "exchange")]
pub(super) use reading::*;

/// The usage of a message: of the whole answer, or of its `usage`. Anthropic's input excludes what its cache gave and
/// took; ours is everything in the prompt.
pub(crate) fn usage(answer: &Value) -> Usage {
    let usage = answer.member("usage").unwrap_or(answer);
    let cached = usage.count("cache_read_input_tokens");
    let created = usage.count("cache_creation_input_tokens");
    let input = usage.count("input_tokens").map(|tokens| {
        tokens
            .saturating_add(cached.unwrap_or_default())
            .saturating_add(created.unwrap_or_default())
    });
    let output = usage.count("output_tokens");
    Usage {
        input_tokens: input,
        output_tokens: output,
        cached_tokens: cached,
        cache_creation_tokens: created,
        total_tokens: input
            .zip(output)
            .map(|(input, output)| input.saturating_add(output)),
        ..Usage::default()
    }
}

#[cfg(feature = "exchange")]
mod reading {
    use serde_json::{Map, Value, json};

    use super::usage;
    use crate::provider::json::{append_text, slot};
    use crate::provider::{Facts, Json, openai};

    /// A message.
    pub(in crate::provider) fn message(answer: &Value) -> Facts {
        let mut facts = Facts {
            id: answer.text("id").map(str::to_owned),
            model: answer.text("model").map(str::to_owned),
            error: openai::error(answer),
            ..Facts::default()
        };
        facts
            .finish_reasons
            .extend(answer.text("stop_reason").map(str::to_owned));
        take_usage(&mut facts, answer.member("usage"));
        if let Some(content) = answer.member("content") {
            facts.output = Some(spoken(answer.text("role"), content.clone()));
        }
        facts
    }

    fn spoken(role: Option<&str>, content: Value) -> Value {
        json!({ "role": role.unwrap_or("assistant"), "content": content })
    }

    /// Usage comes in parts: the prompt's with the start, the answer's with the end.
    fn take_usage(facts: &mut Facts, part: Option<&Value>) {
        let Some(Value::Object(part)) = part else {
            return;
        };
        let mut whole = match facts.provider_usage.take() {
            Some(Value::Object(whole)) => whole,
            _ => Map::new(),
        };
        whole.extend(
            part.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let whole = Value::Object(whole);
        let counted = usage(&whole);
        facts.usage = (!counted.is_empty()).then_some(counted);
        facts.provider_usage = Some(whole);
    }

    /// The events of a message.
    pub(in crate::provider) fn message_events<'a>(
        events: impl Iterator<Item = &'a Value>,
    ) -> Facts {
        let mut facts = Facts::default();
        let mut blocks: Vec<Value> = Vec::new();
        let mut role = None;
        for event in events {
            let index = event.count("index").unwrap_or_default();
            match event.text("type").unwrap_or_default() {
                "message_start" => {
                    if let Some(message) = event.member("message") {
                        facts.id = message.text("id").map(str::to_owned);
                        facts.model = message.text("model").map(str::to_owned);
                        role = message.text("role");
                        take_usage(&mut facts, message.member("usage"));
                    }
                }
                "content_block_start" => {
                    if let (Some(slot), Some(block)) =
                        (slot(&mut blocks, index), event.member("content_block"))
                    {
                        *slot = block.clone();
                    }
                }
                "content_block_delta" => {
                    if let (Some(block), Some(delta)) =
                        (slot(&mut blocks, index), event.member("delta"))
                    {
                        add_delta(block, delta);
                    }
                }
                "message_delta" => {
                    let reason = event
                        .member("delta")
                        .and_then(|delta| delta.text("stop_reason"));
                    facts.finish_reasons.extend(reason.map(str::to_owned));
                    take_usage(&mut facts, event.member("usage"));
                }
                "error" => facts.error = openai::error(event),
                _ => {}
            }
        }
        blocks.iter_mut().for_each(close);
        blocks.retain(|block| block.as_object().is_some_and(|block| !block.is_empty()));
        facts.output = (!blocks.is_empty()).then(|| spoken(role, blocks.into()));
        facts
    }

    /// Where the text of a tool's arguments grows until it can be read.
    const PARTIAL: &str = "partial_json";

    fn add_delta(block: &mut Value, delta: &Value) {
        for name in ["text", "thinking", "signature", PARTIAL] {
            if let Some(more) = delta.text(name) {
                append_text(block, name, more);
            }
        }
        if let Some(citation) = delta.member("citation") {
            match block.get_mut("citations").and_then(Value::as_array_mut) {
                Some(citations) => citations.push(citation.clone()),
                None => block["citations"] = json!([citation]),
            }
        }
    }

    /// Reads the arguments of a tool; what was cut off stays text.
    fn close(block: &mut Value) {
        let Some(object) = block.as_object_mut() else {
            return;
        };
        if let Some(Value::String(text)) = object.remove(PARTIAL) {
            let read = serde_json::from_str(&text).unwrap_or(Value::String(text));
            object.insert("input".to_owned(), read);
        }
    }
}
