//! What is recorded through the client and at module level: all that is not opened by an annotated function.

use std::panic::Location;
use std::time::Duration;

use serde::Serialize;

use super::{Client, SHUTDOWN_TIMEOUT, client};
use crate::check::CheckResult;
use crate::context::{self, AttributesScope, Context, SAMPLED};
use crate::error::FlushError;
use crate::event::EventType;
use crate::id::TraceId;
use crate::span::record::{Field, PutField, RecordKind};
use crate::span::start::put_value;
use crate::span::{
    Span, SpanBuilder, SpanKind, SpanUpdate, ToolBuilder, Trace, TraceBuilder, TraceUpdate, moment,
};
use crate::stats::FlushReport;

/// A trace that is not at hand: it ended, or runs elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceRef {
    /// By its own id.
    Id(TraceId),
    /// By the caller's id for it.
    External(String),
}

impl From<TraceId> for TraceRef {
    fn from(id: TraceId) -> Self {
        Self::Id(id)
    }
}

impl Client {
    /// A trace by hand.
    #[track_caller]
    pub fn trace(&self, name: impl Into<String>) -> TraceBuilder {
        TraceBuilder::new(self.clone(), name.into(), Location::caller())
    }

    /// A span inside the current one, or in a trace of its own where there is none.
    #[track_caller]
    pub fn span(&self, span_type: impl Into<String>) -> SpanBuilder {
        SpanBuilder::new(
            self.clone(),
            context::current(),
            SpanKind::Span,
            span_type.into(),
        )
        .place(Some(Location::caller()))
    }

    /// A model call inside the current span, or in a trace of its own where there is none.
    #[track_caller]
    pub fn llm(&self, name: impl Into<String>) -> SpanBuilder {
        self.span("llm").name(name)
    }

    /// A tool call inside the current span, or in a trace of its own where there is none.
    #[track_caller]
    pub fn tool(&self, name: impl Into<String>) -> ToolBuilder {
        ToolBuilder::new(self.clone(), context::current(), name.into())
            .place(Some(Location::caller()))
    }

    /// Records explicit feedback on a trace that is not at hand. For one that is, see [`Trace::feedback`].
    pub fn feedback<T: Serialize + ?Sized>(
        &self,
        trace: impl Into<TraceRef>,
        name: &str,
        value: &T,
    ) {
        self.named(RecordKind::Feedback, &trace.into(), name, value);
    }

    /// Records a signal on a trace that is not at hand. For one that is, see [`Trace::signal`].
    pub fn signal<T: Serialize + ?Sized>(&self, trace: impl Into<TraceRef>, name: &str, value: &T) {
        self.named(RecordKind::Signal, &trace.into(), name, value);
    }

    fn named<T: Serialize + ?Sized>(
        &self,
        kind: RecordKind,
        trace: &TraceRef,
        name: &str,
        value: &T,
    ) {
        let mut target = Context {
            client: self.id(),
            flags: SAMPLED,
            ..Context::NONE
        };
        if let TraceRef::Id(id) = trace {
            if !self.samples(*id) {
                return;
            }
            target.trace = id.to_u128();
        }
        moment(target, kind, |payload, settings| {
            if let TraceRef::External(id) = trace {
                payload.put(Field::ExternalTraceId, id.as_bytes());
            }
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

    fn samples(&self, id: TraceId) -> bool {
        self.here()
            .running()
            .is_some_and(|shared| shared.settings.samples(id.to_u128()))
    }

    /// Says who a user is: on the current trace, else by itself.
    pub fn identify_user<T: Serialize + ?Sized>(&self, user_id: &str, traits: &T) {
        let current = self.context_here();
        moment(current, RecordKind::Identity, |payload, settings| {
            if current.trace == 0 {
                payload.put(Field::ExternalTraceId, format!("user:{user_id}").as_bytes());
            }
            payload.put(Field::UserId, user_id.as_bytes());
            put_value(payload, settings, Field::UserTraits, None, traits);
        });
    }

    /// Records an event that the rest of this interface does not cover, on the current trace.
    ///
    /// `fields` is a map or struct with members of the protocol's event: `name`, `status`, `attributes`, `raw`,
    /// `model`, `usage`, `outcome`, `error` and so on. Ids, the time, the sequence number and the context are filled
    /// in. What the protocol has no member for, or not of this type, becomes an attribute. Without a current trace,
    /// `fields` must name an `external_trace_id`: else the event belongs nowhere, and is dropped and counted.
    pub fn capture_event<T: Serialize + ?Sized>(&self, event_type: EventType, fields: &T) {
        moment(
            self.context_here(),
            RecordKind::Custom,
            |payload, settings| {
                payload.put(Field::EventType, event_type.as_str().as_bytes());
                put_value(payload, settings, Field::Members, None, fields);
            },
        );
    }

    fn context_here(&self) -> Context {
        let current = context::current();
        if current.trace != 0 {
            return Context {
                client: context::client_of(current),
                ..current
            };
        }
        Context {
            client: self.id(),
            flags: SAMPLED,
            ..Context::NONE
        }
    }
}

/// The trace that this thread or task is in, as a view of it.
pub fn current_trace() -> Option<Trace> {
    let current = context::current();
    if current.trace == 0 {
        return None;
    }
    Some(Trace::current(
        Client::find(context::client_of(current))?,
        current,
    ))
}

/// The span that this thread or task is in, as a view of it.
pub fn current_span() -> Option<Span> {
    let current = context::current();
    if current.span == 0 {
        return None;
    }
    Some(Span::current(
        Client::find(context::client_of(current))?,
        current,
    ))
}

/// Applies changes to the current span, if there is one.
pub fn update_current_span(update: SpanUpdate) {
    let current = context::current();
    if current.span != 0 {
        moment(current, RecordKind::SpanUpdate, |payload, settings| {
            update.put(payload, settings);
        });
    }
}

/// Applies changes to the current trace, if there is one.
pub fn update_current_trace(update: TraceUpdate) {
    let current = context::current();
    if current.trace != 0 {
        moment(current, RecordKind::TraceUpdate, |payload, settings| {
            update.put(payload, settings);
        });
    }
}

/// Records explicit feedback on the current trace, if there is one.
pub fn feedback<T: Serialize + ?Sized>(name: &str, value: &T) {
    if let Some(trace) = current_trace() {
        trace.feedback(name, value);
    }
}

/// Records a signal in the user's behaviour on the current trace, if there is one.
pub fn signal<T: Serialize + ?Sized>(name: &str, value: &T) {
    if let Some(trace) = current_trace() {
        trace.signal(name, value);
    }
}

/// Says who a user is: on the current trace, else by itself, through the global client.
pub fn identify_user<T: Serialize + ?Sized>(user_id: &str, traits: &T) {
    if let Some(client) = Client::find(context::client_of(context::current())) {
        client.identify_user(user_id, traits);
    }
}

/// A scope for what is done for one user; more can be said on it before it is entered.
pub fn user(user_id: impl Into<String>) -> AttributesScope {
    crate::attributes().user_id(user_id)
}

/// [`Client::capture_event`] of the current trace's client, else of the global one.
pub fn capture_event<T: Serialize + ?Sized>(event_type: EventType, fields: &T) {
    if let Some(client) = Client::find(context::client_of(context::current())) {
        client.capture_event(event_type, fields);
    }
}

/// [`Client::check`] of the global client.
pub async fn check() -> CheckResult {
    match client() {
        Some(client) => client.check().await,
        None => CheckResult::stopped(true),
    }
}

/// [`Client::blocking_check`] of the global client.
pub fn blocking_check() -> CheckResult {
    client().map_or_else(
        || CheckResult::stopped(true),
        |client| client.blocking_check(),
    )
}

/// [`Client::flush`] of the global client.
pub async fn flush() -> Result<FlushReport, FlushError> {
    client().ok_or(FlushError::Closed)?.flush().await
}

/// [`Client::blocking_flush`] of the global client.
pub fn blocking_flush(timeout: Duration) -> Result<FlushReport, FlushError> {
    client().ok_or(FlushError::Closed)?.blocking_flush(timeout)
}

/// [`Client::shutdown`] of the global client.
pub async fn shutdown() -> Result<FlushReport, FlushError> {
    client().ok_or(FlushError::Closed)?.shutdown().await
}

/// Ends the process with this code, as [`std::process::exit`] does, when what is recorded is delivered: that waits for
/// 5 s at most, and the rest is in the spool.
pub fn exit(code: i32) -> ! {
    if let Some(client) = client() {
        // What could not be delivered is in the spool.
        let _ = client.blocking_shutdown(SHUTDOWN_TIMEOUT);
    }
    std::process::exit(code)
}

/// [`Client::blocking_shutdown`] of the global client.
pub fn blocking_shutdown(timeout: Duration) -> Result<FlushReport, FlushError> {
    client()
        .ok_or(FlushError::Closed)?
        .blocking_shutdown(timeout)
}
