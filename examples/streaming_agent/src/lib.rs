//! An agent that streams: release notes, word by word as the model writes them.
//!
//! The spans of a stream stay open until its last item. Here, one stream reads from another, and
//! each has its own span.

use std::io;

use async_stream::try_stream;
use futures::{Stream, TryStreamExt as _};
use rollout::{SpanUpdate, Usage, agent, span, tool};
use scripted_model::{
    Model, Reply, Script,
    chat::{Chunk, Message},
};
use serde::Serialize;
use tokio::io::AsyncBufReadExt as _;
use tokio_util::io::StreamReader;

/// Why there are no release notes, or why they stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotesError {
    /// Nothing has changed.
    #[error("{repository} has no changes for {version}")]
    NoChanges {
        /// Where was looked.
        repository: String,
        /// For what.
        version: String,
    },
    /// The model could not be asked.
    #[error("the model did not answer")]
    Model(#[from] reqwest::Error),
    /// The model's answer broke off.
    #[error("the model's answer broke off")]
    Stream(#[from] io::Error),
    /// The model's answer is not what it should be.
    #[error("the model's answer cannot be read")]
    Chunk(#[from] serde_json::Error),
}

/// Writes the notes of a release.
#[agent(skip(model), tags = ["docs"], session_id = format!("{repository}@{version}"))]
pub fn release_notes(
    model: &Model,
    repository: &str,
    version: &str,
) -> impl Stream<Item = Result<String, NotesError>> {
    try_stream! {
        let changes = merged_changes(repository, version)?;
        let changes = serde_json::to_string(&changes)?;
        let messages = [
            Message::system("Write release notes for the people who use the library. Be brief."),
            Message::user(format!("What is new in {repository} {version}? {changes}")),
        ];
        for await words in chat(model, &messages) {
            yield words?;
        }
    }
}

/// A change that was merged.
#[derive(Debug, Serialize)]
struct Change {
    number: u32,
    title: &'static str,
    breaking: bool,
}

/// What was merged for a version.
#[tool]
fn merged_changes(repository: &str, version: &str) -> Result<Vec<Change>, NotesError> {
    let change = |number, title, breaking| Change {
        number,
        title,
        breaking,
    };
    match (repository, version) {
        ("acme/ledger", "2.0.0") => Ok(vec![
            change(311, "Round half to even", true),
            change(318, "Import statements in CAMT.053", false),
        ]),
        _ => Err(NotesError::NoChanges {
            repository: repository.to_owned(),
            version: version.to_owned(),
        }),
    }
}

/// Asks the model, and passes its words on as they come.
#[span(type = "llm", skip(model))]
fn chat(model: &Model, messages: &[Message]) -> impl Stream<Item = Result<String, NotesError>> {
    try_stream! {
        let response = model.request_stream(messages).send().await?;
        let bytes = response.error_for_status()?.bytes_stream();
        let mut lines = StreamReader::new(bytes.map_err(io::Error::other)).lines();
        while let Some(line) = lines.next_line().await? {
            let Some(data) = line.strip_prefix("data:").map(str::trim) else {
                continue;
            };
            if data == "[DONE]" {
                break;
            }
            let chunk: Chunk = serde_json::from_str(data)?;
            if let Some(usage) = chunk.usage {
                // The last chunk. The span of this stream is current while the stream works.
                let update = SpanUpdate::new().model(chunk.model).provider("openai");
                rollout::update_current_span(update.usage(Usage {
                    input_tokens: Some(usage.prompt_tokens),
                    output_tokens: Some(usage.completion_tokens),
                    total_tokens: Some(usage.total_tokens),
                    ..Usage::default()
                }));
            }
            for choice in chunk.choices {
                if let Some(words) = choice.delta.content {
                    yield words;
                }
            }
        }
    }
}

/// What the scripted model answers about the release 2.0.0 of acme/ledger.
pub fn script() -> Script {
    Script::new().when(
        "What is new in acme/ledger 2.0.0?",
        Reply::text(
            "Ledger 2.0 rounds half to even: totals may differ by a cent (#311). \
             Bank statements in CAMT.053 can be imported (#318).",
        )
        .tokens(187, 38),
    )
}
