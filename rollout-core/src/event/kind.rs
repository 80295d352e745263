//! The twenty types of event.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! event_types {
    ($($variant:ident = $name:literal: $doc:literal,)*) => {
        /// What an event reports.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType {
            $(#[doc = $doc] $variant,)*
        }

        impl EventType {
            /// Every type there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The type's name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl FromStr for EventType {
            type Err = UnknownEventType;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(UnknownEventType(name.to_owned())),
                }
            }
        }
    };
}

event_types! {
    TraceStart = "trace.start": "A trace begins.",
    TraceEnd = "trace.end": "A trace ends.",
    SpanStart = "span.start": "A span begins.",
    SpanUpdate = "span.update": "Something more is known about a span that runs.",
    SpanEnd = "span.end": "A span ends.",
    Message = "message": "Something was said in the conversation.",
    LlmRequest = "llm.request": "A request to a model, reported by hand.",
    LlmResponse = "llm.response": "A model's answer, reported by hand.",
    LlmStreamStart = "llm.stream_start": "A model begins to stream.",
    LlmStreamChunk = "llm.stream_chunk": "One chunk of a stream.",
    LlmStreamEnd = "llm.stream_end": "A stream is over; carries its output.",
    ToolCall = "tool.call": "A tool is called.",
    ToolResult = "tool.result": "A tool has answered or failed.",
    Retrieval = "retrieval": "Documents were looked up, reported by hand.",
    EvalResult = "eval.result": "A score was given.",
    Error = "error": "Something failed, reported by hand.",
    Metric = "metric": "A number was measured.",
    Feedback = "feedback": "Someone judged the trace.",
    UserSignal = "user.signal": "A user did something that tells how the trace went.",
    IdentityUpdate = "identity.update": "It became known who the user is.",
}

/// The name is of no event type that the protocol has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEventType(String);

impl fmt::Display for UnknownEventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown event type `{}`; known are", self.0)?;
        for (index, known) in EventType::ALL.iter().enumerate() {
            write!(f, "{} {known}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownEventType {}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl de::Visitor<'_> for Name {
            type Value = EventType;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an event type")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<EventType, E> {
                name.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Name)
    }
}
