//! Tool calls that are opened by hand.

use std::ops::Deref;
use std::panic::Location;

use serde::Serialize;

use super::handle::{Span, SpanBuilder, SpanKind};
use super::outcome::Outcome;
use crate::client::Client;
use crate::context::{AsParent, Context};

/// What a tool call by hand is opened with.
#[derive(Debug)]
#[must_use = "a builder opens nothing: call `start`, `in_scope` or `in_scope_async`"]
pub struct ToolBuilder(SpanBuilder);

impl ToolBuilder {
    pub(crate) fn new(client: Client, outer: Context, name: String) -> Self {
        let kind = SpanKind::Tool { tool_call_id: None };
        Self(SpanBuilder::new(client, outer, kind, "tool".into()).name(name))
    }

    /// As [`SpanBuilder::place`].
    #[doc(hidden)]
    pub fn place(self, place: Option<&'static Location<'static>>) -> Self {
        Self(self.0.place(place))
    }

    /// The id that the model gave the call.
    pub fn tool_call_id(self, id: impl Into<String>) -> Self {
        Self(self.0.tool_call_id(id.into()))
    }

    /// What the tool is called with. A value that cannot be serialized leaves a marker in its place.
    pub fn arguments(self, arguments: impl Serialize) -> Self {
        Self(self.0.input(arguments))
    }

    /// One attribute.
    pub fn attribute(self, key: impl Into<String>, value: impl Serialize) -> Self {
        Self(self.0.attribute(key, value))
    }

    /// One entry of metadata. A value that cannot be serialized leaves a marker in its place.
    pub fn metadata(self, key: impl Into<String>, value: impl Serialize) -> Self {
        Self(self.0.metadata(key, value))
    }

    /// One tag.
    pub fn tag(self, tag: impl Into<String>) -> Self {
        Self(self.0.tag(tag))
    }

    /// The span that it is below, mostly one of another process: see [`SpanBuilder::parent`].
    pub fn parent(self, parent: impl AsParent) -> Self {
        Self(self.0.parent(parent))
    }

    /// Records the call. Its result is recorded with [`Span::end`], or when dropped.
    pub fn start(self) -> ToolCall {
        ToolCall(self.0.start())
    }

    /// Runs `body` inside the call and ends it; an `Err` marks it failed.
    pub fn in_scope<R: Outcome>(self, body: impl FnOnce(&Span) -> R) -> R {
        self.0.in_scope(body)
    }

    /// Runs an async `body` inside the call and ends it; an `Err` marks it failed.
    pub async fn in_scope_async<R: Outcome>(self, body: impl AsyncFnOnce(&Span) -> R) -> R {
        self.0.in_scope_async(body).await
    }
}

/// A tool call that is under way: a [`Span`] whose output is the tool's result.
#[derive(Debug)]
pub struct ToolCall(Span);

impl Deref for ToolCall {
    type Target = Span;

    fn deref(&self) -> &Span {
        &self.0
    }
}
