//! What goes over the wire and into the spool: the events of the ingest protocol, their
//! envelope, and the answer to it.
//!
//! These types know no other part of the runtime, so that a server can be built on them alone.
//! They check shapes (a field nobody knows, an event type nobody knows), not lengths: the
//! bounds of the protocol are the constants of [`limit`].

mod batch;
mod kind;
pub mod limit;
mod message;
mod number;
mod raw;
mod section;
mod time;
mod usage;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use batch::{Batch, EventBatchError, EventBatchResponse, SCHEMA_VERSION, Sdk};
pub use kind::{EventType, UnknownEventType};
pub use message::Message;
pub use raw::{RawJson, RawObject};
pub use section::{
    Agent, Context, ErrorInfo, Integration, Links, Model, Outcome, Tool, UsageCounts,
};
pub use time::parse_time;
pub use usage::{USAGE_ATTRIBUTE, Usage};

/// One thing that happened in a trace.
///
/// An unset field is absent in JSON, and so is a section of which nothing is set; both `null`
/// and absence are read as unset. A field that the protocol does not name is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Identifies the event for ever: a receiver keeps the first event of an id.
    pub event_id: String,
    /// What happened.
    pub event_type: EventType,
    /// Version of the event's own shape, [`SCHEMA_VERSION`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    /// The trace, by the id of who records it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The trace, by an id of the caller's own. One of the two ids is always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_trace_id: Option<String>,
    /// The span that the event is about, or happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// The span around that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<String>,
    /// `agent`, `llm`, `tool`, `task`, `retrieval`, `span` or any other word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_type: Option<String>,
    /// Number of the event as its sender counts, from 1. Not unique among senders.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::count"
    )]
    pub sequence: Option<u64>,
    /// When the event was made.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time")]
    pub occurred_at: Option<Timestamp>,
    /// When the span or trace began.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time")]
    pub started_at: Option<Timestamp>,
    /// When the span or trace ended.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time")]
    pub ended_at: Option<Timestamp>,
    /// Milliseconds by a monotonic clock, with fractions: more exact than the two times.
    #[serde(default, skip_serializing_if = "number::unset")]
    pub duration_ms: Option<f64>,
    /// Name of the span, trace, tool, metric or signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `ok`, `error`, or a word of the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Free data about the span or trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<RawObject>,
    /// The agent that runs.
    #[serde(default, skip_serializing_if = "Agent::is_empty")]
    pub agent: Agent,
    /// The model that is called.
    #[serde(default, skip_serializing_if = "Model::is_empty")]
    pub model: Model,
    /// The tool that is called.
    #[serde(default, skip_serializing_if = "Tool::is_empty")]
    pub tool: Tool,
    /// Tokens and cost.
    #[serde(default, skip_serializing_if = "UsageCounts::is_empty")]
    pub usage: UsageCounts,
    /// How it went.
    #[serde(default, skip_serializing_if = "Outcome::is_empty")]
    pub outcome: Outcome,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "ErrorInfo::is_empty")]
    pub error: ErrorInfo,
    /// On whose behalf it ran.
    #[serde(default, skip_serializing_if = "Context::is_empty")]
    pub context: Context,
    /// What was said.
    #[serde(default, skip_serializing_if = "Message::is_empty")]
    pub message: Message,
    /// The library that reports.
    #[serde(default, skip_serializing_if = "Integration::is_empty")]
    pub integration: Integration,
    /// Ids of other systems.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// The payloads: `input`, `output`, `arguments`, `result`, `chunk`, `stream_preview`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawObject>,
}

impl Event {
    /// An event of a type, with its id and nothing else set.
    ///
    /// It is complete once it names a trace by [`trace_id`](Self::trace_id) or
    /// [`external_trace_id`](Self::external_trace_id).
    pub fn new(event_id: impl Into<String>, event_type: EventType) -> Self {
        Self {
            event_id: event_id.into(),
            event_type,
            schema_version: Some(SCHEMA_VERSION.to_owned()),
            trace_id: None,
            external_trace_id: None,
            span_id: None,
            parent_span_id: None,
            span_type: None,
            sequence: None,
            occurred_at: None,
            started_at: None,
            ended_at: None,
            duration_ms: None,
            name: None,
            status: None,
            attributes: None,
            agent: Agent::default(),
            model: Model::default(),
            tool: Tool::default(),
            usage: UsageCounts::default(),
            outcome: Outcome::default(),
            error: ErrorInfo::default(),
            context: Context::default(),
            message: Message::default(),
            integration: Integration::default(),
            links: Links::default(),
            raw: None,
        }
    }
}
