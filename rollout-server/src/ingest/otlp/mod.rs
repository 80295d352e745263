//! Spans of OpenTelemetry, as events of ours.
//!
//! A span becomes the event that ends it, which says all there is to say; where it is the root of its
//! trace, another one ends the trace. What is understood of its attributes, in the words of any of the
//! systems that name them, becomes fields; the rest stays attributes. W3C ids are ours as they are, so
//! that one trace may come in parts over this way and the other.

mod attributes;
mod content;
mod cut;
mod failure;
mod ids;
mod json;
mod kind;
mod messages;
mod model;
mod payload;
mod resource;
mod span;
mod span_events;
mod telling;
mod trace;
mod unflatten;
mod usage;
mod value;
mod weight;

use std::{fmt, sync::Arc};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::InstrumentationScope,
    trace::v1::Span,
};
use prost::Message as _;
use rollout_core::event::{Event, EventBatchError, limit};

use self::resource::{Resource, Source};
use super::{Encoding, Refusal, body::decode, validate};

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// In binary.
    Protobuf,
    /// As JSON.
    Json,
}

/// A span, who has recorded it, or why it is none.
type Sourced = (Arc<Source>, Result<Span, String>);

/// The spans of a request, as far as their events are not taken.
pub struct Spans {
    left: Box<dyn Iterator<Item = Sourced> + Send>,
    seen: u64,
    errors: Vec<EventBatchError>,
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans")
            .field("seen", &self.seen)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}

/// Reads a request's body. One bad span does not spoil the others.
pub fn receive_spans(body: &[u8], encoding: Encoding, format: Format) -> Result<Spans, Refusal> {
    let decoded = decode(body, encoding)?;
    let left: Box<dyn Iterator<Item = Sourced> + Send> = match format {
        Format::Protobuf => Box::new(protobuf(&decoded)?),
        Format::Json => Box::new(json(&decoded)?),
    };
    Ok(Spans {
        left,
        seen: 0,
        errors: Vec::new(),
    })
}

fn protobuf(body: &[u8]) -> Result<impl Iterator<Item = Sourced> + Send + use<>, Refusal> {
    if !weight::fits(body) {
        return Err(Refusal::TooLarge);
    }
    let request = ExportTraceServiceRequest::decode(body)
        .map_err(|error| Refusal::Spans(error.to_string()))?;
    let resources = request.resource_spans.into_iter();
    Ok(resources.flat_map(|of_resource| {
        let resource = Resource::from(of_resource.resource.unwrap_or_default());
        let scopes = of_resource.scope_spans.into_iter().map(|of_scope| {
            let spans = of_scope.spans.into_iter().map(Ok);
            (of_scope.scope.unwrap_or_default(), spans)
        });
        sourced(resource, scopes)
    }))
}

fn json(body: &[u8]) -> Result<impl Iterator<Item = Sourced> + Send + use<>, Refusal> {
    let resources = json::request(body).map_err(|error| {
        if error.is_data() {
            Refusal::Spans(error.to_string())
        } else {
            Refusal::Json(error.to_string())
        }
    })?;
    Ok(resources.into_iter().flat_map(|of_resource| {
        let scopes = of_resource.scopes.into_iter();
        let scopes = scopes.map(|of_scope| (of_scope.scope, of_scope.spans.into_iter()));
        sourced(Resource::from(of_resource.resource), scopes)
    }))
}

fn sourced<S: Iterator<Item = Result<Span, String>>>(
    resource: Resource,
    scopes: impl Iterator<Item = (InstrumentationScope, S)>,
) -> impl Iterator<Item = Sourced> {
    let resource = Arc::new(resource);
    scopes.flat_map(move |(scope, spans)| {
        let source = Arc::new(Source::of(&resource, scope));
        spans.map(move |span| (Arc::clone(&source), span))
    })
}

impl Spans {
    /// The events of the next spans, some [`limit::BATCH_EVENTS`]; none means that there are no more.
    pub fn next_events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < limit::BATCH_EVENTS {
            let Some((source, span)) = self.left.next() else {
                break;
            };
            let index = self.seen;
            self.seen += 1;
            match read(&source, span) {
                Ok(of_span) => events.extend(of_span),
                Err(fault) => self.errors.push(EventBatchError {
                    index,
                    code: fault.code.to_owned(),
                    message: fault.message,
                }),
            }
        }
        events
    }

    /// How many spans there were so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// What is wrong with those that have no events, in order; the index is the span's in its request.
    pub fn errors(&self) -> &[EventBatchError] {
        &self.errors
    }
}

fn read(source: &Source, span: Result<Span, String>) -> Result<Vec<Event>, validate::Fault> {
    let span = span.map_err(|message| validate::Fault {
        code: "invalid_span",
        message,
    })?;
    let events = telling::events(source, span)?;
    for event in &events {
        validate::check(event)?;
    }
    Ok(events)
}
