//! What one event says: about its trace, about a span, or on its own account.
//!
//! Reading an event needs nothing but the event, so the order of arrival cannot matter here. A
//! store lays the patches of all events over each other; see [`Patch::at`] for which wins.

mod attributes;
mod cost;
mod run;
mod span;
mod state;
pub(crate) mod tell;
mod trace;

use std::borrow::Cow;

use attributes::Attributes;
use jiff::Timestamp;
use rollout_core::event::{Agent, Context, Event, EventType, Links, RawObject, Usage};

pub(crate) use attributes::{
    BRANCH, CODE, DROPPED, ERROR_CHAIN, ERROR_MESSAGE, INTERRUPTED, LINK, METADATA, Member,
    NANOSECONDS, REPEATED, TRACE_METADATA, TRACE_TAGS, TRUNCATED, read,
};
pub(crate) use cost::{Cost, PricedCall};
use run::RunPatch;
pub(crate) use run::{INTRA_INDEX, RunState, Score, TURN_INDEX};
pub(crate) use span::{SpanState, Tally};
use state::TAGS;
pub(crate) use state::{LifeState, Members, Said};
pub(crate) use trace::TraceState;

/// What one event says.
pub(crate) struct Patch<'a> {
    /// When it was said, in nanoseconds since 1970. Of two patches that set the same thing, the
    /// later wins; of two at one time, the one that arrived later.
    pub(crate) at: i64,
    /// About the trace. Every event says at least that there is one.
    pub(crate) trace: TracePatch<'a>,
    /// About a span.
    pub(crate) span: Option<SpanPatch<'a>>,
    /// What a grader has said.
    pub(crate) score: Option<Score<'a>>,
    /// Whether the event is also kept as it is.
    pub(crate) keep: bool,
}

/// What is said about a trace.
#[derive(Default)]
pub(crate) struct TracePatch<'a> {
    pub(crate) speaker: Speaker,
    /// It is a run: more than feedback or an identity.
    pub(crate) runs: bool,
    /// It was started by an event of its own.
    pub(crate) begins: bool,
    /// It will never end.
    pub(crate) interrupted: bool,
    pub(crate) life: Life<'a>,
    pub(crate) input: Option<&'a str>,
    pub(crate) output: Option<&'a str>,
    pub(crate) attributes: Vec<Member<'a>>,
    pub(crate) tags: Vec<String>,
    pub(crate) context: Option<&'a Context>,
    pub(crate) agent: Option<&'a Agent>,
    pub(crate) ids: Option<&'a Links>,
    /// What it is a rollout of.
    pub(crate) run: Option<RunPatch<'a>>,
    /// The trace that called this one. Only the span, where the sender knows no more.
    pub(crate) link: (Option<Cow<'a, str>>, Option<Cow<'a, str>>),
}

/// How far what an event says of the trace may be believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The trace itself.
    Trace,
    /// Somebody who tells who the user is.
    Identity,
    /// A part that repeats what the trace knows of its user.
    Update,
    /// A part of the trace: fills what is unset.
    #[default]
    Part,
}

/// What is said about a span.
pub(crate) struct SpanPatch<'a> {
    /// Its id in the trace.
    pub(crate) node: &'a str,
    pub(crate) parent: Option<&'a str>,
    /// The topmost span of a process that goes on with a trace of another one.
    pub(crate) branch: bool,
    /// A tool that was given no id of its own but perhaps that of the span around it.
    pub(crate) borrowed: bool,
    /// It will never end.
    pub(crate) interrupted: bool,
    pub(crate) kind: Option<&'a str>,
    pub(crate) life: Life<'a>,
    pub(crate) tool_call_id: Option<&'a str>,
    pub(crate) provider: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    pub(crate) usage: Usage,
    pub(crate) input: Option<&'a str>,
    pub(crate) output: Option<&'a str>,
    /// What a stream has brought so far.
    pub(crate) preview: Option<&'a str>,
    pub(crate) attributes: Vec<Member<'a>>,
}

/// What traces and spans have in common: a name, a beginning, an end.
#[derive(Default)]
pub(crate) struct Life<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) started_at: Option<i64>,
    /// Set by the event that ends it, and only then.
    pub(crate) ended_at: Option<i64>,
    pub(crate) duration: Option<i64>,
    pub(crate) status: Option<&'a str>,
    pub(crate) error_kind: Option<&'a str>,
    pub(crate) error_message: Option<&'a str>,
}

/// Reads an event. `arrived` stands in for the time of one that has none.
pub(crate) fn fold(event: &Event, arrived: i64) -> Patch<'_> {
    use EventType as Is;

    let mut attributes = Attributes::of(event);
    let at = event
        .occurred_at
        .or(event.ended_at)
        .or(event.started_at)
        .map_or(arrived, |time| {
            nanoseconds(time).saturating_add(attributes.nanoseconds)
        });
    let about_trace = match event.event_type {
        Is::TraceStart | Is::TraceEnd => true,
        // What is said about no span is said about the trace.
        Is::SpanUpdate => event.span_id.is_none(),
        _ => false,
    };
    let span = if about_trace { None } else { node(event) }
        .map(|node| span(event, &node, at, &mut attributes));
    let keep = !about_trace && span.is_none();
    let said_aside = matches!(
        event.event_type,
        Is::Feedback | Is::UserSignal | Is::IdentityUpdate | Is::Metric
    );
    let mut trace = TracePatch {
        speaker: match event.event_type {
            _ if about_trace => Speaker::Trace,
            Is::IdentityUpdate => Speaker::Identity,
            Is::SpanUpdate => Speaker::Update,
            _ => Speaker::Part,
        },
        runs: !said_aside,
        begins: event.event_type == Is::TraceStart,
        context: (!event.context.is_empty()).then_some(&event.context),
        agent: (!event.agent.is_empty()).then_some(&event.agent),
        tags: std::mem::take(&mut attributes.tags),
        ..TracePatch::default()
    };
    if about_trace {
        let raw = Raw::of(event);
        trace.interrupted = attributes.interrupted;
        trace.life = life(event, at, attributes.nanoseconds);
        trace.input = raw.input;
        trace.output = raw.output;
        trace.ids = (!event.links.is_empty()).then_some(&event.links);
        trace.attributes = attributes.members;
        trace.attributes.retain(|(name, _)| name != TAGS);
        trace.attributes.append(&mut attributes.resource);
        trace.link = attributes.link;
        if trace.begins && trace.link == (None, None) {
            // A client that knows no links gives the inner trace the outer one's span.
            trace.link.1 = event.span_id.as_deref().map(Cow::Borrowed);
        }
    }
    trace.attributes.append(&mut attributes.trace_members);
    trace.run = attributes
        .run
        .filter(|run| about_trace || (keep && run.turn.is_some()));
    if let Some(run) = &mut trace.run {
        run.run_id = event.links.run_id.as_deref().filter(|_| about_trace);
    }
    Patch {
        at,
        trace,
        span,
        score: Score::of(event),
        keep,
    }
}

/// Which span an event is about.
struct Node<'a> {
    id: &'a str,
    parent: Option<&'a str>,
    borrowed: bool,
}

fn node(event: &Event) -> Option<Node<'_>> {
    use EventType as Is;

    let (span, parent) = (event.span_id.as_deref(), event.parent_span_id.as_deref());
    let node = |id| Node {
        id,
        parent,
        borrowed: false,
    };
    match event.event_type {
        Is::SpanStart | Is::SpanUpdate | Is::SpanEnd | Is::LlmStreamStart | Is::LlmStreamEnd => {
            span.map(node)
        }
        Is::ToolCall | Is::ToolResult => Some(match (event.tool.tool_call_id.as_deref(), span) {
            // A W3C span id is the call's own; any other is of the span around it.
            (Some(_), Some(own)) if is_w3c_span_id(own) => node(own),
            (Some(call), around) => Node {
                id: call,
                parent: around,
                borrowed: false,
            },
            (None, Some(id)) => Node {
                id,
                parent,
                borrowed: true,
            },
            (None, None) => node(&event.event_id),
        }),
        _ => None,
    }
}

fn is_w3c_span_id(id: &str) -> bool {
    id.len() == 16
        && id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn span<'a>(
    event: &'a Event,
    node: &Node<'a>,
    at: i64,
    attributes: &mut Attributes<'a>,
) -> SpanPatch<'a> {
    use EventType as Is;

    let raw = Raw::of(event);
    let kind = match event.event_type {
        Is::ToolCall | Is::ToolResult => Some("tool"),
        Is::LlmStreamStart | Is::LlmStreamEnd => event.span_type.as_deref().or(Some("llm")),
        _ => event.span_type.as_deref(),
    };
    let mut life = life(event, at, attributes.nanoseconds);
    life.name = life.name.or(event.tool.name.as_deref());
    SpanPatch {
        node: node.id,
        parent: node.parent,
        branch: attributes.branch,
        borrowed: node.borrowed,
        interrupted: attributes.interrupted,
        kind,
        life,
        tool_call_id: event.tool.tool_call_id.as_deref(),
        provider: event.model.provider.as_deref(),
        model: event.model.model.as_deref(),
        usage: std::mem::take(&mut attributes.usage),
        input: raw.input.or(raw.arguments),
        output: raw.output.or(raw.result),
        preview: raw.stream_preview,
        attributes: std::mem::take(&mut attributes.members),
    }
}

fn life(event: &Event, at: i64, nanoseconds_left_out: i64) -> Life<'_> {
    use EventType as Is;

    // The time of a start or an end is cut to microseconds like the event's own, if it is that.
    let exact = |time: Timestamp| {
        let left_out = if event.occurred_at == Some(time) {
            nanoseconds_left_out
        } else {
            0
        };
        nanoseconds(time).saturating_add(left_out)
    };
    let starts = matches!(
        event.event_type,
        Is::TraceStart | Is::SpanStart | Is::LlmStreamStart | Is::ToolCall
    );
    let ends = matches!(
        event.event_type,
        Is::TraceEnd | Is::SpanEnd | Is::ToolResult
    );
    let ended_at = ends.then(|| event.ended_at.map_or(at, exact));
    let duration = event
        .duration_ms
        .filter(|duration| ends && *duration >= 0.0)
        .map(|duration| (duration * 1e6).round() as i64);
    let started_at = event
        .started_at
        .map(exact)
        .or_else(|| Some(ended_at?.saturating_sub(duration?)))
        .or_else(|| starts.then_some(at));
    let failed = event.outcome.success == Some(false) || !event.error.is_empty();
    let status = event
        .status
        .as_deref()
        .or(event.outcome.status.as_deref())
        .or(event
            .tool
            .status
            .as_deref()
            .filter(|status| *status != "started"))
        .or_else(|| ends.then_some(if failed { "error" } else { "ok" }));
    Life {
        name: event.name.as_deref(),
        started_at,
        ended_at,
        duration: duration.or_else(|| Some(ended_at?.saturating_sub(started_at?).max(0))),
        status,
        error_kind: event.error.kind.as_deref(),
        error_message: event
            .error
            .message_preview
            .as_deref()
            .or(event.outcome.failure_reason.as_deref()),
    }
}

/// The payloads of an event, as JSON texts.
#[derive(Default)]
struct Raw<'a> {
    input: Option<&'a str>,
    output: Option<&'a str>,
    arguments: Option<&'a str>,
    result: Option<&'a str>,
    stream_preview: Option<&'a str>,
}

impl<'a> Raw<'a> {
    fn of(event: &'a Event) -> Self {
        let mut raw = Self::default();
        for (name, value) in event
            .raw
            .as_ref()
            .map(RawObject::members)
            .unwrap_or_default()
        {
            let field = match &*name {
                "input" => &mut raw.input,
                "output" => &mut raw.output,
                "arguments" => &mut raw.arguments,
                "result" => &mut raw.result,
                "stream_preview" => &mut raw.stream_preview,
                _ => continue,
            };
            *field = Some(value.get());
        }
        raw
    }
}

/// A time in nanoseconds since 1970. What does not fit (before 1678, after 2262) becomes the
/// nearest that does.
pub(crate) fn nanoseconds(time: Timestamp) -> i64 {
    let nanoseconds = time.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
}
