//! One span, read.

use jiff::Timestamp;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use rollout_core::event::{Agent, Model, Tool, limit};
use serde_json::{Map, Value, json};

use super::{
    attributes::Attributes,
    content::{self, Content},
    cut::cut,
    failure::{self, Failure},
    ids::{Ids, hex},
    kind, model,
    ours::Ours,
    resource::Source,
    span_events::{Evaluation, Exception, Said, SpanEvents, time},
    trace::TraceFacts,
    usage::{self, Used},
    value::{parsed, text},
};
use crate::{fold::CODE, ingest::validate::Fault, value::PROMPT};

/// The bits of a span's flags that tell whether its parent is of another process.
const HAS_IS_REMOTE: u32 = 1 << 8;
const IS_REMOTE: u32 = 1 << 9;

/// Events of one span that are read, and links: tracers send some hundred at most. How many more there are is said.
const MOST_PARTS: usize = 1000;

const FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
/// Where others say when the first piece of an answer came, as a time.
const FIRST_CHUNK_AT: &str = "langfuse.observation.completion_start_time";
/// What others call the source location, in the order of [`CODE`].
const THEIR_CODE: [&[&str]; 3] = [
    &["traceroot.git.source_file", "code.filepath"],
    &["traceroot.git.source_line", "code.lineno"],
    &["traceroot.git.source_function", "code.function"],
];
/// What was sent to a model, as JSON, in TraceRoot's words.
const THEIR_PROMPT: &str = "traceroot.llm.prompt";
/// Attributes of the span, each below one of these.
const MEMBERS: &[&str] = &["langfuse.observation.metadata."];
/// The same as one object.
const OBJECTS: &[&str] = &[
    "rollout.metadata",
    "langfuse.observation.metadata",
    "traceroot.span.metadata",
    "metadata",
];

/// A span whose fields are told apart.
pub(super) struct Read<'a> {
    pub(super) source: &'a Source,
    pub(super) ids: Ids,
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) duration_ms: Option<f64>,
    pub(super) model: Model,
    pub(super) tool: Tool,
    pub(super) agent: Agent,
    pub(super) used: Used,
    pub(super) content: Content,
    pub(super) failure: Option<Failure>,
    pub(super) ours: Ours,
    pub(super) messages: Vec<Said>,
    pub(super) exceptions: Vec<Exception>,
    pub(super) evaluations: Vec<Evaluation>,
    pub(super) trace: TraceFacts,
    /// It has no parent, or one in another process.
    pub(super) enters: bool,
    /// The caller's trace and span.
    pub(super) caller: Option<(String, String)>,
    pub(super) members: Map<String, Value>,
}

impl<'a> Read<'a> {
    /// Reads a span.
    pub(super) fn of(source: &'a Source, mut span: Span) -> Result<Self, Fault> {
        let ids = Ids::of(&span)?;
        let mut attributes = Attributes::of(span.attributes);
        attributes.add_all(Attributes::of(source.attributes.clone()));
        let more =
            |all: usize, said: u32| said.saturating_add(all.saturating_sub(MOST_PARTS) as u32);
        let dropped = [
            ("otel.dropped_attributes", span.dropped_attributes_count),
            (
                "otel.dropped_events",
                more(span.events.len(), span.dropped_events_count),
            ),
            (
                "otel.dropped_links",
                more(span.links.len(), span.dropped_links_count),
            ),
        ];
        span.events.truncate(MOST_PARTS);
        span.links.truncate(MOST_PARTS);
        let mut events = SpanEvents::read(span.events, &mut attributes);
        let ours = Ours::take(&mut attributes, ids.parent.is_none());
        let kind = kind::take(&mut attributes);
        let trace = TraceFacts::take(&mut attributes, ids.parent.is_none());
        let used = usage::take(&mut attributes, &kind);
        let model = model::take(&mut attributes);
        let content = content::take(&mut attributes, &kind, std::mem::take(&mut events.told));
        let failure = failure::take(span.status, &mut attributes, &mut events);
        let tool = tool(&mut attributes, &kind);
        let agent = agent(&mut attributes, &kind);
        let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        let name = ours
            .name
            .clone()
            .or_else(|| tool.name.clone())
            .or_else(|| agent.name.clone())
            .or_else(|| Some(span.name).filter(|name| !name.is_empty()));
        let mut read = Self {
            source,
            kind: cut(&kind, limit::WORD),
            name: name.map(|name| cut(&name, limit::NAME)),
            started_at: time(start),
            ended_at: time(end),
            duration_ms: (start != 0 && end != 0).then(|| end.saturating_sub(start) as f64 / 1e6),
            model: Model {
                provider: model.provider.map(|name| cut(&name, limit::LABEL)),
                model: model.model.map(|name| cut(&name, limit::TITLE)),
                ..model
            },
            tool,
            agent,
            used,
            content,
            failure,
            ours,
            messages: events.messages,
            exceptions: events.exceptions,
            evaluations: events.evaluations,
            trace,
            enters: ids.parent.is_none()
                || span.flags & (HAS_IS_REMOTE | IS_REMOTE) == HAS_IS_REMOTE | IS_REMOTE,
            caller: None,
            members: Map::new(),
            ids,
        };
        first_chunk(&mut attributes, start, events.first_chunk);
        let mut own = own_members(&mut attributes);
        if !events.others.is_empty() {
            attributes.add("otel.events", events.others.into());
        }
        if let Some(kind) = span_kind(span.kind) {
            attributes.add("otel.kind", kind.into());
        }
        if !span.trace_state.is_empty() {
            attributes.add("otel.trace_state", span.trace_state.into());
        }
        for (name, dropped) in dropped {
            if dropped > 0 {
                attributes.add(name, dropped.into());
            }
        }
        if read.enters
            && let Some(service) = &source.resource.service_name
        {
            attributes.add("service.name", service.clone().into());
        }
        let mut links: Vec<Value> = Vec::new();
        for link in span.links {
            let (trace, span) = (hex(&link.trace_id), hex(&link.span_id));
            if read.ids.parent.is_none() && read.caller.is_none() && trace != read.ids.trace {
                read.caller = Some((cut(&trace, limit::ID), cut(&span, limit::ID)));
            }
            links.push(json!({
                "trace_id": trace,
                "span_id": span,
                "attributes": Attributes::of(link.attributes).into_object(),
            }));
        }
        if !links.is_empty() {
            attributes.add("otel.links", links.into());
        }
        own.extend(attributes.into_object());
        read.members = own;
        Ok(read)
    }
}

fn span_kind(kind: i32) -> Option<&'static str> {
    match SpanKind::try_from(kind).ok()? {
        SpanKind::Server => Some("server"),
        SpanKind::Client => Some("client"),
        SpanKind::Producer => Some("producer"),
        SpanKind::Consumer => Some("consumer"),
        SpanKind::Internal | SpanKind::Unspecified => None,
    }
}

/// The tool that a span of its type calls.
fn tool(attributes: &mut Attributes, kind: &str) -> Tool {
    if kind != kind::TOOL {
        return Tool::default();
    }
    let mut take = |names: &[&str], most| attributes.take_text(names).map(|text| cut(&text, most));
    Tool {
        name: take(&["gen_ai.tool.name", "tool.name"], limit::TITLE),
        tool_call_id: take(&["gen_ai.tool.call.id", "tool.id"], limit::ID),
        ..Tool::default()
    }
}

/// The agent that a span of its type runs.
fn agent(attributes: &mut Attributes, kind: &str) -> Agent {
    if kind != kind::AGENT {
        return Agent::default();
    }
    let mut take = |names: &[&str], most| attributes.take_text(names).map(|text| cut(&text, most));
    Agent {
        name: take(
            &["gen_ai.agent.name", "agent_name", "agent.name"],
            limit::TITLE,
        ),
        id: take(&["gen_ai.agent.id"], limit::ID),
        version: take(&["gen_ai.agent.version"], limit::LABEL),
        ..Agent::default()
    }
}

/// What others keep below a name of their own, and the prompt and the source location by our names.
fn own_members(attributes: &mut Attributes) -> Map<String, Value> {
    let mut members = Map::new();
    for prefix in MEMBERS {
        members.extend(attributes.take_below(prefix));
    }
    for name in OBJECTS {
        members.extend(attributes.take_object(name).unwrap_or_default());
    }
    if let Some(prompt) = attributes.take(THEIR_PROMPT) {
        attributes.add(PROMPT, parsed(prompt));
    }
    for (ours, theirs) in CODE.iter().zip(THEIR_CODE) {
        let value = theirs.iter().find_map(|name| attributes.take(name));
        if let Some(value) = value.filter(|value| text(value).is_some()) {
            attributes.add(*ours, value);
        }
    }
    members
}

/// How long the first piece of an answer took, in seconds.
fn first_chunk(attributes: &mut Attributes, start: u64, told: Option<u64>) {
    let said = attributes
        .text(FIRST_CHUNK_AT)
        .and_then(|at| rollout_core::event::parse_time(&at).ok())
        .and_then(|at| u64::try_from(at.as_nanosecond()).ok());
    if said.is_some() {
        attributes.take(FIRST_CHUNK_AT);
    }
    if let Some(at) = told.or(said).filter(|at| start != 0 && *at >= start) {
        attributes.add(FIRST_CHUNK, json!((at - start) as f64 / 1e9));
    }
}
