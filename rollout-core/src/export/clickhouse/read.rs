//! What events say, as rows.
//!
//! An event is read by itself: nothing that is open is kept in memory, and what an event says twice, because it is sent
//! twice, folds into what it said once.

use std::collections::HashMap;

use serde_json::Value;

use super::days::{self, Days};
use super::rows::{
    Ended, EventRow, MessageRow, MetadataRow, Rows, Said, SpanRow, TagRow, TraceRow, last,
};
use crate::event::{Event, EventType, RawJson, RawObject, Usage};
use crate::export::told::{Payloads, Told};

/// The rows of a batch, while it is read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    days: &'a mut Days,
    writer: Option<&'a str>,
    rows: Rows,
    /// Where the row of a trace is, and that of a span.
    traces: HashMap<String, usize>,
    spans: HashMap<(usize, String), usize>,
}

/// An event, and what its attributes say.
struct Heard<'a> {
    event: &'a Event,
    told: Told,
    /// When it happened, in nanoseconds since 1970.
    at: i64,
    trace: &'a str,
}

impl<'a> Reader<'a> {
    /// Of events that a process of this name has recorded.
    pub(super) fn new(days: &'a mut Days, writer: Option<&'a str>) -> Self {
        Self {
            days,
            writer,
            rows: Rows::default(),
            traces: HashMap::new(),
            spans: HashMap::new(),
        }
    }

    pub(super) fn finish(self) -> Rows {
        self.rows
    }

    /// Reads an event; `text` is how it is written.
    pub(super) fn take(&mut self, event: &Event, text: &str) {
        use EventType as Is;

        let told = Told::of(event);
        let at = nanoseconds(told.at(event));
        let Some(trace) = event.trace_id.as_deref() else {
            return self.event(event, &told, at, ("", days::day(at)), text);
        };
        let heard = Heard {
            event,
            told,
            at,
            trace,
        };
        let index = self.trace(&heard);
        let day = self.rows.traces[index].day;
        match (event.event_type, event.span_id.as_deref()) {
            (Is::TraceStart | Is::TraceEnd, _) | (Is::SpanUpdate, None) => {
                self.trace_event(heard, index);
            }
            (
                Is::SpanStart
                | Is::SpanUpdate
                | Is::SpanEnd
                | Is::ToolCall
                | Is::ToolResult
                | Is::LlmStreamStart
                | Is::LlmStreamEnd,
                Some(span),
            ) => self.span_event(heard, index, span),
            (Is::Message, _) => {
                self.rows.traces[index]
                    .message_ids
                    .push(number(&event.event_id));
                self.message(heard, day);
            }
            (kind, _) => {
                if kind == Is::IdentityUpdate {
                    self.context(event, index);
                }
                self.annotate(&heard, index, "");
                self.event(event, &heard.told, at, (trace, day), text);
            }
        }
    }

    /// The row of an event's trace.
    fn trace(&mut self, heard: &Heard<'_>) -> usize {
        if let Some(index) = self.traces.get(heard.trace) {
            return *index;
        }
        let began = heard.event.started_at;
        let began = began.map(|at| nanoseconds(heard.told.exact(heard.event, at)));
        let index = self.rows.traces.len();
        self.rows.traces.push(TraceRow {
            day: self.days.of(heard.trace, began.unwrap_or(heard.at)),
            trace_id: heard.trace.to_owned(),
            ..TraceRow::default()
        });
        self.traces.insert(heard.trace.to_owned(), index);
        index
    }

    /// What the trace says of itself.
    fn trace_event(&mut self, mut heard: Heard<'_>, index: usize) {
        self.annotate(&heard, index, "");
        self.context(heard.event, index);
        let writer = self.writer.map(str::to_owned);
        let row = &mut self.rows.traces[index];
        let (event, told) = (heard.event, &mut heard.told);
        let is_update = event.event_type == EventType::SpanUpdate;
        let micros = |time| nanoseconds(told.exact(event, time)) / 1000;
        if let Some(began) = event.started_at.map(micros) {
            row.started_at = Some(row.started_at.map_or(began, |known| known.min(began)));
        }
        if event.event_type == EventType::TraceEnd {
            let ended = event.ended_at.map_or(heard.at / 1000, micros);
            row.ended_at = row.ended_at.max(Some(ended));
            last(&mut row.duration_ns, duration(event));
            last(&mut row.end_status, status(event));
        }
        if !is_update {
            last(&mut row.writer, writer);
        }
        last(&mut row.external_trace_id, event.external_trace_id.clone());
        last(&mut row.name, event.name.clone());
        last(&mut row.error_type, event.error.kind.clone());
        last(&mut row.error_message, error_message(event, told));
        last(&mut row.agent_name, event.agent.name.clone());
        last(&mut row.agent_version, event.agent.version.clone());
        last(&mut row.environment, event.agent.environment.clone());
        last(&mut row.deployment, event.agent.deployment.clone());
        last(&mut row.service_name, told.service_name.take());
        last(&mut row.release, told.release.take());
        last(&mut row.link_trace_id, told.link.0.take());
        last(&mut row.link_span_id, told.link.1.take());
        last(&mut row.run_id, event.links.run_id.clone());
        let text = |name: &str| told.rest.get(name)?.as_str().map(str::to_owned);
        let count = |name: &str| told.rest.get(name)?.as_u64();
        last(&mut row.phase, text("rollout.run.phase"));
        last(&mut row.datapoint_id, text("rollout.run.datapoint_id"));
        last(&mut row.step_number, count("rollout.run.step_number"));
        row.turns = row.turns.max(count("rollout.run.turns"));
        let payloads = Payloads::of(event);
        last(&mut row.input, payloads.input);
        last(&mut row.output, payloads.output);
        row.attributes_said.extend(said(event, told, heard.at));
    }

    /// On whose behalf the trace runs.
    fn context(&mut self, event: &Event, index: usize) {
        let (row, context) = (&mut self.rows.traces[index], &event.context);
        last(&mut row.user_id, context.user_id.clone());
        last(&mut row.account_id, context.account_id.clone());
        last(&mut row.session_id, context.session_id.clone());
        last(&mut row.conversation_id, context.conversation_id.clone());
        let traits = |traits: &Option<RawObject>| {
            let traits = traits.as_ref().filter(|traits| !traits.is_empty())?;
            Some(traits.as_str().to_owned())
        };
        last(&mut row.user_traits, traits(&context.user_traits));
        last(&mut row.account_traits, traits(&context.account_traits));
    }

    fn span_event(&mut self, mut heard: Heard<'_>, index: usize, id: &str) {
        use EventType as Is;

        self.annotate(&heard, index, id);
        let begins = matches!(heard.event.event_type, Is::SpanStart | Is::ToolCall);
        let ends = matches!(heard.event.event_type, Is::SpanEnd | Is::ToolResult);
        let (event, told) = (heard.event, &mut heard.told);
        if told.is_branch {
            // It is all that this process says of the trace.
            self.context(event, index);
        }
        let mut usage = Usage::from(event.usage.clone());
        let counted: Vec<_> = told.usage.drain(..).collect();
        for (name, number) in counted {
            usage.set_attribute(&name, number);
        }
        for (name, number) in &usage.extra {
            told.rest
                .insert(format!("usage.{name}"), Value::Number(number.clone()));
        }
        let writer = self.writer.map(str::to_owned);
        let at = self.span(index, id);
        let row = &mut self.rows.spans[at];
        row.sequence = match (row.sequence, event.sequence) {
            (Some(known), Some(said)) => Some(known.min(said)),
            (known, said) => known.or(said),
        };
        last(&mut row.writer, writer);
        let parent = event.parent_span_id.clone();
        let parent = parent.filter(|parent| parent != id);
        last(&mut row.parent_span_id, parent);
        let tool = matches!(event.event_type, Is::ToolCall | Is::ToolResult);
        let kind = event.span_type.clone();
        last(
            &mut row.kind,
            kind.or_else(|| tool.then(|| "tool".to_owned())),
        );
        let name = event.name.as_ref().or(event.tool.name.as_ref());
        last(&mut row.name, name.cloned());
        // Of the two that are the same but for the last digits, it is the start's own.
        let exact = |time| nanoseconds(told.exact(event, time));
        row.started_at = row.started_at.max(event.started_at.map(exact));
        if ends {
            let ended = event.ended_at.map_or(heard.at, exact);
            row.ended_at = row.ended_at.max(Some(ended));
            last(&mut row.duration_ns, duration(event));
            last(&mut row.end_status, status(event));
        }
        last(&mut row.error_type, event.error.kind.clone());
        last(&mut row.error_message, error_message(event, told));
        last(&mut row.tool_call_id, event.tool.tool_call_id.clone());
        last(&mut row.provider, event.model.provider.clone());
        last(&mut row.model, event.model.model.clone());
        row.take_usage(&usage);
        let payloads = Payloads::of(event);
        last(&mut row.input, payloads.input);
        last(&mut row.output, payloads.output);
        last(&mut row.stream_preview, payloads.preview);
        row.attributes_said.extend(said(event, told, heard.at));
        let trace = &mut self.rows.traces[index];
        if begins {
            trace.spans_begun.push(number(id));
        }
        if ends {
            trace.spans_ended.push(ended(event, id, &usage));
        }
    }

    /// The row of a span.
    fn span(&mut self, trace: usize, id: &str) -> usize {
        let key = (trace, id.to_owned());
        if let Some(index) = self.spans.get(&key) {
            return *index;
        }
        let index = self.rows.spans.len();
        self.rows.spans.push(SpanRow {
            day: self.rows.traces[trace].day,
            trace_id: self.rows.traces[trace].trace_id.clone(),
            span_id: id.to_owned(),
            ..SpanRow::default()
        });
        self.spans.insert(key, index);
        index
    }

    fn message(&mut self, mut heard: Heard<'_>, day: u16) {
        let (event, told) = (heard.event, &mut heard.told);
        let message = &event.message;
        let content = message.content.as_ref().map(RawJson::as_str);
        let index = |name: &str| told.rest.get(name).and_then(Value::as_u64);
        self.rows.messages.push(MessageRow {
            day,
            trace_id: heard.trace.to_owned(),
            at: heard.at,
            event_id: event.event_id.clone(),
            sequence: event.sequence,
            span_id: event.span_id.clone(),
            role: message.role.clone().unwrap_or_default(),
            content: content.unwrap_or("null").to_owned(),
            content_type: message.content_type.clone(),
            tool_call_id: message.tool_call_id.clone(),
            is_internal: message.is_internal,
            turn_index: index("rollout.turn_index"),
            intra_index: index("rollout.intra_index"),
            attributes: std::mem::take(&mut told.rest)
                .into_iter()
                .map(|(name, value)| (name, plain(value)))
                .collect(),
        });
    }

    fn event(&mut self, event: &Event, told: &Told, at: i64, of: (&str, u16), text: &str) {
        self.rows.events.push(EventRow {
            day: of.1,
            trace_id: of.0.to_owned(),
            at,
            event_id: event.event_id.clone(),
            external_trace_id: event.external_trace_id.clone(),
            span_id: event.span_id.clone(),
            kind: event.event_type.as_str(),
            name: event.name.clone(),
            value: told.rest.get("value").map(Value::to_string),
            score: event.outcome.eval_score,
            event: text.to_owned(),
        });
    }

    /// Tags and metadata, of the span that has this id or of the trace, and those of the trace that ride elsewhere.
    fn annotate(&mut self, heard: &Heard<'_>, index: usize, span: &str) {
        let told = &heard.told;
        let trace = &mut self.rows.traces[index];
        let tags = told.tags.iter().map(|tag| (tag, span));
        for (tag, span) in tags.chain(told.trace_tags.iter().map(|tag| (tag, ""))) {
            if !trace.tags.contains(tag) {
                trace.tags.push(tag.clone());
            }
            self.rows.tags.push(TagRow {
                day: trace.day,
                tag: tag.clone(),
                trace_id: heard.trace.to_owned(),
                span_id: span.to_owned(),
            });
        }
        let metadata = told.metadata.iter().map(|(key, value)| (key, value, span));
        let of_trace = told.trace_metadata.iter();
        let of_trace = of_trace.map(|(key, value)| (key, value, ""));
        for (key, value, span) in metadata.chain(of_trace) {
            self.rows.metadata.push(MetadataRow {
                day: trace.day,
                key: key.clone(),
                trace_id: heard.trace.to_owned(),
                span_id: span.to_owned(),
                value: value.to_string(),
                at: heard.at,
            });
        }
    }
}

/// The attributes of an event, and what its sections say that no column holds.
fn said(event: &Event, told: &mut Told, at: i64) -> Vec<Said> {
    let mut said: Vec<Said> = std::mem::take(&mut told.rest)
        .into_iter()
        .map(|(name, value)| (at, name, plain(value)))
        .collect();
    let mut add = |name: &str, value: Option<String>| {
        said.extend(value.map(|value| (at, name.to_owned(), value)));
    };
    let (model, outcome) = (&event.model, &event.outcome);
    add("model.version", model.model_version.clone());
    add("model.reasoning_mode", model.reasoning_mode.clone());
    add(
        "model.temperature",
        model.temperature.map(|t| t.to_string()),
    );
    add(
        "tool.retry_count",
        event.tool.retry_count.map(|count| count.to_string()),
    );
    add("outcome.business_outcome", outcome.business_outcome.clone());
    add("outcome.failure_reason", outcome.failure_reason.clone());
    add("error.signature", event.error.signature.clone());
    if !told.error_chain.is_empty() {
        add("error.chain", serde_json::to_string(&told.error_chain).ok());
    }
    add("vcs.repository.url.full", told.repository.take());
    add("vcs.ref.head.revision", told.commit.take());
    said
}

/// A text as it is, any other value as its JSON.
fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn nanoseconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

fn duration(event: &Event) -> Option<u64> {
    let milliseconds = event.duration_ms.filter(|duration| *duration >= 0.0)?;
    Some((milliseconds * 1e6).round() as u64)
}

fn status(event: &Event) -> Option<String> {
    event.status.clone().or(event.outcome.status.clone())
}

fn error_message(event: &Event, told: &mut Told) -> Option<String> {
    let whole = told.error_message.take();
    whole.or(event.error.message_preview.clone())
}

/// What a trace counts of a span. What an agent reports is the sum over the calls below it, so its usage is left out.
fn ended(event: &Event, id: &str, usage: &Usage) -> Ended {
    let failed = !event.error.is_empty() || event.outcome.success == Some(false);
    let usage = if event.span_type.as_deref() == Some("agent") {
        &Usage::default()
    } else {
        usage
    };
    (
        number(id),
        failed,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_creation_tokens,
        usage.reasoning_tokens,
        usage.total_tokens,
        usage.cost_usd,
    )
}

/// A number that stands for an id: what 16 hex digits say; of any other text a hash (FNV-1a) that is the same
/// everywhere.
fn number(id: &str) -> u64 {
    if id.len() == 16
        && let Ok(number) = u64::from_str_radix(id, 16)
    {
        return number;
    }
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
