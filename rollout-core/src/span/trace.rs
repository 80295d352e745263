//! Traces that are opened by hand.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::Value;

use super::emit;
use super::handle::{SpanBuilder, SpanKind};
use super::opened::{self, Opened};
use super::outcome::Outcome;
use super::propagate::TracedFuture as _;
use super::record::{EndStatus, Field, PutField, RecordKind};
use super::start::{Start, put_entry, put_value};
use super::tool::ToolBuilder;
use super::update::{TraceUpdate, put_texts};
use crate::capture::{Words, to_json};
use crate::client::Client;
use crate::context::{self, AsParent, Context, Restore, SpanContext};
use crate::event::Message;
use crate::id::TraceId;
use crate::site::{CallSite, Place};

/// The type of a trace that is a span of one that began elsewhere.
const BRANCH_TYPE: &str = "span";

/// What a trace by hand is opened with.
#[derive(Debug)]
#[must_use = "a builder opens nothing: call `start`, `in_scope` or `in_scope_async`"]
pub struct TraceBuilder {
    client: Client,
    name: String,
    update: TraceUpdate,
    input: Option<Value>,
    attributes: Vec<(String, Value)>,
    parent: Option<SpanContext>,
    place: Place,
}

impl TraceBuilder {
    pub(crate) fn new(client: Client, name: String, place: Place) -> Self {
        Self {
            client,
            name,
            update: TraceUpdate::new(),
            input: None,
            attributes: Vec::new(),
            parent: None,
            place,
        }
    }

    /// The span that it goes on from, mostly one of another process: then it is no trace of its own but a span of that
    /// one's. Where there is none, it is a trace.
    pub fn parent(mut self, parent: impl AsParent) -> Self {
        self.parent = parent.as_parent();
        self
    }

    /// Whom it is for.
    pub fn user_id(mut self, id: impl Into<String>) -> Self {
        self.update = self.update.user_id(id);
        self
    }

    /// The session that it belongs to.
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.update = self.update.session_id(id);
        self
    }

    /// The conversation that it belongs to.
    pub fn conversation_id(mut self, id: impl Into<String>) -> Self {
        self.update = self.update.conversation_id(id);
        self
    }

    /// Its id in another system.
    pub fn external_trace_id(mut self, id: impl Into<String>) -> Self {
        self.update = self.update.external_trace_id(id);
        self
    }

    /// One tag.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.update = self.update.tag(tag);
        self
    }

    /// Several tags.
    pub fn tags<I>(mut self, tags: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        for tag in tags {
            self.update = self.update.tag(tag);
        }
        self
    }

    /// One entry of metadata.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.update = self.update.metadata(key, value);
        self
    }

    /// One attribute. A value that cannot be serialized leaves a marker in its place.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.attributes.push((key.into(), to_json(&value)));
        self
    }

    /// What goes in. A value that cannot be serialized leaves a marker in its place.
    pub fn input(mut self, input: impl Serialize) -> Self {
        self.input = Some(to_json(&input));
        self
    }

    /// Opens the trace, linked to the one that is current. It ends with [`Trace::end`], or when dropped. It does not
    /// become the current one.
    pub fn start(self) -> Trace {
        let outer = context::current();
        let name = self.name;
        let (client, parent) = (self.client.id(), self.parent);
        let site = CallSite::by_hand(Some(self.place));
        let fill = |start: &mut Start<'_>| {
            start.parent(parent.clone());
            if let Some(input) = &self.input {
                start.input(input);
            }
            start.text(Field::Name, &name);
            if parent.is_some() {
                start.text(Field::Type, BRANCH_TYPE);
            }
            for (key, value) in &self.attributes {
                start.attribute(key, value);
            }
            start.trace(&self.update);
        };
        let opened = match &parent {
            Some(parent) => emit::open_branch(client, site, RecordKind::SpanStart, parent, fill),
            None => emit::open_trace(client, site, outer, fill),
        };
        Trace {
            client: self.client,
            opened: opened.unwrap_or(Opened::nothing(outer)),
            name,
            owned: true,
            cancels: false,
            ended: AtomicBool::new(false),
            output: std::sync::Mutex::default(),
        }
    }

    /// Runs `body` inside the trace and ends it; an `Err` marks it failed.
    pub fn in_scope<R: Outcome>(self, body: impl FnOnce(&Trace) -> R) -> R {
        let trace = self.start();
        let value = trace.in_scope(|| body(&trace));
        trace.end_of(&value);
        value
    }

    /// Runs an async `body` inside the trace and ends it; an `Err` marks it failed, a drop before that `cancelled`.
    pub async fn in_scope_async<R: Outcome>(self, body: impl AsyncFnOnce(&Trace) -> R) -> R {
        let mut trace = self.start();
        trace.cancels = true;
        let restore = Restore::enter(trace.context());
        let future = body(&trace).in_current_span();
        drop(restore);
        let value = future.await;
        trace.end_of(&value);
        value
    }
}

/// How a trace ends, where [`Trace::end`] does not say enough.
#[derive(Debug, Clone, Default)]
pub struct TraceEnd {
    /// What came out.
    pub output: Option<Value>,
    /// A status of the program's own, in place of `ok` and `error`.
    pub status: Option<String>,
    /// Why it failed; marks the trace failed.
    pub error: Option<String>,
}

/// One run of an agent or workflow.
///
/// Dropping it ends it. What [`current_trace`](crate::current_trace) returns is only a view: its end is the business
/// of whoever opened it.
pub struct Trace {
    client: Client,
    opened: Opened,
    name: String,
    owned: bool,
    /// A drop before the end is a cancellation.
    cancels: bool,
    ended: AtomicBool,
    output: std::sync::Mutex<Option<Value>>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl Trace {
    /// The trace that this thread is in, as a view.
    pub(crate) fn current(client: Client, context: Context) -> Self {
        Self {
            client,
            opened: Opened::view(Context { span: 0, ..context }),
            name: String::new(),
            owned: false,
            cancels: false,
            ended: AtomicBool::new(false),
            output: std::sync::Mutex::default(),
        }
    }

    /// Its id; `None` where nothing is recorded.
    pub fn id(&self) -> Option<TraceId> {
        TraceId::from_u128(self.opened.context.trace).filter(|_| self.opened.is_sampled())
    }

    /// Where things of this trace belong, as other processes know it: its current span if that is one of its own, else
    /// itself. `None` where there is no trace, because nothing records.
    pub fn span_context(&self) -> Option<SpanContext> {
        SpanContext::of(self.context())
    }

    /// The text of its `traceparent`, for queues and the like; [`SpanContext`] reads it on the other side.
    ///
    /// A trace by itself is no span, and the header must name one. The lower half of its id stands for that: what is
    /// opened below is then at the top of the trace.
    pub fn traceparent(&self) -> Option<String> {
        Some(self.span_context()?.traceparent())
    }

    /// Where things of this trace belong: the current span if that is one of its own, else the top.
    fn context(&self) -> Context {
        let current = context::current();
        if current.trace == self.opened.context.trace {
            current
        } else {
            self.opened.context
        }
    }

    /// Runs `body` inside the trace, which goes on after it.
    pub fn in_scope<R>(&self, body: impl FnOnce() -> R) -> R {
        let _restore = Restore::enter(self.context());
        body()
    }

    /// A span of this trace: inside the current span if that is one of its own, else at the top.
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

    /// A model call of this trace.
    #[track_caller]
    pub fn llm(&self, name: impl Into<String>) -> SpanBuilder {
        self.span("llm").name(name)
    }

    /// A tool call of this trace.
    #[track_caller]
    pub fn tool(&self, name: impl Into<String>) -> ToolBuilder {
        ToolBuilder::new(self.client.clone(), self.context(), name.into())
            .place(Some(Location::caller()))
    }

    /// Records a message of the conversation.
    pub fn message(&self, message: Message) {
        self.moment(RecordKind::Message, |payload, settings| {
            put_message(payload, settings, &message);
        });
    }

    /// Records explicit feedback.
    pub fn feedback<T: Serialize + ?Sized>(&self, name: &str, value: &T) {
        self.named(RecordKind::Feedback, name, value);
    }

    /// Records a signal in the user's behaviour.
    pub fn signal<T: Serialize + ?Sized>(&self, name: &str, value: &T) {
        self.named(RecordKind::Signal, name, value);
    }

    fn named<T: Serialize + ?Sized>(&self, kind: RecordKind, name: &str, value: &T) {
        self.moment(kind, |payload, settings| {
            payload.put(Field::Name, name.as_bytes());
            put_value(
                payload,
                settings,
                Field::Value,
                Some(Field::ValueCut),
                value,
            );
        });
    }

    /// Says whom the trace is for, with traits such as a plan or a country.
    pub fn identify_user<T: Serialize + ?Sized>(&self, user_id: &str, traits: &T) {
        self.moment(RecordKind::Identity, |payload, settings| {
            payload.put(Field::UserId, user_id.as_bytes());
            put_value(payload, settings, Field::UserTraits, None, traits);
        });
    }

    /// Applies changes.
    pub fn update(&self, update: TraceUpdate) {
        self.moment(RecordKind::TraceUpdate, |payload, settings| {
            update.put(payload, settings);
        });
    }

    /// One entry of metadata.
    pub fn metadata<T: Serialize + ?Sized>(&self, key: &str, value: &T) {
        self.moment(RecordKind::TraceUpdate, |payload, settings| {
            put_entry(payload, settings, Field::Metadata, key, value);
        });
    }

    /// Records what comes out, sent with the end of the trace.
    pub fn record_output<T: Serialize + ?Sized>(&self, value: &T) {
        *self
            .output
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(to_json(value));
    }

    /// Ends the trace. Once is enough: a second end does nothing.
    pub fn end(&self) {
        self.end_with(TraceEnd::default());
    }

    /// Ends the trace with what is said here.
    pub fn end_with(&self, end: TraceEnd) {
        if let Some(output) = &end.output {
            self.record_output(output);
        }
        self.close(EndStatus::Ok, |taken| {
            if let Some(message) = &end.error {
                taken.error("error", message, None);
            }
            if let Some(status) = &end.status {
                taken.status(status);
            }
        });
    }

    fn end_of(&self, outcome: &impl Outcome) {
        self.close(EndStatus::Ok, |end| {
            if let Some(failure) = outcome.failure() {
                end.error(failure.type_name, &failure.message, None);
            }
        });
    }

    fn close(&self, status: EndStatus, finish: impl FnOnce(&mut super::End<'_>)) {
        if !self.owned || self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let output = self
            .output
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        let is_span = self.opened.context.span != 0;
        let kind = if is_span {
            RecordKind::SpanEnd
        } else {
            RecordKind::TraceEnd
        };
        emit::close(&self.opened, kind, status, |end| {
            let span_type = is_span.then(|| BRANCH_TYPE.to_owned());
            let names = [
                (Field::Name, &Some(self.name.clone())),
                (Field::Type, &span_type),
            ];
            put_texts(end.payload(), &names);
            if let Some(output) = &output {
                end.output(output);
            }
            finish(end);
        });
    }

    fn moment(&self, kind: RecordKind, fill: impl FnOnce(&mut Words, &crate::client::Settings)) {
        if self.opened.is_sampled() {
            let context = self.context();
            emit::moment(context, kind, fill);
        }
    }
}

/// The fields of a message.
pub(crate) fn put_message(
    payload: &mut Words,
    settings: &crate::client::Settings,
    message: &Message,
) {
    if let Some(role) = &message.role {
        payload.put(Field::Role, role.as_bytes());
    }
    if let Some(id) = &message.tool_call_id {
        payload.put(Field::ToolCallId, id.as_bytes());
    }
    if let Some(content) = &message.content {
        let cut = Some(Field::ContentCut);
        put_value(payload, settings, Field::Content, cut, content);
    }
    payload.put(Field::Internal, &[u8::from(message.is_internal)]);
}

impl Drop for Trace {
    fn drop(&mut self) {
        let otherwise = if self.cancels {
            EndStatus::Cancelled
        } else {
            EndStatus::Ok
        };
        let status = opened::status_of_drop(&self.opened, otherwise);
        self.close(status, |_| {});
    }
}
