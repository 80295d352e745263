//! Agents that call agents: one plans, several research at the same time, one writes, one checks.
//!
//! The researchers are part of the team's trace (`join = true`) although each runs as a task of
//! its own. The reviewer, who also works for others, has a trace of its own that links to its
//! caller's.

mod library;
mod script;

use futures::future::{join, try_join_all};
use rollout::{SpanUpdate, Usage, agent, span, task};
use scripted_model::{
    Model,
    chat::{Completion, Message},
};
use serde::Serialize;
use tokio::task::JoinError;

pub use script::{QUESTION, script};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResearchError {
    /// The model could not be asked.
    #[error("the model did not answer")]
    Model(#[from] reqwest::Error),
    /// The model answered without words.
    #[error("the model had nothing to say")]
    NoAnswer,
    /// A researcher did not come back.
    #[error("a researcher did not come back")]
    Researcher(#[from] JoinError),
}

/// What the team found out.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The answer.
    pub text: String,
    /// What the reviewer says about it.
    pub review: String,
}

/// Answers a question.
#[agent(name = "research_team", skip(model), tags = ["research"])]
pub async fn research(model: &Model, question: &str) -> Result<Report, ResearchError> {
    let topics = plan(model, question).await?;
    // Spawned through rollout, a task begins inside the span that spawns it.
    let researchers = topics
        .into_iter()
        .map(|topic| rollout::spawn(researcher(model.clone(), topic)));
    let findings = try_join_all(researchers).await?;
    let findings: Vec<String> = findings.into_iter().collect::<Result<_, _>>()?;
    let text = write_report(model, question, &findings).await?;
    let review = reviewer(model, &text).await?;
    Ok(Report { text, review })
}

/// Splits a question into topics.
#[task(skip(model))]
async fn plan(model: &Model, question: &str) -> Result<Vec<String>, ResearchError> {
    let instruction = "Name the topics to look into, one on a line, and nothing else.";
    let answer = chat(model, instruction, question).await?;
    let topics = answer
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    Ok(topics.take(4).map(ToOwned::to_owned).collect())
}

/// Looks into one topic: papers and code at the same time, then what they say.
#[agent(join = true, skip(model))]
async fn researcher(model: Model, topic: String) -> Result<String, ResearchError> {
    let (papers, projects) = join(
        library::search_papers(&topic),
        library::search_projects(&topic),
    )
    .await;
    let sources = format!("Topic: {topic}. Papers: {papers:?}. Projects: {projects:?}.");
    chat(
        &model,
        "Say in one sentence what the sources show.",
        &sources,
    )
    .await
}

/// Puts the findings together.
#[task(skip(model))]
async fn write_report(
    model: &Model,
    question: &str,
    findings: &[String],
) -> Result<String, ResearchError> {
    let findings = findings.join("\n");
    let material = format!("Findings on \"{question}\":\n{findings}");
    chat(model, "Answer in two sentences.", &material).await
}

/// Reads a report with fresh eyes.
#[agent(skip(model))]
async fn reviewer(model: &Model, report: &str) -> Result<String, ResearchError> {
    let material = format!("Please review: {report}");
    chat(model, "Say whether the report is sound.", &material).await
}

/// Asks the model one thing.
#[span(type = "llm", skip(model))]
async fn chat(model: &Model, instruction: &str, text: &str) -> Result<String, ResearchError> {
    let messages = [Message::system(instruction), Message::user(text)];
    let response = model.request(&messages, &[]).send().await?;
    let completion: Completion = response.error_for_status()?.json().await?;

    let mut update = SpanUpdate::new()
        .input(&messages)
        .model(completion.model)
        .provider("openai");
    if let Some(usage) = completion.usage {
        update = update.usage(Usage {
            input_tokens: Some(usage.prompt_tokens),
            output_tokens: Some(usage.completion_tokens),
            total_tokens: Some(usage.total_tokens),
            ..Usage::default()
        });
    }
    rollout::update_current_span(update);

    let choice = completion.choices.into_iter().next();
    choice
        .and_then(|choice| choice.message.content)
        .ok_or(ResearchError::NoAnswer)
}
