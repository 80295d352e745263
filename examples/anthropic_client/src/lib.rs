//! Anthropic's messages through plain `reqwest`, and through a client library that hides its HTTP.

use anyhow::Context as _;
use misanthropic::prompt::message::Role;
use misanthropic::{Client, Id, Key, Prompt};
use rollout::{SendTraced as _, agent};
use scripted_model::{Model, Reply, Script};
use serde_json::{Value, json};

fn request(question: &str) -> Value {
    json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 200,
        "system": "Be brief.",
        "messages": [{ "role": "user", "content": question }],
    })
}

fn words(answer: &Value) -> anyhow::Result<String> {
    let text = answer["content"][0]["text"].as_str();
    Ok(text.context("an answer without words")?.to_owned())
}

/// Answers a question: `send_traced` in place of `send` is all there is to it.
#[agent(skip(model))]
pub async fn ask(model: &Model, question: &str) -> anyhow::Result<String> {
    let request = model
        .http()
        .post(format!("{}/v1/messages", model.origin()))
        .header("x-api-key", model.api_key())
        .header("anthropic-version", "2023-06-01")
        .json(&request(question));
    let answer = request.send_traced().await?.error_for_status()?;
    words(&answer.json().await?)
}

/// A client of the library that talks to this model.
fn library(model: &Model) -> anyhow::Result<Client> {
    // It takes keys of the length that Anthropic's have.
    let key = format!("{:-<1$}", model.api_key(), Key::LEN);
    Ok(Client::new(key)?.base_url(model.origin())?)
}

/// Answers a question through such a library, `misanthropic`: its future is recorded, with the prompt and the message
/// as they are.
#[agent(skip(model))]
pub async fn ask_through_a_library(model: &Model, question: &str) -> anyhow::Result<String> {
    let client = library(model)?;
    let prompt = Prompt::default()
        .model(Id::Sonnet45)
        .system("Be brief.")
        .add_message((Role::User, question.to_owned()))?;
    let message = rollout::llm("anthropic")
        .model("claude-sonnet-4-5")
        .record(&prompt, client.message(&prompt))
        .await?;
    Ok(message.inner.content.to_string())
}

/// What the model answers.
pub fn script() -> Script {
    let answer = "Wet air from the sea rises at the mountains around the town.";
    Script::new().when("Bergen", Reply::text(answer).tokens(14, 13))
}
