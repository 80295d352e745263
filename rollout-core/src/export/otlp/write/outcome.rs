//! How a span ended.

use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::{Attributes, View, Words, langfuse};
use crate::export::otlp::facts::SpanFacts;

/// Whether it failed: what was cancelled did not.
fn failed(span: &SpanFacts) -> bool {
    span.outcome.failed && span.outcome.status.as_deref() != Some("cancelled")
}

/// What is said of a failure.
pub(super) fn message(span: &SpanFacts) -> Option<String> {
    let outcome = &span.outcome;
    outcome
        .message
        .as_ref()
        .or(outcome.error.message_preview.as_ref())
        .or(outcome.status.as_ref().filter(|status| *status != "error"))
        .cloned()
}

pub(super) fn write(view: &View<'_>, words: Words, to: &mut Attributes) {
    let span = view.span;
    if failed(span) {
        let kind = span.outcome.error.kind.as_deref();
        // The convention's word for what has none.
        to.text("error.type", kind.unwrap_or("_OTHER"));
    }
    if words == Words::Langfuse {
        langfuse::write_level(view, to);
    }
}

pub(super) fn status(span: &SpanFacts) -> Status {
    let code = match span.outcome.status.as_deref() {
        _ if failed(span) => StatusCode::Error,
        Some("cancelled") => StatusCode::Unset,
        _ => StatusCode::Ok,
    };
    Status {
        message: message(span)
            .filter(|_| code == StatusCode::Error)
            .unwrap_or_default(),
        code: code as i32,
    }
}

/// A failure as an event, with its causes.
pub(super) fn exception(span: &SpanFacts, at: u64) -> Option<Event> {
    if !failed(span) {
        return None;
    }
    let outcome = &span.outcome;
    let mut attributes = Attributes::default();
    attributes.text(
        "exception.type",
        outcome.error.kind.as_deref().unwrap_or("error"),
    );
    attributes.maybe("exception.message", message(span).as_ref());
    if !outcome.chain.is_empty() {
        let causes: Vec<String> = outcome
            .chain
            .iter()
            .map(|cause| format!("caused by: {cause}"))
            .collect();
        attributes.text("exception.stacktrace", causes.join("\n"));
    }
    Some(Event {
        time_unix_nano: at,
        name: "exception".to_owned(),
        attributes: attributes.into_list(),
        ..Event::default()
    })
}
