//! Conversations to train a model with, in the form that OpenAI's fine-tuning takes and everybody else reads.

mod message;
mod tool;

use std::{collections::BTreeMap, io::Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use self::message::{Message, Messages};
use super::{ExportError, Writer};
use crate::{
    query::{MAX_SPANS, MessageRow, RolloutFacts, SpanDetail, TraceDetail, TraceSummary},
    store::{Store, StoreError},
    value::{Chat, Json, Part, Turn, streamed},
};

/// Spans of a trace that are looked at together.
const PAGE: u64 = MAX_SPANS;

/// Writes a conversation of each trace, one a line.
pub(super) struct Chats<'w> {
    out: &'w mut (dyn Write + Send),
    with_metadata: bool,
    silent: u64,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    messages: Vec<Message>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

/// Where a conversation is from, and how good it is.
#[derive(Serialize)]
struct Metadata<'a> {
    trace_id: &'a str,
    name: Option<&'a str>,
    status: &'a str,
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ids: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    scores: BTreeMap<&'a str, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<&'a RolloutFacts>,
}

/// What a model was asked, and what it said.
#[derive(Default)]
struct Conversation {
    turns: Vec<Turn>,
    tools: Vec<Value>,
    parallel_tool_calls: Option<bool>,
    model: Option<String>,
}

impl<'w> Chats<'w> {
    pub(super) fn new(out: &'w mut (dyn Write + Send), with_metadata: bool) -> Self {
        Self {
            out,
            with_metadata,
            silent: 0,
        }
    }
}

impl Writer for Chats<'_> {
    fn trace(&mut self, store: &dyn Store, trace: &TraceSummary) -> Result<bool, ExportError> {
        let Some(detail) = store.trace(&trace.trace_id)? else {
            return Ok(false);
        };
        let conversation = conversation(store, &detail)?;
        let messages = Messages::of(conversation.turns);
        if messages.is_empty() {
            self.silent += 1;
            return Ok(false);
        }
        let metadata = if self.with_metadata {
            let scores = detail.summary.scores.iter();
            Some(Metadata {
                trace_id: &detail.summary.trace_id,
                name: detail.summary.name.as_deref(),
                status: &detail.summary.status,
                started_at: detail.summary.started_at,
                model: conversation.model,
                tags: &detail.summary.tags,
                ids: &detail.context.ids,
                rollout: detail.summary.rollout.as_ref(),
                scores: scores.map(|score| (&*score.grader, score.value)).collect(),
            })
        } else {
            None
        };
        let line = Line {
            messages,
            tools: conversation.tools,
            parallel_tool_calls: conversation.parallel_tool_calls,
            metadata,
        };
        serde_json::to_writer(&mut *self.out, &line)?;
        writeln!(self.out)?;
        Ok(true)
    }

    fn finish(self: Box<Self>) -> Result<Vec<(&'static str, u64)>, ExportError> {
        Ok(vec![(
            "traces hold no conversation in which a model has spoken",
            self.silent,
        )])
    }
}

/// The conversation of a trace: its messages, where the program has reported them; else that of the model call that
/// was told most, the later of two.
fn conversation(store: &dyn Store, trace: &TraceDetail) -> Result<Conversation, StoreError> {
    let turns: Vec<Turn> = trace.messages.iter().filter_map(reported).collect();
    let is_reported = turns.iter().any(|turn| turn.role == "assistant");
    let mut longest = Conversation::default();
    let mut offset = 0;
    loop {
        let trace_id = &trace.summary.trace_id;
        let page = store.spans(trace_id, offset, PAGE)?.unwrap_or_default();
        for row in page.spans.iter().filter(|row| row.kind == "llm") {
            let call = store.span(trace_id, &row.span_id)?.and_then(asked);
            if let Some(call) = call
                && call.turns.len() >= longest.turns.len()
            {
                longest = call;
            }
        }
        offset += page.spans.len() as u64;
        if page.spans.is_empty() || offset >= page.total {
            break;
        }
    }
    if is_reported {
        longest.turns = turns;
    }
    Ok(longest)
}

/// The conversation of a call that was answered.
fn asked(span: SpanDetail) -> Option<Conversation> {
    let (input, output) = (span.input?, span.output?);
    let mut chat = Chat::read(input.as_str())?;
    let answer = match Chat::read(output.as_str()) {
        // Of several answers, the first.
        Some(answer) => answer.turns.into_iter().next()?,
        None => Turn {
            role: "assistant".to_owned(),
            parts: vec![Part::Text(match Json::read(output.as_str()) {
                Json::Text(text) => text,
                _ => streamed(output.as_str())?,
            })],
            ..Turn::default()
        },
    };
    chat.turns.push(Turn {
        role: "assistant".to_owned(),
        ..answer
    });
    let beside = |name: &str| {
        let found = chat.rest.iter().find(|(known, _)| known == name);
        found.and_then(|(_, json)| serde_json::from_str::<Value>(json).ok())
    };
    Some(Conversation {
        tools: beside("tools").map(tool::definitions).unwrap_or_default(),
        parallel_tool_calls: beside("parallel_tool_calls").and_then(|flag| flag.as_bool()),
        model: span.row.model,
        turns: chat.turns,
    })
}

/// A message that the program has reported.
fn reported(message: &MessageRow) -> Option<Turn> {
    let (role, content) = (message.role.clone()?, message.content.as_ref()?);
    let said = Json::read(content.as_str());
    // Some report a provider's whole message as the content.
    let is_whole = said.raw("tool_calls").is_some() || said.raw("role").is_some();
    let whole = is_whole.then(|| {
        let member = |name: &str| Some((name.to_owned(), said.raw(name)?.to_owned()));
        let members = ["content", "parts", "tool_calls"];
        let members: Vec<String> = members
            .into_iter()
            .filter_map(member)
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        let role = Value::from(role.clone());
        let message = format!("{{\"role\":{role},{}}}", members.join(","));
        Chat::read(&message).and_then(|chat| chat.turns.into_iter().next())
    });
    let mut turn = match whole.flatten() {
        Some(turn) => turn,
        None => Turn {
            parts: Chat::content(content.as_str()),
            role,
            ..Turn::default()
        },
    };
    turn.answers = message.tool_call_id.clone().or(turn.answers);
    Some(turn)
}
