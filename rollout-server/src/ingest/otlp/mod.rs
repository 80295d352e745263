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
mod ours;
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

use std::{collections::BTreeMap, fmt, sync::Arc};

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

/// Rejected spans of which it is said what is wrong with them.
const EXPLAINED: usize = 3;

/// The spans of a request, as far as their events are not taken.
pub struct Spans {
    left: Box<dyn Iterator<Item = Sourced> + Send>,
    seen: u64,
    rejected: BTreeMap<&'static str, u64>,
    explained: Vec<EventBatchError>,
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans")
            .field("seen", &self.seen)
            .field("rejected", &self.rejected)
            .finish_non_exhaustive()
    }
}

/// Reads a request's body. One bad span does not spoil the others.
pub fn receive_spans(body: &[u8], encoding: Encoding, format: Format) -> Result<Spans, Refusal> {
    let decoded = decode(body, encoding)?;
    let left: Box<dyn Iterator<Item = Sourced> + Send> = match format {
        Format::Protobuf => Box::new(protobuf(&decoded)?),
        Format::Json => Box::new(json(decoded.into_owned())?),
    };
    Ok(Spans {
        left,
        seen: 0,
        rejected: BTreeMap::new(),
        explained: Vec::new(),
    })
}

fn protobuf(body: &[u8]) -> Result<impl Iterator<Item = Sourced> + Send + use<>, Refusal> {
    if !weight::fits(body) {
        return Err(Refusal::TooHeavy);
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

fn json(body: Vec<u8>) -> Result<impl Iterator<Item = Sourced> + Send + use<>, Refusal> {
    if !json::fits(&body) {
        return Err(Refusal::TooHeavy);
    }
    let resources = json::request(&body).map_err(|error| {
        if error.is_data() {
            Refusal::Spans(error.to_string())
        } else {
            Refusal::Json(error.to_string())
        }
    })?;
    let body = Arc::new(body);
    Ok(resources.into_iter().flat_map(move |of_resource| {
        let body = Arc::clone(&body);
        let scopes = of_resource.scopes.into_iter().map(move |of_scope| {
            let body = Arc::clone(&body);
            let spans = of_scope.spans.into_iter();
            let spans = spans.map(move |place| json::span(body.get(place).unwrap_or_default()));
            (of_scope.scope, spans)
        });
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
                Err(fault) => {
                    *self.rejected.entry(fault.code).or_default() += 1;
                    if self.explained.len() < EXPLAINED {
                        self.explained.push(EventBatchError {
                            index,
                            code: fault.code.to_owned(),
                            message: fault.message,
                        });
                    }
                }
            }
        }
        events
    }

    /// How many spans there were so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How many of these have no events, by what is wrong with them.
    pub fn rejected(&self) -> &BTreeMap<&'static str, u64> {
        &self.rejected
    }

    /// What is wrong with the first of them, in order; the index is the span's in its request.
    pub fn explained(&self) -> &[EventBatchError] {
        &self.explained
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
