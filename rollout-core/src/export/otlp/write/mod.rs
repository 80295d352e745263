//! A span as OpenTelemetry has it, in the words of those who will read it.
//!
//! Everybody gets those of OpenTelemetry (`gen_ai`) and of OpenInference, side by side, and a backend's own words go
//! only where that backend is. What has parts is written as JSON text: readers drop it otherwise, or print the raw
//! object.

mod attributes;
mod gen_ai;
mod kind;
mod langfuse;
mod mlflow;
mod openinference;
mod outcome;
mod own;
mod resource;
mod traceroot;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use serde_json::{Map, Value};

use self::attributes::{Attributes, shown};
use self::kind::Kind;
pub(super) use self::resource::resource;
use super::conversation::{self, Asked, Part, Spoken};
use super::facts::{Root, SpanFacts, TraceFacts, merge_context, root_id, unite};
use crate::event::Context;
use crate::export::told::parsed_text;

/// The trace is recorded.
const SAMPLED: u32 = 1;
/// Whether the parent is of another process is known, and it is.
const HAS_IS_REMOTE: u32 = 1 << 8;
const IS_REMOTE: u32 = 1 << 9;

/// Whose words are written beside those that everybody gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// Our own, for our own server and whoever looks closely.
    Own,
    /// The same and MLflow's.
    MlFlow,
    Langfuse,
    TraceRoot,
}

/// The way from the root of a trace to a span.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Names, the span's own last.
    pub(super) names: Vec<String>,
    /// Ids, its parent's last.
    pub(super) ids: Vec<u64>,
}

/// A span about to be written, with what several readers are told.
struct View<'a> {
    span: &'a SpanFacts,
    trace: &'a TraceFacts,
    kind: Kind,
    operation: Option<&'a str>,
    /// It stands for its trace.
    is_root: bool,
    /// Whom it is for, as far as that is known.
    context: Context,
    tags: Vec<String>,
    asked: Asked,
    answered: Vec<Spoken>,
    /// Options of a model call, by their names.
    options: Map<String, Value>,
    /// What is said of the trace beside what has a place.
    metadata: Map<String, Value>,
    path: &'a Path,
}

impl<'a> View<'a> {
    fn of(trace_id: u128, span: &'a SpanFacts, trace: &'a TraceFacts, path: &'a Path) -> Self {
        let kind = Kind::of(span);
        let mut context = trace.context.clone();
        merge_context(&mut context, &span.context);
        let mut tags = trace.tags.clone();
        unite(&mut tags, span.tags.clone());
        let is_root = match trace.root {
            Root::Span(root) => root == span.id,
            Root::Itself => span.id == root_id(trace_id),
            Root::Unknown => span.parent.is_none(),
        };
        let (mut asked, mut answered) = (Asked::default(), Vec::new());
        if kind == Kind::Llm {
            if let Some(input) = &span.input {
                asked = conversation::asked(&parsed_text(input));
            }
            if let Some(output) = span.output.as_ref().or(span.preview.as_ref()) {
                answered = conversation::answered(&parsed_text(output));
            }
        } else if !span.notes.messages.is_empty() {
            (asked.messages, answered) = said_in(span);
        }
        let mut metadata = trace.metadata.clone();
        for (name, text) in [
            ("external_trace_id", &trace.external_id),
            ("account_id", &context.account_id),
            ("run_id", &trace.links.run_id),
            ("rollout_id", &trace.links.rollout_id),
            ("dataset_id", &trace.links.dataset_id),
            ("experiment_id", &trace.links.experiment_id),
            ("optimization_job_id", &trace.links.optimization_job_id),
        ] {
            if let Some(text) = text {
                metadata.insert(name.to_owned(), text.clone().into());
            }
        }
        for (name, traits) in [
            ("user_traits", &context.user_traits),
            ("account_traits", &context.account_traits),
        ] {
            if let Some(traits) = traits {
                metadata.insert(name.to_owned(), parsed_text(traits.as_str()));
            }
        }
        for (name, value) in &trace.attributes {
            if !name.starts_with("code.") && !name.starts_with("rollout.") {
                metadata.entry(name.clone()).or_insert(value.clone());
            }
        }
        Self {
            operation: kind.operation(span),
            options: gen_ai::options(span),
            span,
            trace,
            kind,
            is_root,
            context,
            tags,
            asked,
            answered,
            metadata,
            path,
        }
    }

    /// What the model was told and asked, with the system's words first.
    fn conversation(&self) -> Vec<Spoken> {
        let system = &self.asked.system;
        let system = (!system.is_empty()).then(|| Spoken {
            role: "system".to_owned(),
            parts: system.clone(),
        });
        system
            .into_iter()
            .chain(self.asked.messages.clone())
            .collect()
    }

    fn output(&self) -> Option<&String> {
        self.span.output.as_ref().or(self.span.preview.as_ref())
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.span.attributes.get(name).and_then(Value::as_f64)
    }
}

/// What was said while a span ran: what it was given, and its last words.
fn said_in(span: &SpanFacts) -> (Vec<Spoken>, Vec<Spoken>) {
    let spoken = |said: &super::facts::Said| {
        let mut parts = conversation::parts(&said.content);
        if said.role == "tool" {
            parts = vec![Part::Response {
                id: said.tool_call_id.clone(),
                response: said.content.clone(),
            }];
        }
        Spoken {
            role: said.role.clone(),
            parts,
        }
    };
    let mut given: Vec<Spoken> = span.notes.messages.iter().map(spoken).collect();
    let last = given
        .iter()
        .rposition(|said| said.role != "assistant")
        .map_or(0, |last| last + 1);
    let answered = given.split_off(last);
    (given, answered)
}

/// What a span is called: `chat MODEL`, `invoke_agent NAME`, `execute_tool NAME`; others by their name.
pub(super) fn name(span: &SpanFacts) -> String {
    let kind = Kind::of(span);
    let after = match kind {
        Kind::Llm | Kind::Embedding => span.model.model.as_deref(),
        Kind::Agent | Kind::Tool => Some(&*span.name).filter(|name| !name.is_empty()),
        _ => None,
    };
    match (kind.operation(span), after) {
        (Some(operation), Some(after)) => format!("{operation} {after}"),
        (Some(operation), None) if span.name.is_empty() => operation.to_owned(),
        _ if span.name.is_empty() => span.kind.clone(),
        _ => span.name.clone(),
    }
}

/// A span in the words of OpenTelemetry, OpenInference and one reader.
pub(super) fn span(
    words: Words,
    trace_id: u128,
    span: &SpanFacts,
    trace: &TraceFacts,
    path: &Path,
) -> Span {
    let view = View::of(trace_id, span, trace, path);
    let mut attributes = Attributes::default();
    gen_ai::write(&view, &mut attributes);
    openinference::write(&view, &mut attributes);
    match words {
        Words::Own => own::write(&view, &mut attributes),
        Words::MlFlow => {
            own::write(&view, &mut attributes);
            mlflow::write(&view, &mut attributes);
        }
        Words::Langfuse => langfuse::write(&view, &mut attributes),
        Words::TraceRoot => traceroot::write(&view, &mut attributes),
    }
    outcome::write(&view, words, &mut attributes);
    own::write_rest(&view, &mut attributes);
    let ended = span.ended.unwrap_or(span.last);
    // A span whose beginning nobody knows any more is one moment long.
    let started = span.started.unwrap_or(ended).min(ended);
    let mut events: Vec<Event> = span
        .notes
        .moments
        .iter()
        .map(|moment| {
            let mut attributes = Attributes::default();
            for (name, value) in &moment.attributes {
                attributes.value(name, value);
            }
            Event {
                time_unix_nano: moment.at,
                name: moment.name.clone(),
                attributes: attributes.into_list(),
                ..Event::default()
            }
        })
        .collect();
    if matches!(words, Words::Own | Words::MlFlow) {
        events.extend(span.notes.messages.iter().map(own::message));
    }
    events.extend(outcome::exception(span, ended));
    events.sort_by_key(|event| event.time_unix_nano);
    let link = trace.link.filter(|_| view.is_root);
    Span {
        trace_id: trace_id.to_be_bytes().into(),
        span_id: span.id.to_be_bytes().into(),
        parent_span_id: span
            .parent
            .map(|parent| parent.to_be_bytes().into())
            .unwrap_or_default(),
        flags: SAMPLED | HAS_IS_REMOTE | if span.is_branch { IS_REMOTE } else { 0 },
        name: name(span),
        kind: if view.kind.calls_model() {
            SpanKind::Client as i32
        } else {
            SpanKind::Internal as i32
        },
        start_time_unix_nano: started,
        end_time_unix_nano: ended,
        attributes: attributes.into_list(),
        events,
        links: link.map(to).into_iter().collect(),
        status: Some(outcome::status(span)),
        ..Span::default()
    }
}

/// To the span that called a trace, or, where that was none, to what stands for its trace.
fn to((trace, span): (u128, u64)) -> Link {
    let span = if span == 0 { root_id(trace) } else { span };
    Link {
        trace_id: trace.to_be_bytes().into(),
        span_id: span.to_be_bytes().into(),
        flags: SAMPLED | HAS_IS_REMOTE,
        ..Link::default()
    }
}
