//! Gemini's `generateContent` through plain `reqwest`.

use anyhow::Context as _;
use rollout::{SendTraced as _, agent};
use scripted_model::{Model, Reply, Script};
use serde_json::{Value, json};

/// Answers a question. The key may be in the query as well: neither is recorded.
#[agent(skip(model))]
pub async fn ask(model: &Model, question: &str) -> anyhow::Result<String> {
    let url = format!(
        "{}/v1beta/models/gemini-2.5-flash:generateContent",
        model.origin()
    );
    let request = model
        .http()
        .post(url)
        .header("x-goog-api-key", model.api_key())
        .json(&json!({
            "contents": [{ "role": "user", "parts": [{ "text": question }] }],
            "generationConfig": { "temperature": 0.2 },
        }));
    let answer = request.send_traced().await?.error_for_status()?;
    let answer: Value = answer.json().await?;
    let text = answer["candidates"][0]["content"]["parts"][0]["text"].as_str();
    Ok(text.context("an answer without words")?.to_owned())
}

/// What the model answers.
pub fn script() -> Script {
    let answer = "Wet air from the sea rises at the mountains around the town.";
    Script::new().when("Bergen", Reply::text(answer).tokens(14, 13))
}
