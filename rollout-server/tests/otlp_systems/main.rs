//! Spans in the words of each system that names attributes, as spans of ours.

#![expect(clippy::panic, reason = "a test that cannot go on says so and fails")]

mod langfuse;
mod openinference;
mod opentelemetry;
mod others;

use opentelemetry_proto::tonic::trace::v1::Span;
use rollout_server::value::{Chat, Part};
use rollout_tests::{
    otlp::{TRACE, request, span},
    server::TestServer,
};
use serde_json::{Value, json};

/// A server that has taken these spans.
fn taken(spans: Vec<Span>) -> TestServer {
    let server = TestServer::start();
    let resource = json!({ "service.name": "shop", "service.version": "1.4.2", "telemetry.sdk.name": "opentelemetry" });
    server.take_spans(&request(&resource, spans));
    server
}

fn trace(server: &TestServer) -> Value {
    server.get_json(&format!("/api/v1/traces/{TRACE}"))
}

/// What one attribute says alone on a span.
fn one(said: &Value) -> Value {
    taken(vec![span(1, 0, "s", said)]).otlp_span(1)
}

/// Who says or calls what, as the viewer reads it.
fn chat(value: &Value) -> Vec<String> {
    let chat = Chat::read(&value.to_string());
    let turns = chat
        .unwrap_or_else(|| panic!("no conversation: {value}"))
        .turns;
    let part = |part: Part| match part {
        Part::Text(text) => text,
        Part::Reasoning(text) => format!("({text})"),
        Part::Call {
            name,
            id,
            arguments,
        } => format!("{name}{arguments}#{}", id.unwrap_or_default()),
        Part::Other(other) => other,
    };
    let lines = turns.into_iter().map(|turn| {
        let parts: Vec<_> = turn.parts.into_iter().map(part).collect();
        let answers = turn.answers.map(|id| format!("@{id}")).unwrap_or_default();
        format!("{}{answers}: {}", turn.role, parts.join(" | "))
    });
    lines.collect()
}
