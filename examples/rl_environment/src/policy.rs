//! The policy: a model that gets better with every step.

use fastrand::Rng;
use serde::Serialize;
use serde_json::{Value, json};

use crate::environment::Move;

/// A model that plays.
#[derive(Debug)]
pub(crate) struct Policy {
    name: String,
    /// How often it does what is right.
    skill: f64,
    rng: Rng,
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: [Value; 1],
}

impl Policy {
    /// The policy of a training step. The same seed makes the same moves.
    pub(crate) fn of_step(step: u64, seed: u64) -> Self {
        Self {
            name: format!("policy-step-{step}"),
            skill: 0.55 + 0.15 * step as f64,
            rng: Rng::with_seed(seed),
        }
    }

    /// What the model is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Asks the model for a move: a span of type `llm`, with what it has used. A real one would be called over HTTP.
    pub(crate) async fn choose(&mut self, value: u32, target: u32) -> anyhow::Result<Move> {
        let best = if value > 0 && value * 2 <= target {
            Move::Double
        } else {
            Move::Increment
        };
        let other = match best {
            Move::Double => Move::Increment,
            Move::Increment => Move::Double,
        };
        let right = self.rng.f64() < self.skill;
        let chosen = if right { best } else { other };
        let prompt = format!("It is {value} and should be {target}.");
        let request = Request {
            model: &self.name,
            messages: [json!({ "role": "user", "content": prompt })],
        };
        let answer = rollout::llm("openai")
            .model(&self.name)
            .record(&request, sample(&request, chosen))
            .await?;
        let text = answer.pointer("/choices/0/message/content");
        Ok(serde_json::from_value(text.cloned().unwrap_or_default())?)
    }
}

/// Stands in for the server that samples from the policy.
async fn sample(request: &Request<'_>, chosen: Move) -> anyhow::Result<Value> {
    // Others get a turn while the model thinks.
    tokio::task::yield_now().await;
    let tokens = request.messages[0].to_string().len() / 4;
    Ok(json!({
        "object": "chat.completion",
        "model": request.model,
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": chosen },
        }],
        "usage": {
            "prompt_tokens": tokens, "completion_tokens": 3, "total_tokens": tokens + 3,
        },
    }))
}
