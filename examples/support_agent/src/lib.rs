//! A support agent: a customer writes, a model answers with the help of the shop's tools.
//!
//! One of the tools fails. The agent tells the model, which finds another way; the trace shows
//! both.

mod script;
mod shop;

use rollout::{SpanUpdate, Usage, agent, span};
use scripted_model::{
    Model,
    chat::{Completion, Message},
};
use serde::Serialize;

pub use script::script;

/// Answers of the model until the agent gives up.
const MAX_TURNS: usize = 8;

/// What a customer asks.
#[derive(Debug, Clone, Serialize)]
pub struct Ticket {
    /// The conversation it belongs to.
    pub id: String,
    /// Who asks.
    pub customer_id: String,
    /// The question.
    pub message: String,
}

impl Ticket {
    /// The ticket that the script knows.
    pub fn sample() -> Self {
        Self {
            id: "ticket_5521".to_owned(),
            customer_id: "cus_8812".to_owned(),
            message: "Order 1042 should have been here on Monday. Where is it? \
                      And I would like the shipping fee back."
                .to_owned(),
        }
    }
}

/// Why a ticket got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupportError {
    /// The model could not be asked.
    #[error("the model did not answer")]
    Model(#[from] reqwest::Error),
    /// The model answered with neither words nor tools.
    #[error("the model had nothing to say")]
    NoAnswer,
    /// The model kept calling tools.
    #[error("no answer after {MAX_TURNS} turns")]
    TooManyTurns,
}

/// Answers a ticket.
#[agent(
    name = "support_agent",
    user_id = ticket.customer_id,
    conversation_id = ticket.id,
    tags = ["support"],
    skip(model)
)]
pub async fn answer(model: &Model, ticket: &Ticket) -> Result<String, SupportError> {
    let articles = shop::search_help_center(&ticket.message);
    let mut messages = vec![
        Message::system(shop::instructions(&ticket.customer_id, &articles)),
        Message::user(&ticket.message),
    ];
    for _ in 0..MAX_TURNS {
        let reply = chat(model, &messages).await?;
        if reply.tool_calls.is_empty() {
            return reply.content.ok_or(SupportError::NoAnswer);
        }
        messages.push(reply.clone());
        for call in &reply.tool_calls {
            let result = match shop::call(call).await {
                Ok(result) => result.to_string(),
                Err(error) => format!("error: {error:#}"),
            };
            messages.push(Message::tool(call, result));
        }
    }
    Err(SupportError::TooManyTurns)
}

/// Asks the model for its next message.
#[span(type = "llm", skip(model))]
async fn chat(model: &Model, messages: &[Message]) -> Result<Message, SupportError> {
    let response = model.request(messages, &shop::tools()).send().await?;
    let completion: Completion = response.error_for_status()?.json().await?;

    let mut update = SpanUpdate::new().model(completion.model).provider("openai");
    if let Some(usage) = completion.usage {
        update = update.usage(Usage {
            input_tokens: Some(usage.prompt_tokens),
            output_tokens: Some(usage.completion_tokens),
            cached_tokens: Some(usage.prompt_tokens_details.cached_tokens),
            total_tokens: Some(usage.total_tokens),
            ..Usage::default()
        });
    }
    rollout::update_current_span(update);

    let choice = completion.choices.into_iter().next();
    choice
        .map(|choice| choice.message)
        .ok_or(SupportError::NoAnswer)
}
