//! OTLP as JSON: ids in hex, names in lowerCamelCase, whole numbers as numbers or texts, enumerations
//! by number. Fields that nobody knows are passed over, and `null` is what is not there.
//!
//! The types of protobuf could read themselves, but they refuse what other encoders leave out (an
//! empty list's items), and one bad span would spoil its request. Here each span is read when it is
//! its turn.

mod typed;

use std::ops::Range;

use opentelemetry_proto::tonic::{
    common::v1::InstrumentationScope,
    resource::v1::Resource,
    trace::v1::{self as proto, span as of_span},
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use self::typed::{Attributes, Whole};
use crate::ingest::lenient::end_of_text;

/// Objects in one request, at most: what is one takes up to a few hundred bytes, and may be two long.
const MOST_OBJECTS: usize = 1 << 20;

/// Whether a request fits into memory.
pub(super) fn fits(text: &[u8]) -> bool {
    let (mut at, mut objects) = (0, 0);
    while at < text.len() && objects <= MOST_OBJECTS {
        match text[at] {
            b'"' => at = end_of_text(text, at),
            byte => {
                objects += usize::from(byte == b'{');
                at += 1;
            }
        }
    }
    objects <= MOST_OBJECTS
}

/// The spans of a scope, and where each stands in the request.
pub(super) struct ScopeSpans {
    pub(super) scope: InstrumentationScope,
    pub(super) spans: Vec<Range<usize>>,
}

/// The spans of a resource.
pub(super) struct ResourceSpans {
    pub(super) resource: Resource,
    pub(super) scopes: Vec<ScopeSpans>,
}

/// Reads a request, but for its spans.
pub(super) fn request(text: &[u8]) -> Result<Vec<ResourceSpans>, serde_json::Error> {
    let request: Request<'_> = serde_json::from_slice(text)?;
    let place = |span: &RawValue| {
        let from = span.get().as_ptr() as usize - text.as_ptr() as usize;
        from..from + span.get().len()
    };
    let scope = |of_scope: OfScope<'_>| ScopeSpans {
        scope: InstrumentationScope {
            name: of_scope.scope.name,
            version: of_scope.scope.version,
            attributes: of_scope.scope.attributes.0,
            ..InstrumentationScope::default()
        },
        spans: of_scope.spans.into_iter().map(place).collect(),
    };
    let resources = request.resource_spans.into_iter();
    Ok(resources
        .map(|of_resource| ResourceSpans {
            resource: Resource {
                attributes: of_resource.resource.attributes.0,
                ..Resource::default()
            },
            scopes: of_resource.scope_spans.into_iter().map(scope).collect(),
        })
        .collect())
}

/// Reads a span; fails with words on what is none.
pub(super) fn span(text: &[u8]) -> Result<proto::Span, String> {
    serde_json::from_slice::<Span>(text)
        .map_err(|error| error.to_string())
        .and_then(proto::Span::try_from)
}

/// Reads what is there, and takes `null` for what is not.
fn given<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Declares how an object is read: every member may be missing, or `null`.
macro_rules! object {
    ($($(#[$meta:meta])* $name:ident { $($field:ident: $kind:ty,)* })*) => {
        $(
            #[derive(Default, Deserialize)]
            #[serde(default, rename_all = "camelCase")]
            $(#[$meta])*
            struct $name {
                $(#[serde(deserialize_with = "given")] $field: $kind,)*
            }
        )*
    };
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, deserialize_with = "given")]
    resource_spans: Vec<OfResource<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OfResource<'a> {
    #[serde(deserialize_with = "given")]
    resource: Described,
    #[serde(borrow, deserialize_with = "given")]
    scope_spans: Vec<OfScope<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OfScope<'a> {
    #[serde(deserialize_with = "given")]
    scope: Described,
    #[serde(borrow, deserialize_with = "given")]
    spans: Vec<&'a RawValue>,
}

object! {
    // A resource, or a scope.
    Described {
        name: String,
        version: String,
        attributes: Attributes,
    }
    #[expect(clippy::struct_field_names, reason = "the protocol's names")]
    Span {
        trace_id: String,
        span_id: String,
        parent_span_id: String,
        trace_state: String,
        flags: Whole<u32>,
        name: String,
        kind: Whole<i32>,
        start_time_unix_nano: Whole<u64>,
        end_time_unix_nano: Whole<u64>,
        attributes: Attributes,
        events: Vec<Event>,
        links: Vec<Link>,
        status: Status,
    }
    Event {
        time_unix_nano: Whole<u64>,
        name: String,
        attributes: Attributes,
    }
    Link {
        trace_id: String,
        span_id: String,
        trace_state: String,
        attributes: Attributes,
    }
    Status {
        message: String,
        code: Whole<i32>,
    }
}

impl TryFrom<Span> for proto::Span {
    type Error = String;

    fn try_from(span: Span) -> Result<Self, String> {
        Ok(Self {
            trace_id: id("traceId", &span.trace_id)?,
            span_id: id("spanId", &span.span_id)?,
            parent_span_id: id("parentSpanId", &span.parent_span_id)?,
            trace_state: span.trace_state,
            flags: span.flags.0,
            name: span.name,
            kind: span.kind.0,
            start_time_unix_nano: span.start_time_unix_nano.0,
            end_time_unix_nano: span.end_time_unix_nano.0,
            attributes: span.attributes.0,
            events: span
                .events
                .into_iter()
                .map(|event| of_span::Event {
                    time_unix_nano: event.time_unix_nano.0,
                    name: event.name,
                    attributes: event.attributes.0,
                    ..of_span::Event::default()
                })
                .collect(),
            links: span
                .links
                .into_iter()
                .map(|link| {
                    Ok(of_span::Link {
                        trace_id: id("links.traceId", &link.trace_id)?,
                        span_id: id("links.spanId", &link.span_id)?,
                        trace_state: link.trace_state,
                        attributes: link.attributes.0,
                        ..of_span::Link::default()
                    })
                })
                .collect::<Result<_, String>>()?,
            status: Some(proto::Status {
                message: span.status.message,
                code: span.status.code.0,
            }),
            ..Self::default()
        })
    }
}

/// The bytes of an id in hex, whatever their number.
fn id(field: &str, text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes();
    if digits.len() > 64 || !digits.len().is_multiple_of(2) {
        return Err(format!("`{field}` is not of whole bytes in hex"));
    }
    let byte = |pair: &[u8]| {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (high, low) = (digit(*pair.first()?)?, digit(*pair.get(1)?)?);
        u8::try_from(high << 4 | low).ok()
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    bytes.ok_or_else(|| format!("`{field}` is no hex"))
}
