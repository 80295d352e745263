//! OpenAI through `async-openai`: the client is wrapped, the rest of the program is as it would be without.

use anyhow::Context as _;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessage, CreateChatCompletionRequestArgs,
};
use rollout::agent;
use scripted_model::{Model, Reply, Script};

/// Answers a question.
#[agent(skip(model))]
pub async fn ask(model: &Model, question: &str) -> anyhow::Result<String> {
    let config = OpenAIConfig::new()
        .with_api_base(model.base_url())
        .with_api_key(model.api_key());
    // With an HTTP client of one's own; `wrap(config)` makes one.
    let client = rollout::wrap((config, model.http().clone()));
    let request = CreateChatCompletionRequestArgs::default()
        .model("gpt-4.1")
        .messages([ChatCompletionRequestUserMessage::from(question).into()])
        .build()?;
    let answer = client.chat().create(request).await?;
    let choice = answer.choices.into_iter().next();
    choice
        .and_then(|choice| choice.message.content)
        .context("an answer without words")
}

/// What the model answers.
pub fn script() -> Script {
    let answer = "Wet air from the sea rises at the mountains around the town.";
    Script::new().when("Bergen", Reply::text(answer).tokens(14, 13))
}
