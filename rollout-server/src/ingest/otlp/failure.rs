//! Whether a span failed, and why.

use opentelemetry_proto::tonic::trace::v1::{Status, status::StatusCode};
use rollout_core::event::{ErrorInfo, limit};
use serde_json::Value;

use super::{
    attributes::Attributes,
    cut::cut,
    span_events::{Exception, SpanEvents},
};

/// How a span failed.
#[derive(Clone)]
pub(super) struct Failure {
    /// As far as it fits.
    pub(super) error: ErrorInfo,
    /// The message, where it is longer.
    pub(super) message: Option<String>,
    pub(super) stacktrace: Option<Value>,
}

/// Takes what says that a span failed: its status, or Langfuse's level. The last exception is why; an
/// exception alone was handled, and stays an event.
pub(super) fn take(
    status: Option<Status>,
    attributes: &mut Attributes,
    events: &mut SpanEvents,
) -> Option<Failure> {
    const LEVEL: &str = "langfuse.observation.level";
    const STATUS_MESSAGE: &str = "langfuse.observation.status_message";

    let status = status.unwrap_or_default();
    let level = attributes.text(LEVEL);
    let by_level = level.is_some_and(|level| level == "ERROR");
    if status.code != StatusCode::Error as i32 && !by_level {
        return None;
    }
    if by_level {
        attributes.take(LEVEL);
    }
    let Exception {
        kind,
        message,
        stacktrace,
        ..
    } = events.exceptions.pop().unwrap_or(Exception {
        at: 0,
        kind: None,
        message: None,
        stacktrace: None,
    });
    let described = Some(status.message).filter(|message| !message.is_empty());
    let message = message
        .or(described)
        .or_else(|| attributes.text(STATUS_MESSAGE));
    if attributes.text(STATUS_MESSAGE) == message {
        attributes.take(STATUS_MESSAGE);
    }
    let error_type = attributes.take_text(&["error.type"]);
    let preview = message
        .as_deref()
        .map(|message| cut(message, limit::ERROR_MESSAGE));
    Some(Failure {
        error: ErrorInfo {
            // Of several words for it, that of the program says more than a class of failures.
            kind: kind.or(error_type).map(|kind| cut(&kind, limit::TITLE)),
            message_preview: preview.clone(),
            ..ErrorInfo::default()
        },
        message: message.filter(|message| preview.as_ref() != Some(message)),
        stacktrace,
    })
}
