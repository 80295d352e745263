//! What happened within a span, told by its events.

use jiff::Timestamp;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde_json::{Map, Value, json};

use super::{
    attributes::Attributes,
    content::Told,
    messages::{Side, of_event},
};

/// An exception that was recorded.
pub(super) struct Exception {
    pub(super) at: u64,
    pub(super) kind: Option<String>,
    pub(super) message: Option<String>,
    pub(super) stacktrace: Option<Value>,
}

/// A score that was given.
pub(super) struct Evaluation {
    pub(super) at: u64,
    pub(super) attributes: Attributes,
}

/// A message of the conversation, as our own exporter sends one.
pub(super) struct Said {
    pub(super) at: u64,
    pub(super) attributes: Attributes,
}

/// The events of a span, by what they tell.
#[derive(Default)]
pub(super) struct SpanEvents {
    pub(super) told: Told,
    pub(super) exceptions: Vec<Exception>,
    pub(super) evaluations: Vec<Evaluation>,
    pub(super) messages: Vec<Said>,
    /// When the first of a stream came, in nanoseconds since 1970.
    pub(super) first_chunk: Option<u64>,
    /// All others, as they are.
    pub(super) others: Vec<Value>,
}

impl SpanEvents {
    /// Reads events. One that tells of the call itself adds to the span's attributes.
    pub(super) fn read(events: Vec<Event>, attributes: &mut Attributes) -> Self {
        let mut read = Self::default();
        for event in events {
            read.take(event, attributes);
        }
        read
    }

    fn take(&mut self, event: Event, of_span: &mut Attributes) {
        let mut attributes = Attributes::of(event.attributes);
        let at = event.time_unix_nano;
        match &*event.name {
            "exception" => self.exceptions.push(Exception {
                at,
                kind: attributes.take_text(&["exception.type"]),
                message: attributes.take_text(&["exception.message"]),
                stacktrace: attributes.take("exception.stacktrace"),
            }),
            "gen_ai.evaluation.result" => self.evaluations.push(Evaluation { at, attributes }),
            "rollout.message" => self.messages.push(Said { at, attributes }),
            "gen_ai.client.inference.operation.details" => of_span.add_all(attributes),
            "First Token Stream Event" => self.first_chunk = Some(at),
            name => match of_event(name, &mut attributes) {
                Some((Side::Given, said)) => self.told.given.extend(said),
                Some((Side::Answered, said)) => self.told.answered.extend(said),
                None => self.others.push(other(at, &event.name, attributes)),
            },
        }
    }
}

fn other(at: u64, name: &str, attributes: Attributes) -> Value {
    let mut said = Map::new();
    said.insert("name".to_owned(), name.into());
    if let Some(at) = time(at) {
        said.insert("time".to_owned(), json!(at.to_string()));
    }
    let attributes = attributes.into_object();
    if !attributes.is_empty() {
        said.insert("attributes".to_owned(), attributes.into());
    }
    said.into()
}

/// A point in time; zero is none.
pub(super) fn time(unix_nano: u64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(unix_nano.into())
        .ok()
        .filter(|_| unix_nano != 0)
}
