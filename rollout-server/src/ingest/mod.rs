//! The one way in for events: from a request's body, of ours or of OpenTelemetry's, or a spool's
//! lines to checked events.

mod body;
mod lenient;
mod otlp;
mod validate;
mod watch;

use std::fmt;

use rollout_core::event::{Batch, Event, EventBatchError};
use serde_json::value::RawValue;

pub use body::{Encoding, MAX_BODY};
pub use otlp::{Format, Spans, receive_spans};
pub use watch::{Watch, sync_once};

/// The events of a batch, and what is wrong with the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The good events, in the order in which they came.
    pub events: Vec<Event>,
    /// The bad ones.
    pub errors: Vec<EventBatchError>,
    /// Who has sent them, as the envelope says: `sdk_rust`, `sdk_python`, ….
    pub source: String,
}

/// Why a whole batch was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The body is longer than [`MAX_BODY`], as it came or decoded.
    TooLarge,
    /// The body has more parts than are read.
    TooHeavy,
    /// The body is not in the encoding that its header names.
    Encoding(String),
    /// The body is no JSON.
    Json(String),
    /// The body is JSON, but no batch.
    Envelope(String),
    /// The body is no request of OpenTelemetry's for traces.
    Spans(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(
                f,
                "the body is longer than {} MiB, as sent or decompressed: send smaller batches",
                MAX_BODY >> 20
            ),
            Self::TooHeavy => f.write_str(
                "the body has too many parts, which would take too much memory: send smaller batches",
            ),
            Self::Encoding(detail) => write!(f, "the body cannot be decompressed: {detail}"),
            Self::Json(detail) => write!(f, "the body is no JSON: {detail}"),
            Self::Envelope(detail) => write!(f, "the body is no batch of events: {detail}"),
            Self::Spans(detail) => write!(f, "the body is no request with spans: {detail}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Reads a request's body. One bad event does not spoil the others.
pub fn receive(body: &[u8], encoding: Encoding) -> Result<Received, Refusal> {
    let decoded = body::decode(body, encoding)?;
    let json = std::str::from_utf8(&decoded).map_err(|error| Refusal::Json(error.to_string()))?;
    let batch = match envelope(json) {
        // Only what is no JSON is looked at more closely.
        Err(Refusal::Json(detail)) => match lenient::numbers(json) {
            Some(json) => return check(&envelope(&json)?),
            None => return Err(Refusal::Json(detail)),
        },
        batch => batch?,
    };
    check(&batch)
}

fn envelope(json: &str) -> Result<Batch<&RawValue>, Refusal> {
    serde_json::from_str(json).map_err(|error| {
        if error.is_data() {
            Refusal::Envelope(error.to_string())
        } else {
            Refusal::Json(error.to_string())
        }
    })
}

fn check(batch: &Batch<&RawValue>) -> Result<Received, Refusal> {
    validate::envelope(batch).map_err(Refusal::Envelope)?;
    let mut received = Received {
        events: Vec::with_capacity(batch.events.len()),
        errors: Vec::new(),
        source: batch.source.clone(),
    };
    for (index, raw) in batch.events.iter().enumerate() {
        match validate::event(raw.get()) {
            Ok(event) => received.events.push(event),
            Err(fault) => received.errors.push(EventBatchError {
                index: index as u64,
                code: fault.code.to_owned(),
                message: fault.message,
            }),
        }
    }
    Ok(received)
}

/// Reads one line of a spool.
pub(crate) fn line(line: &[u8]) -> Result<Event, String> {
    let json = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    validate::event(json).map_err(|fault| fault.message)
}
