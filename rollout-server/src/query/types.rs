//! The shapes of the query API, as JSON writes them.
//!
//! Times are RFC 3339 in UTC with up to nine digits of a second; durations are milliseconds.
//! What is not known is `null` or, in lists and objects, empty.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rollout_core::event::{RawJson, Usage};
use serde::{Deserialize, Serialize};

use super::{RolloutFacts, ScoreRow};
use crate::fold::{DROPPED, read};

/// One page of the list of traces.
///
/// Where a filter asks for text, it may hold fewer traces than it could, or none, and still not be the last: a store reads
/// so many traces for one page at most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TracePage {
    /// The traces.
    pub traces: Vec<TraceSummary>,
    /// Asks for the page after this one; absent on the last.
    pub next_cursor: Option<String>,
}

/// A trace as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceSummary {
    /// Its id; where only an id of the caller's is known, that one.
    pub trace_id: String,
    /// The caller's own id.
    pub external_trace_id: Option<String>,
    /// The name of the agent or workflow.
    pub name: Option<String>,
    /// `running`, `ok`, `error`, `cancelled`, `interrupted`, or a word of the program's; of a rollout that has ended,
    /// `COMPLETED`, `TRUNCATED`, `GRADER_ERROR` or another of its ten statuses.
    pub status: String,
    /// When it began; of a trace whose start is unknown, when its first event happened.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long it took; of a running one, `null`.
    pub duration_ms: Option<f64>,
    /// Its spans, tool calls included.
    pub span_count: u64,
    /// Those that failed.
    pub error_count: u64,
    /// The sum over its model calls. It has a cost only where all of that was reported.
    pub usage: Usage,
    /// The sum of what they cost, in US dollars, as far as that is known.
    pub cost_usd: Option<f64>,
    /// Where that is known from.
    pub cost_source: Option<CostSource>,
    /// Model calls that report no cost and have no price: where there are some, it cost more.
    pub unpriced_calls: u64,
    /// The agent, as its program's configuration names it.
    pub agent_name: Option<String>,
    /// On whose behalf it ran.
    pub user_id: Option<String>,
    /// The session it belongs to.
    pub session_id: Option<String>,
    /// The conversation it belongs to.
    pub conversation_id: Option<String>,
    /// Its tags, in the order in which they were set.
    pub tags: Vec<String>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// What it was given, in one line of at most [`PREVIEW_CHARS`] characters, as
    /// [`preview`](crate::value::preview) makes it.
    pub input_preview: Option<String>,
    /// What it returned, in the same way.
    pub output_preview: Option<String>,
    /// What it is a rollout of, if it is one.
    pub rollout: Option<RolloutFacts>,
    /// The last score of each grader.
    pub scores: Vec<ScoreRow>,
    /// Where the filter's text stands in it; only where a filter asks for text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// Where it is known from what something cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CostSource {
    /// The program or the provider has reported it.
    Reported,
    /// It is worked out of tokens and a table of prices.
    Priced,
    /// A sum of both.
    Mixed,
}

impl CostSource {
    /// That of a cost, if it is known, of calls of which some reported theirs, and some were priced.
    pub(crate) fn of_calls(is_known: bool, reported: bool, priced: bool) -> Option<Self> {
        is_known.then_some(match (reported, priced) {
            (_, false) => Self::Reported,
            (false, true) => Self::Priced,
            (true, true) => Self::Mixed,
        })
    }
}

/// Where a text stands in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The span; none where it is the trace itself.
    pub span_id: Option<String>,
    /// The part: `name`, `input`, `output`, `error` or `message`.
    pub part: String,
    /// Some words around it, in one line.
    pub text: String,
    /// Where it stands in them: from which character to before which.
    pub marks: Vec<(u32, u32)>,
}

/// How long the previews of lists are at most.
pub const PREVIEW_CHARS: usize = 200;

/// Why a trace or span failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's type, or `panic`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What it says.
    pub message: Option<String>,
    /// What its causes say, the nearest first.
    #[serde(default)]
    pub chain: Vec<String>,
}

/// A trace with all that belongs to it as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceDetail {
    /// The row of the list.
    #[serde(flatten)]
    pub summary: TraceSummary,
    /// What it was given.
    pub input: Option<RawJson>,
    /// What it returned.
    pub output: Option<RawJson>,
    /// Its attributes.
    pub metadata: BTreeMap<String, RawJson>,
    /// Where and for whom it ran.
    pub context: TraceContext,
    /// The conversation, in order.
    pub messages: Vec<MessageRow>,
    /// How people judged it.
    pub feedback: Vec<FeedbackRow>,
    /// What users did that tells how it went.
    pub signals: Vec<FeedbackRow>,
    /// Traces that called it, or that it called.
    pub links: Vec<TraceLink>,
    /// Metrics, scores, errors and whatever else was reported outside of its spans.
    pub events: Vec<EventRow>,
}

impl TraceDetail {
    /// How many of its events were lost before they got here, by reason, as far as anybody has said so.
    pub fn dropped(&self) -> impl Iterator<Item = (&str, u64)> {
        self.metadata.iter().filter_map(|(name, count)| {
            let reason = name.strip_prefix(DROPPED)?.strip_prefix('.')?;
            Some((reason, read(count.as_str())?))
        })
    }
}

/// Where and for whom a trace ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TraceContext {
    /// What is known about the user, an object.
    pub user_traits: Option<RawJson>,
    /// The user's account.
    pub account_id: Option<String>,
    /// What is known about the account, an object.
    pub account_traits: Option<RawJson>,
    /// The agent as configured: its id, name, version, deployment, environment, ….
    pub agent: BTreeMap<String, String>,
    /// Ids of other systems: `run_id`, `rollout_id`, `dataset_id`, ….
    pub ids: BTreeMap<String, String>,
}

/// One message of a trace's conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageRow {
    /// When it was said.
    pub at: Timestamp,
    /// The span in which it was said.
    pub span_id: Option<String>,
    /// An id of the caller's.
    pub id: Option<String>,
    /// Who speaks.
    pub role: Option<String>,
    /// What is said.
    pub content: Option<RawJson>,
    /// What kind of content it is.
    pub content_type: Option<String>,
    /// The tool call that it answers.
    pub tool_call_id: Option<String>,
    /// Its number in the conversation, where the caller counts.
    pub index: Option<u64>,
    /// Whether the user never sees it.
    pub is_internal: bool,
    /// In a rollout: the turn that it belongs to, from 0.
    pub turn_index: Option<u64>,
    /// In a rollout: its place in the turn, from 0.
    pub intra_index: Option<u64>,
    /// What else is said of the message.
    pub attributes: BTreeMap<String, RawJson>,
}

/// A piece of feedback, or a signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedbackRow {
    /// When it was given.
    pub at: Timestamp,
    /// The span that was current.
    pub span_id: Option<String>,
    /// What is judged, or what happened.
    pub name: Option<String>,
    /// The judgement.
    pub value: Option<RawJson>,
    /// Everything said beside it.
    pub attributes: BTreeMap<String, RawJson>,
}

/// A trace that another one called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLink {
    /// `caller` or `callee`, as seen from the trace that is shown.
    pub relation: String,
    /// The other trace.
    pub trace_id: String,
    /// The span that made the call, in the caller's trace.
    pub span_id: Option<String>,
    /// The other trace's name, where it is in the store.
    pub name: Option<String>,
}

/// An event that is shown as such.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// When it happened.
    pub at: Timestamp,
    /// Its type on the wire: `metric`, `eval.result`, `llm.stream_chunk`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: Option<String>,
    /// Its status.
    pub status: Option<String>,
    /// Everything else that it carries: the event's own sections, as on the wire.
    pub data: BTreeMap<String, RawJson>,
}

/// A part of a trace's spans.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpanPage {
    /// How many spans the trace has.
    pub total: u64,
    /// The spans asked for, in tree order: parents before children, siblings by their start.
    pub spans: Vec<SpanRow>,
}

/// A span as trees show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanRow {
    /// Its id, unique in the trace; of a tool call without one, the tool call's.
    pub span_id: String,
    /// The span around it; none on top, and where that span is not in the trace.
    pub parent_span_id: Option<String>,
    /// How many spans are around it.
    pub depth: u32,
    /// `agent`, `llm`, `tool`, `task`, `retrieval`, `span` or any other word.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: Option<String>,
    /// `running`, `ok`, `error`, `cancelled`, `interrupted`, or a word of the program's.
    pub status: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// How long it took; of a running one, `null`.
    pub duration_ms: Option<f64>,
    /// The model that was called.
    pub model: Option<String>,
    /// Who serves it.
    pub provider: Option<String>,
    /// What the call used.
    pub usage: Usage,
    /// What it cost, in US dollars: as reported, else by the table of prices.
    pub cost_usd: Option<f64>,
    /// Where that is known from.
    pub cost_source: Option<CostSource>,
    /// Why it failed.
    pub error: Option<Failure>,
}

/// A span with its payloads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanDetail {
    /// The row of the tree.
    #[serde(flatten)]
    pub row: SpanRow,
    /// The trace it belongs to.
    pub trace_id: String,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Pairs the call of a tool with the model's request for it.
    pub tool_call_id: Option<String>,
    /// What it was given.
    pub input: Option<RawJson>,
    /// What it returned; of a stream that runs, what has come so far.
    pub output: Option<RawJson>,
    /// Its attributes.
    pub attributes: BTreeMap<String, RawJson>,
    /// Where the function is defined.
    pub code: Option<CodeLocation>,
    /// What was cut to fit a bound: its name, and the bytes there were.
    pub truncated: BTreeMap<String, u64>,
    /// Messages, metrics, chunks and whatever else was reported inside of it.
    pub events: Vec<EventRow>,
}

/// Where a function is defined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeLocation {
    /// The file, as the compiler was given it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The path of the function.
    pub function: Option<String>,
}
