//! A gateway or a local server that speaks like OpenAI, by its base URL: OpenRouter, Azure, LiteLLM, vLLM, Ollama,
//! llama.cpp.

use anyhow::Context as _;
use rollout::{ModelCalls, SendTraced as _, agent};
use scripted_model::{Model, Reply, Script};
use serde_json::{Value, json};

/// Answers a question. The address of a gateway does not always tell whose it is, so the program does.
#[agent(skip(model))]
pub async fn ask(model: &Model, question: &str) -> anyhow::Result<String> {
    let calls = ModelCalls::new()
        .provider("openrouter")
        .attribute("team", "weather");
    let request = model
        .http()
        .post(format!("{}/chat/completions", model.base_url()))
        .bearer_auth(model.api_key())
        .json(&json!({
            "model": "meta-llama/llama-3.3-70b-instruct",
            "messages": [{ "role": "user", "content": question }],
        }));
    let answer = request.send_traced_with(calls).await?.error_for_status()?;
    let answer: Value = answer.json().await?;
    let text = answer["choices"][0]["message"]["content"].as_str();
    Ok(text.context("an answer without words")?.to_owned())
}

/// What the model answers.
pub fn script() -> Script {
    let answer = "Wet air from the sea rises at the mountains around the town.";
    Script::new().when("Bergen", Reply::text(answer).tokens(14, 13))
}
