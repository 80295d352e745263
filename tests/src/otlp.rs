//! Requests of OTLP, made by hand out of the official types.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use serde_json::Value;

/// The trace that spans are of unless they say otherwise.
pub const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// When spans start, in nanoseconds since 1970: 2026-01-02T03:04:05.000000006Z.
pub const START: u64 = 1_767_323_045_000_000_006;

/// The span id that a number stands for.
pub fn id(number: u64) -> String {
    format!("{number:016x}")
}

/// An attribute for each member of an object.
pub fn attributes(object: &Value) -> Vec<KeyValue> {
    let members = object.as_object().expect("an object");
    members
        .iter()
        .map(|(key, value)| KeyValue {
            key: key.clone(),
            value: Some(any(value)),
            ..KeyValue::default()
        })
        .collect()
}

fn any(value: &Value) -> AnyValue {
    let value = match value {
        Value::Null => None,
        Value::Bool(truth) => Some(Any::BoolValue(*truth)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(whole) => Any::IntValue(whole),
            None => Any::DoubleValue(number.as_f64().expect("a float")),
        }),
        Value::String(text) => Some(Any::StringValue(text.clone())),
        Value::Array(list) => Some(Any::ArrayValue(ArrayValue {
            values: list.iter().map(any).collect(),
        })),
        Value::Object(_) => Some(Any::KvlistValue(KeyValueList {
            values: attributes(value),
        })),
    };
    AnyValue { value }
}

/// A span that took a millisecond: its number, that of its parent (zero for none), its name and attributes.
pub fn span(number: u64, parent: u64, name: &str, said: &Value) -> Span {
    Span {
        trace_id: bytes(TRACE),
        span_id: number.to_be_bytes().into(),
        parent_span_id: if parent == 0 {
            Vec::new()
        } else {
            parent.to_be_bytes().into()
        },
        name: name.to_owned(),
        kind: 1,
        start_time_unix_nano: START + number,
        end_time_unix_nano: START + number + 1_000_000,
        attributes: attributes(said),
        ..Span::default()
    }
}

/// An event of a span, half a millisecond after [`START`].
pub fn event(name: &str, said: &Value) -> Event {
    Event {
        time_unix_nano: START + 500_000,
        name: name.to_owned(),
        attributes: attributes(said),
        ..Event::default()
    }
}

/// A link to a span of another trace.
pub fn link(trace_id: &str, span_id: &str) -> Link {
    Link {
        trace_id: bytes(trace_id),
        span_id: bytes(span_id),
        ..Link::default()
    }
}

/// The status of a span that failed.
pub fn failed(message: &str) -> Status {
    Status {
        message: message.to_owned(),
        code: 2,
    }
}

/// The spans of one program and library.
pub fn request(resource: &Value, spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: attributes(resource),
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "tests".to_owned(),
                    version: "1.2.3".to_owned(),
                    ..InstrumentationScope::default()
                }),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// A request in protobuf.
pub fn protobuf(request: &ExportTraceServiceRequest) -> Vec<u8> {
    request.encode_to_vec()
}

/// A request as JSON, as the official types write it.
pub fn json(request: &ExportTraceServiceRequest) -> Vec<u8> {
    serde_json::to_vec(request).expect("a request is JSON")
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).expect("hex");
        u8::from_str_radix(pair, 16).expect("hex")
    });
    pairs.collect()
}
