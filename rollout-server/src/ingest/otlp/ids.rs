//! The ids of spans.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::trace::v1::Span;
use rollout_core::event::{Event, EventType};

use crate::ingest::validate::Fault;

/// The ids of a span, in hex.
pub(super) struct Ids {
    pub(super) trace: String,
    pub(super) span: String,
    pub(super) parent: Option<String>,
}

impl Ids {
    pub(super) fn of(span: &Span) -> Result<Self, Fault> {
        let id = |field: &str, bytes: &[u8], length: usize| {
            if bytes.len() == length && bytes.iter().any(|byte| *byte != 0) {
                return Ok(hex(bytes));
            }
            Err(Fault {
                code: "invalid_id",
                message: format!("`{field}` is not of {length} bytes, or all zero"),
            })
        };
        // Some write zeros for no parent.
        let has_parent = span.parent_span_id.iter().any(|byte| *byte != 0);
        Ok(Self {
            trace: id("trace_id", &span.trace_id, 16)?,
            span: id("span_id", &span.span_id, 8)?,
            parent: has_parent
                .then(|| id("parent_span_id", &span.parent_span_id, 8))
                .transpose()?,
        })
    }

    /// An event of the span. Its id is the same whenever the span is sent.
    pub(super) fn event(&self, event_type: EventType, which: &str) -> Event {
        let mut event = Event::new(
            format!("otlp_{}_{}_{which}", self.trace, self.span),
            event_type,
        );
        event.trace_id = Some(self.trace.clone());
        event.span_id = Some(self.span.clone());
        event
    }
}

/// Bytes as lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // A text takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
