//! What a request asks.

use rollout_core::SpanUpdate;
use serde_json::Value;

use super::estimate::estimate;
use super::{Api, Json};

/// Options of a request by their name in the wire of each API, and the attribute that carries each.
const OPTIONS: &[(&str, &str)] = &[
    ("temperature", "gen_ai.request.temperature"),
    ("top_p", "gen_ai.request.top_p"),
    ("topP", "gen_ai.request.top_p"),
    ("top_k", "gen_ai.request.top_k"),
    ("topK", "gen_ai.request.top_k"),
    ("max_tokens", "gen_ai.request.max_tokens"),
    ("max_completion_tokens", "gen_ai.request.max_tokens"),
    ("max_output_tokens", "gen_ai.request.max_tokens"),
    ("maxOutputTokens", "gen_ai.request.max_tokens"),
    ("frequency_penalty", "gen_ai.request.frequency_penalty"),
    ("frequencyPenalty", "gen_ai.request.frequency_penalty"),
    ("presence_penalty", "gen_ai.request.presence_penalty"),
    ("presencePenalty", "gen_ai.request.presence_penalty"),
    ("seed", "gen_ai.request.seed"),
    ("stop", "gen_ai.request.stop_sequences"),
    ("stop_sequences", "gen_ai.request.stop_sequences"),
    ("stopSequences", "gen_ai.request.stop_sequences"),
    ("n", "gen_ai.request.choice.count"),
    ("candidateCount", "gen_ai.request.choice.count"),
    ("reasoning_effort", "gen_ai.request.reasoning_effort"),
];

/// What a request asks.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) names_model: bool,
    /// Tokens of its text by estimate.
    pub(crate) tokens: u64,
}

/// What the body of a request says. One that is no JSON says nothing.
pub(crate) fn request(api: Api, body: &[u8], capture_input: bool) -> (SpanUpdate, Asked) {
    let mut update = SpanUpdate::new();
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return (update, Asked::default());
    };
    let model = body.text("model");
    if let Some(model) = model {
        update = update.model(model.strip_prefix("models/").unwrap_or(model));
    }
    let asked = Asked {
        names_model: model.is_some(),
        tokens: estimate(
            ["messages", "system", "input", "instructions", "contents"]
                .iter()
                .chain(&["systemInstruction", "system_instruction", "tools"])
                .filter_map(|name| body.member(name)),
        ),
    };
    let options = match api {
        Api::GenerateContent => body
            .member("generationConfig")
            .or(body.member("generation_config")),
        _ => Some(&body),
    };
    for (name, attribute) in OPTIONS {
        if let Some(value) = options.and_then(|options| options.member(name)) {
            update = update.attribute(*attribute, value);
        }
    }
    if let Some(temperature) = options
        .and_then(|options| options.member("temperature"))
        .and_then(Value::as_f64)
    {
        update = update.temperature(temperature);
    }
    if body.member("stream").and_then(Value::as_bool) == Some(true) {
        update = update.attribute("gen_ai.request.stream", true);
    }
    if capture_input {
        update = update.input(body);
    }
    (update, asked)
}
