//! Spans that are opened by hand.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::emit;
use super::opened::{self, Opened};
use super::outcome::Outcome;
use super::propagate::TracedFuture as _;
use super::record::{EndStatus, Field, PutField, RecordKind};
use super::start::{End, Start, put_entry, put_value};
use super::tool::ToolBuilder;
use super::update::{SpanUpdate, put_texts};
use crate::capture::{Words, to_json};
use crate::client::{Client, Settings};
use crate::context::{AsParent, Context, Restore, SpanContext};
use crate::event::Usage;
use crate::id::{SpanId, TraceId};
use crate::site::{CallSite, Place};

/// The text of a stream that is kept for its preview, in bytes: twice what is shown, so that a key that begins before
/// the preview does is seen whole by those who mask it.
const PREVIEW_BYTES: usize = 8 * 1024;

/// The text of a stream that is kept as its output, in bytes.
const STREAM_BYTES: usize = 64 * 1024;

/// The type of the root span of a rollout.
pub(crate) const ROLLOUT_TYPE: &str = "rollout";

/// What a span by hand is opened with. It belongs to the handle it was made from; nothing happens before
/// [`start`](SpanBuilder::start) or [`in_scope`](SpanBuilder::in_scope).
#[derive(Debug)]
#[must_use = "a builder opens nothing: call `start`, `in_scope` or `in_scope_async`"]
pub struct SpanBuilder {
    client: Client,
    outer: Context,
    kind: SpanKind,
    span_type: String,
    name: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    stream: bool,
    input: Option<Value>,
    attributes: Vec<(String, Value)>,
    metadata: Vec<(String, Value)>,
    tags: Vec<String>,
    parent: Option<SpanContext>,
    place: Option<Place>,
}

/// Which pair of events a span is told by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpanKind {
    Span,
    Tool { tool_call_id: Option<String> },
}

impl SpanBuilder {
    pub(crate) fn new(client: Client, outer: Context, kind: SpanKind, span_type: String) -> Self {
        Self {
            client,
            outer,
            kind,
            span_type,
            name: None,
            model: None,
            provider: None,
            stream: false,
            input: None,
            attributes: Vec::new(),
            metadata: Vec::new(),
            tags: Vec::new(),
            parent: None,
            place: None,
        }
    }

    /// Where in the program it is opened, for who opens spans in the name of somebody else.
    #[doc(hidden)]
    pub fn place(mut self, place: Option<&'static Location<'static>>) -> Self {
        self.place = place;
        self
    }

    /// The span that it is below, mostly one of another process: then it is a span of that one's trace. Where there is
    /// none, it opens where it would without this.
    pub fn parent(mut self, parent: impl AsParent) -> Self {
        self.parent = parent.as_parent();
        self
    }

    /// Its name; the span type where there is none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The model that it calls.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Whose model that is.
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Whether the model answers as a stream, whose chunks [`Span::record_chunk`] takes.
    pub fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    /// What goes in. A value that cannot be serialized leaves a marker in its place.
    pub fn input(mut self, input: impl Serialize) -> Self {
        self.input = Some(to_json(&input));
        self
    }

    /// One attribute.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.attributes.push((key.into(), to_json(&value)));
        self
    }

    /// One entry of metadata. A value that cannot be serialized leaves a marker in its place.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.metadata.push((key.into(), to_json(&value)));
        self
    }

    /// One tag.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    pub(crate) fn tool_call_id(mut self, id: String) -> Self {
        self.kind = SpanKind::Tool {
            tool_call_id: Some(id),
        };
        self
    }

    /// Opens the span. It ends with [`Span::end`], or when dropped. It does not become the current one.
    pub fn start(self) -> Span {
        let name = self.name.unwrap_or_else(|| self.span_type.clone());
        let names = Names {
            name,
            span_type: self.span_type,
            model: self.model,
            provider: self.provider,
            tool_call_id: match &self.kind {
                SpanKind::Tool { tool_call_id } => tool_call_id.clone(),
                SpanKind::Span => None,
            },
        };
        let (kind, end_kind) = match self.kind {
            SpanKind::Span => (RecordKind::SpanStart, RecordKind::SpanEnd),
            SpanKind::Tool { .. } => (RecordKind::ToolCall, RecordKind::ToolResult),
        };
        let parent = self.parent;
        let fill = |start: &mut Start<'_>| {
            start.parent(parent.clone());
            if let Some(input) = &self.input {
                start.input(input);
            }
            names.put(start.payload());
            for (key, value) in &self.attributes {
                start.attribute(key, value);
            }
            for (key, value) in &self.metadata {
                start.metadata(key, value);
            }
            for tag in &self.tags {
                start.tag(tag);
            }
        };
        let (client, site) = (self.client.id(), CallSite::by_hand(self.place));
        let opened = match &parent {
            Some(parent) => emit::open_branch(client, site, kind, parent, fill),
            None => emit::open_span(client, site, kind, self.outer, fill),
        };
        let span = Span {
            client: self.client,
            opened: opened.unwrap_or(Opened::nothing(self.outer)),
            names,
            end_kind: Some(end_kind),
            ended: AtomicBool::new(false),
            pending: Mutex::default(),
        };
        if self.stream {
            span.moment(RecordKind::StreamStart, |_, _| {});
            span.pending().stream = Some(Stream::default());
        }
        span
    }

    /// Runs `body` inside the span and ends it; an `Err` marks it failed.
    pub fn in_scope<R: Outcome>(self, body: impl FnOnce(&Span) -> R) -> R {
        let span = self.start();
        let value = span.in_scope(|| body(&span));
        span.end_of(&value);
        value
    }

    /// Runs an async `body` inside the span and ends it; an `Err` marks it failed, a drop before that `cancelled`.
    pub async fn in_scope_async<R: Outcome>(self, body: impl AsyncFnOnce(&Span) -> R) -> R {
        let mut span = self.start();
        span.pending().cancels = true;
        let context = span.context();
        let restore = Restore::enter(context);
        let future = body(&span).in_current_span();
        drop(restore);
        let value = future.await;
        span.end_of(&value);
        span.end_kind = None;
        value
    }
}

/// What every event of a span by hand repeats.
#[derive(Debug, Clone, Default)]
struct Names {
    name: String,
    span_type: String,
    model: Option<String>,
    provider: Option<String>,
    tool_call_id: Option<String>,
}

impl Names {
    fn put(&self, payload: &mut Words) {
        payload.put(Field::Name, self.name.as_bytes());
        payload.put(Field::Type, self.span_type.as_bytes());
        put_texts(
            payload,
            &[
                (Field::Model, &self.model),
                (Field::Provider, &self.provider),
                (Field::ToolCallId, &self.tool_call_id),
            ],
        );
    }
}

/// A typed unit of work inside a trace.
///
/// Dropping it ends it: ok, or as `panic` while unwinding. What [`current_span`](crate::current_span) returns is only
/// a view: its end is the business of whoever opened it.
pub struct Span {
    client: Client,
    opened: Opened,
    names: Names,
    /// `None`: a view, or ended.
    end_kind: Option<RecordKind>,
    ended: AtomicBool,
    pending: Mutex<Pending>,
}

/// What waits for the end.
#[derive(Debug, Default)]
struct Pending {
    output: Option<Value>,
    usage: Usage,
    stream: Option<Stream>,
    /// A drop before the end is a cancellation.
    cancels: bool,
}

#[derive(Debug, Default)]
struct Stream {
    chunks: u64,
    text: String,
    total: u64,
    preview: String,
}

/// How a span ends, where [`Span::end`] does not say enough.
#[derive(Debug, Clone, Default)]
pub struct SpanEnd {
    /// What came out.
    pub output: Option<Value>,
    /// Tokens and cost, merged into what was set before.
    pub usage: Option<Usage>,
    /// A status of the program's own, in place of `ok` and `error`.
    pub status: Option<String>,
    /// Why it failed; marks the span failed.
    pub error: Option<String>,
    /// What kind of failure that is, `error` where nothing is said.
    pub error_type: Option<String>,
    /// What that came from: the messages of its sources, from the nearest on.
    pub error_chain: Vec<String>,
}

impl SpanEnd {
    pub(super) fn put(&self, payload: &mut Words, settings: &Settings) {
        let mut end = End::new(payload, settings, EndStatus::Ok);
        if let Some(output) = &self.output {
            end.output(output);
        }
        if let Some(usage) = self.usage.as_ref().filter(|usage| !usage.is_empty()) {
            end.usage(usage);
        }
        if let Some(message) = &self.error {
            let type_name = self.error_type.as_deref().unwrap_or("error");
            end.failure(type_name, message, &self.error_chain);
        }
        if let Some(status) = &self.status {
            end.status(status);
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("trace_id", &self.trace_id())
            .field("span_id", &self.id())
            .finish_non_exhaustive()
    }
}

impl Span {
    /// The current span of this thread, as a view.
    pub(crate) fn current(client: Client, context: Context) -> Self {
        Self {
            client,
            opened: Opened::view(context),
            names: Names::default(),
            end_kind: None,
            ended: AtomicBool::new(false),
            pending: Mutex::default(),
        }
    }

    /// The root span of a rollout; where nothing could be opened in `outer`, nothing below it is recorded either.
    pub(crate) fn of_run(
        client: Client,
        opened: Option<Opened>,
        outer: Context,
        name: String,
    ) -> Self {
        let names = Names {
            name,
            span_type: ROLLOUT_TYPE.to_owned(),
            ..Names::default()
        };
        Self {
            client,
            opened: opened.unwrap_or(Opened::nothing(outer)),
            names,
            end_kind: Some(RecordKind::SpanEnd),
            ended: AtomicBool::new(false),
            pending: Mutex::default(),
        }
    }

    /// Its id; `None` where nothing is recorded.
    pub fn id(&self) -> Option<SpanId> {
        SpanId::from_u64(self.opened.context.span).filter(|_| self.opened.is_sampled())
    }

    /// The id of its trace; `None` where nothing is recorded.
    pub fn trace_id(&self) -> Option<TraceId> {
        TraceId::from_u128(self.opened.context.trace).filter(|_| self.opened.is_sampled())
    }

    /// Itself as other processes know it, to be written to what goes there; `None` where there is no trace, because
    /// nothing records. A span that is not recorded says so.
    pub fn span_context(&self) -> Option<SpanContext> {
        SpanContext::of(self.context())
    }

    /// The text of its `traceparent`, for queues and the like; [`SpanContext`] reads it on the other side.
    pub fn traceparent(&self) -> Option<String> {
        Some(self.span_context()?.traceparent())
    }

    /// Whether anything said of this span is recorded.
    pub fn is_recording(&self) -> bool {
        self.opened.is_sampled() && !self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn context(&self) -> Context {
        self.opened.context
    }

    pub(crate) fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Runs `body` with this span as the current one. The span goes on after it.
    pub fn in_scope<R>(&self, body: impl FnOnce() -> R) -> R {
        let _restore = Restore::enter(self.context());
        body()
    }

    /// A span inside this one.
    #[track_caller]
    pub fn span(&self, span_type: impl Into<String>) -> SpanBuilder {
        SpanBuilder::new(
            self.client.clone(),
            self.context(),
            SpanKind::Span,
            span_type.into(),
        )
        .place(Some(Location::caller()))
    }

    /// A model call inside this span.
    #[track_caller]
    pub fn llm(&self, name: impl Into<String>) -> SpanBuilder {
        self.span("llm").name(name)
    }

    /// A tool call inside this span.
    #[track_caller]
    pub fn tool(&self, name: impl Into<String>) -> ToolBuilder {
        ToolBuilder::new(self.client.clone(), self.context(), name.into())
            .place(Some(Location::caller()))
    }

    /// Records what goes in, in place of what was recorded before.
    pub fn record_input<T: Serialize + ?Sized>(&self, value: &T) {
        self.moment(RecordKind::SpanUpdate, |payload, settings| {
            if settings.capture_input {
                put_value(
                    payload,
                    settings,
                    Field::Input,
                    Some(Field::InputCut),
                    value,
                );
            }
        });
    }

    /// Records what comes out. It is sent with the end of the span, or at once where this is a view.
    pub fn record_output<T: Serialize + ?Sized>(&self, value: &T) {
        if self.end_kind.is_some() {
            self.pending().output = Some(to_json(value));
        } else {
            self.moment(RecordKind::SpanUpdate, |payload, settings| {
                if settings.capture_output {
                    put_value(
                        payload,
                        settings,
                        Field::Output,
                        Some(Field::OutputCut),
                        value,
                    );
                }
            });
        }
    }

    /// Records tokens and cost, merged field by field with what was set before.
    pub fn set_usage(&self, usage: Usage) {
        if self.end_kind.is_some() {
            self.pending().usage.merge(usage);
        } else {
            self.update(SpanUpdate::new().usage(usage));
        }
    }

    /// Adds a chunk of streamed text to the output and its rolling preview.
    pub fn record_chunk(&self, text: &str) {
        let mut pending = self.pending();
        let stream = pending.stream.get_or_insert_default();
        stream.chunks += 1;
        stream.total += text.len() as u64;
        let room = STREAM_BYTES.saturating_sub(stream.text.len());
        stream
            .text
            .push_str(&text[..text.floor_char_boundary(text.len().min(room))]);
        stream.preview.push_str(text);
        let over = stream.preview.len().saturating_sub(PREVIEW_BYTES);
        let over = stream.preview.ceil_char_boundary(over);
        stream.preview.drain(..over);
    }

    /// One attribute.
    pub fn attribute<T: Serialize + ?Sized>(&self, key: &str, value: &T) {
        self.moment(RecordKind::SpanUpdate, |payload, settings| {
            put_entry(payload, settings, Field::Attribute, key, value);
        });
    }

    /// Applies changes.
    pub fn update(&self, update: SpanUpdate) {
        self.moment(RecordKind::SpanUpdate, |payload, settings| {
            update.put(payload, settings);
        });
    }

    /// Ends the span. Once is enough: a second end does nothing.
    pub fn end(&self) {
        self.end_with(SpanEnd::default());
    }

    /// Ends the span with what is said here.
    pub fn end_with(&self, end: SpanEnd) {
        let SpanEnd {
            output,
            usage,
            status,
            error,
            error_type,
            error_chain,
        } = end;
        {
            let mut pending = self.pending();
            if output.is_some() {
                pending.output = output;
            }
            pending.usage.merge(usage.unwrap_or_default());
        }
        self.close(EndStatus::Ok, |end| {
            if let Some(message) = &error {
                let type_name = error_type.as_deref().unwrap_or("error");
                end.failure(type_name, message, &error_chain);
            }
            if let Some(status) = &status {
                end.status(status);
            }
        });
    }

    pub(crate) fn end_of(&self, outcome: &impl Outcome) {
        self.close(EndStatus::Ok, |end| {
            if let Some(failure) = outcome.failure() {
                end.error(failure.type_name, &failure.message, None);
            }
        });
    }

    pub(crate) fn close(&self, status: EndStatus, finish: impl FnOnce(&mut End<'_>)) {
        let Some((_, end_kind)) = self.take_end() else {
            return;
        };
        let mut pending = std::mem::take(&mut *self.pending());
        if let Some(stream) = &pending.stream {
            emit::moment(
                self.opened.context,
                RecordKind::StreamEnd,
                |payload, settings| {
                    self.names.put(payload);
                    payload.put(Field::ItemCount, &stream.chunks.to_le_bytes());
                    if settings.capture_output {
                        payload.put(Field::StreamPreview, stream.preview.as_bytes());
                        let output = pending.output.take();
                        let text = output.unwrap_or_else(|| Value::String(stream.text.clone()));
                        put_value(
                            payload,
                            settings,
                            Field::Output,
                            Some(Field::OutputCut),
                            &text,
                        );
                    }
                },
            );
        }
        emit::close(&self.opened, end_kind, status, |end| {
            self.names.put(end.payload());
            if let Some(output) = &pending.output {
                end.output(output);
            }
            if !pending.usage.is_empty() {
                end.usage(&pending.usage);
            }
            finish(end);
        });
    }

    pub(crate) fn moment(&self, kind: RecordKind, fill: impl FnOnce(&mut Words, &Settings)) {
        if self.opened.is_sampled() {
            emit::moment(self.opened.context, kind, |payload, settings| {
                if !self.names.span_type.is_empty() {
                    payload.put(Field::Name, self.names.name.as_bytes());
                    payload.put(Field::Type, self.names.span_type.as_bytes());
                }
                fill(payload, settings);
            });
        }
    }

    /// What there is to end, once.
    pub(super) fn take_end(&self) -> Option<(&Opened, RecordKind)> {
        let kind = self.end_kind?;
        (!self.ended.swap(true, Ordering::Relaxed)).then_some((&self.opened, kind))
    }

    pub(super) fn put_names(&self, payload: &mut Words) {
        self.names.put(payload);
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let otherwise = if self.pending().cancels {
            EndStatus::Cancelled
        } else {
            EndStatus::Ok
        };
        let status = opened::status_of_drop(&self.opened, otherwise);
        self.close(status, |_| {});
    }
}
