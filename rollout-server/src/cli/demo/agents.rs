//! The sample agents, run one after the other.

use std::{error::Error, pin::pin};

use futures::TryStreamExt as _;
use scripted_model::{Model, Script};
use serde::Serialize;
use serde_json::Value;

use super::Failure;

/// What has run.
pub(super) struct Ran {
    /// Each agent.
    pub(super) agents: Vec<Agent>,
    /// Whether the model's answers were those of the script.
    pub(super) scripted: bool,
}

/// An agent that has run.
pub(super) struct Agent {
    /// The name of its trace.
    pub(super) name: &'static str,
    /// What it returned; or its error and what caused it, in words.
    pub(super) outcome: Result<Value, String>,
    /// What its traces say where the model keeps to the script, as [`compare`](super::compare)
    /// reads it.
    pub(super) expected: &'static str,
}

impl Agent {
    fn new<T: Serialize, E: Error>(
        name: &'static str,
        result: Result<T, E>,
        expected: &'static str,
    ) -> Result<Self, Failure> {
        let outcome = match result {
            Ok(value) => Ok(serde_json::to_value(value)?),
            Err(error) => Err(words(&error)),
        };
        Ok(Self {
            name,
            outcome,
            expected,
        })
    }
}

/// Runs all of them.
pub(super) async fn run() -> Result<Ran, Failure> {
    let model = model(support_agent::script()).await?;
    let ticket = support_agent::Ticket::sample();
    let support = Agent::new(
        "support_agent",
        support_agent::answer(&model, &ticket).await,
        include_str!("expected/support_agent.json"),
    )?;

    let model = self::model(streaming_agent::script()).await?;
    let notes = pin!(streaming_agent::release_notes(
        &model,
        "acme/ledger",
        "2.0.0"
    ));
    let streaming = Agent::new(
        "release_notes",
        notes.try_collect::<Vec<String>>().await,
        include_str!("expected/streaming_agent.json"),
    )?;

    let model = self::model(research_team::script()).await?;
    let research = Agent::new(
        "research_team",
        research_team::research(&model, research_team::QUESTION).await,
        include_str!("expected/research_team.json"),
    )?;

    Ok(Ran {
        agents: vec![support, streaming, research],
        scripted: model.is_scripted(),
    })
}

async fn model(script: Script) -> Result<Model, Failure> {
    Model::from_env_or(script)
        .await
        .map_err(|error| Failure::told(format!("cannot start the scripted model: {error}")))
}

/// An error with its causes.
fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}
