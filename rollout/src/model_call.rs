//! Model calls that no integration sees, recorded by hand in one line.

use std::fmt::{Debug, Display};
use std::panic::Location;

use rollout_core::{Ending, SpanEnd, SpanUpdate, TracedFuture as _, Usage};
use serde::Serialize;
use serde_json::Value;

#[cfg(not(feature = "tracing"))]
pub(crate) use rollout_core::{Span as CallSpan, SpanBuilder as CallBuilder};

use crate::calls::ModelCalls;
use crate::failure::without_keys;
#[cfg(feature = "tracing")]
pub(crate) use crate::integrations::tracing::calls::{CallBuilder, CallSpan};
use crate::provider::{Json, anthropic_usage, gemini_usage, openai_usage};

/// A model call through a client library that no integration knows.
///
/// `provider` is whose model it is, as `openai`, `anthropic` or `gemini`; nothing happens before
/// [`record`](ModelCall::record).
///
/// ```
/// # async fn create(request: &serde_json::Value) -> Result<serde_json::Value, std::io::Error> {
/// #     Ok(serde_json::json!({ "role": "assistant", "content": [], "usage": { "input_tokens": 3, "output_tokens": 1 } }))
/// # }
/// # async fn run() -> Result<(), std::io::Error> {
/// let request = serde_json::json!({ "model": "claude-sonnet-4-5", "messages": [] });
/// let answer = rollout::llm("anthropic")
///     .model("claude-sonnet-4-5")
///     .record(&request, create(&request))
///     .await?;
/// # Ok(()) }
/// ```
#[track_caller]
pub fn llm(provider: impl Into<String>) -> ModelCall {
    ModelCall {
        provider: provider.into(),
        name: None,
        model: None,
        calls: ModelCalls::new(),
        place: Location::caller(),
    }
}

/// A model call about to be recorded: see [`llm`].
#[derive(Debug, Clone)]
#[must_use = "a model call is recorded by `record`"]
pub struct ModelCall {
    provider: String,
    name: Option<String>,
    model: Option<String>,
    calls: ModelCalls,
    place: &'static Location<'static>,
}

impl ModelCall {
    /// The model; else the request's own `model`, where it has one.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The span's name; else the provider's.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What is recorded, in place of all that there is: see [`ModelCalls`]. Its provider goes before the one of [`llm`].
    pub fn calls(mut self, calls: ModelCalls) -> Self {
        if let Some(provider) = &calls.provider {
            self.provider.clone_from(provider);
        }
        self.calls = calls;
        self
    }

    /// Runs the call inside an `llm` span and hands its result on untouched: the request is the input, the answer the
    /// output, and usage is read from the answer in the provider's words. An `Err` marks the span failed; dropped
    /// before it is done, the span ends as `cancelled`.
    pub async fn record<Q, T, E, F>(self, request: &Q, call: F) -> Result<T, E>
    where
        Q: Serialize + ?Sized,
        T: Serialize,
        E: Display,
        F: Future<Output = Result<T, E>>,
    {
        let name = self.name.as_deref().unwrap_or(&self.provider);
        let Some(builder) = builder(name, Some(self.place)) else {
            return call.await;
        };
        let mut builder = builder.provider(&self.provider);
        let request = self.calls.capture_input.then(|| value(request)).flatten();
        let named = request.as_ref().and_then(|request| request.text("model"));
        if let Some(model) = self.model.as_deref().or(named) {
            builder = builder.model(model);
        }
        if let Some(request) = &request {
            builder = builder.input(request);
        }
        for (key, value) in &self.calls.attributes {
            builder = builder.attribute(key, value);
        }
        let open = Open(Some(builder.start()));
        let Some(span) = open.0.as_ref() else {
            return call.await;
        };
        let result = {
            let future = span.in_scope(|| call.in_current_span());
            future.await
        };
        open.end(match &result {
            Ok(answer) => self.told(answer),
            Err(error) => SpanEnd {
                error: Some(without_keys(&error.to_string()).into_owned()),
                error_type: Some(std::any::type_name::<E>().to_owned()),
                ..SpanEnd::default()
            },
        });
        result
    }

    fn told<T: Serialize>(&self, answer: &T) -> SpanEnd {
        let answer = value(answer);
        let usage = answer.as_ref().map(|answer| self.usage(answer));
        SpanEnd {
            output: answer.filter(|_| self.calls.capture_output),
            usage: usage.filter(|usage| !usage.is_empty()),
            ..SpanEnd::default()
        }
    }

    /// In the words of the provider, or of whoever counts.
    fn usage(&self, answer: &Value) -> Usage {
        if answer.member("usageMetadata").is_some() {
            return gemini_usage(answer);
        }
        match self.provider.as_str() {
            "anthropic" => anthropic_usage(answer),
            "gemini" | "google" | "vertex_ai" => gemini_usage(answer),
            _ => openai_usage(answer),
        }
    }
}

/// Where a model call goes: under the current span or trace, else into a trace of its own. `place` is where in the
/// program it is made, if that is known.
pub(crate) fn builder(
    name: &str,
    place: Option<&'static Location<'static>>,
) -> Option<CallBuilder> {
    let new = || {
        let inside = || rollout_core::current_trace().map(|trace| trace.llm(name));
        rollout_core::current_span()
            .map(|span| span.llm(name))
            .or_else(inside)
            .or_else(|| Some(rollout_core::testing::client()?.llm(name)))
            .map(|builder| builder.place(place))
    };
    #[cfg(feature = "tracing")]
    return CallBuilder::here(new);
    #[cfg(not(feature = "tracing"))]
    new()
}

fn value<T: Serialize + ?Sized>(value: &T) -> Option<Value> {
    let value = std::panic::AssertUnwindSafe(value);
    std::panic::catch_unwind(|| serde_json::to_value(*value).ok())
        .ok()
        .flatten()
}

/// An open span, which is `cancelled` if nobody ends it.
struct Open(Option<CallSpan>);

impl Open {
    fn end(mut self, end: SpanEnd) {
        if let Some(span) = self.0.take() {
            span.end_with(end);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(span) = self.0.take() {
            if std::thread::panicking() {
                return;
            }
            span.end_later(Ending::Cancelled, 0, || {
                (SpanUpdate::new(), SpanEnd::default())
            });
        }
    }
}
