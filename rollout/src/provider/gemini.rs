//! What Gemini's `generateContent` answers.

use rollout_core::Usage;
use serde_json::Value;

use super::Json;
#[cfg(feature = "exchange")]
pub(super) use reading::*;

/// The usage of an answer: of the whole, or of its `usageMetadata`. Gemini counts thoughts beside the answer; ours are
/// a part of the output.
pub(crate) fn usage(answer: &Value) -> Usage {
    let nested = answer
        .member("usageMetadata")
        .or(answer.member("usage_metadata"));
    let usage = nested.unwrap_or(answer);
    let count = |camel: &str, snake: &str| usage.count(camel).or(usage.count(snake));
    let prompt = count("promptTokenCount", "prompt_token_count");
    let tools = count("toolUsePromptTokenCount", "tool_use_prompt_token_count");
    let answered = count("candidatesTokenCount", "candidates_token_count");
    let thoughts = count("thoughtsTokenCount", "thoughts_token_count");
    let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or_default().saturating_add(b.unwrap_or_default())),
    };
    let (input, output) = (sum(prompt, tools), sum(answered, thoughts));
    let total = count("totalTokenCount", "total_token_count");
    Usage {
        input_tokens: input,
        output_tokens: output,
        cached_tokens: count("cachedContentTokenCount", "cached_content_token_count"),
        reasoning_tokens: thoughts,
        total_tokens: total.or(input
            .zip(output)
            .map(|(input, output)| input.saturating_add(output))),
        ..Usage::default()
    }
}

#[cfg(feature = "exchange")]
mod reading {
    use serde_json::{Value, json};

    use super::usage;
    use crate::provider::json::{append_text, slot};
    use crate::provider::{Facts, Json, openai};

    /// The answer, or the pieces of one.
    pub(in crate::provider) fn content<'a>(pieces: impl Iterator<Item = &'a Value>) -> Facts {
        let mut facts = Facts::default();
        let mut candidates: Vec<Value> = Vec::new();
        for piece in pieces {
            if let Some(id) = piece.text("responseId") {
                facts.id = Some(id.to_owned());
            }
            if let Some(model) = piece.text("modelVersion") {
                facts.model = Some(model.to_owned());
            }
            if let Some(counts) = piece.member("usageMetadata") {
                let counted = usage(counts);
                facts.usage = (!counted.is_empty()).then_some(counted);
                facts.provider_usage = Some(counts.clone());
            }
            if let Some(error) = openai::error(piece) {
                facts.error = Some(error);
            }
            let blocked = piece
                .member("promptFeedback")
                .and_then(|feedback| feedback.text("blockReason"));
            facts.finish_reasons.extend(blocked.map(str::to_owned));
            for (position, candidate) in piece.items("candidates").iter().enumerate() {
                let index = candidate.count("index").unwrap_or(position as u64);
                let reason = candidate.text("finishReason");
                facts.finish_reasons.extend(reason.map(str::to_owned));
                let Some(content) = candidate.member("content") else {
                    continue;
                };
                if let Some(known) = slot(&mut candidates, index) {
                    known["role"] = content.text("role").unwrap_or("model").into();
                    add_parts(known, content.items("parts"));
                }
            }
        }
        candidates.retain(|candidate| candidate.get("role").is_some());
        facts.output = match candidates.len() {
            0 => None,
            1 => candidates.pop(),
            _ => Some(candidates.into()),
        };
        facts
    }

    /// Text goes on in the part before, if that is text of the same kind.
    fn add_parts(content: &mut Value, more: &[Value]) {
        let mut parts = match content["parts"].take() {
            Value::Array(parts) => parts,
            _ => Vec::new(),
        };
        for part in more {
            let text = part.text("text");
            let thought = part.member("thought");
            match (parts.last_mut(), text) {
                (Some(last), Some(text))
                    if last.text("text").is_some() && last.member("thought") == thought =>
                {
                    append_text(last, "text", text);
                }
                _ => parts.push(part.clone()),
            }
        }
        content["parts"] = json!(parts);
    }
}
