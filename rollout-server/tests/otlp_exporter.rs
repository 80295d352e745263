//! OpenTelemetry's own exporter for Rust, into the server.

use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_otlp::{Protocol, WithExportConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use rollout_tests::server::TestServer;
use serde_json::json;

#[test]
fn the_tree_is_that_of_the_program() {
    let server = TestServer::start();
    // The exporter's client leaves the choice to the program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(server.url("/v1/traces"))
        .build()
        .unwrap();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder_empty().with_service_name("shop").build())
        .build();
    let tracer = provider.tracer("tests");

    let agent = tracer
        .span_builder("invoke_agent shop")
        .with_attributes([
            KeyValue::new("gen_ai.operation.name", "invoke_agent"),
            KeyValue::new("gen_ai.agent.name", "shop"),
        ])
        .start(&tracer);
    let trace_id = agent.span_context().trace_id().to_string();
    let within = Context::new().with_span(agent);
    let mut call = tracer
        .span_builder("chat m")
        .with_kind(SpanKind::Client)
        .with_attributes([
            KeyValue::new("gen_ai.operation.name", "chat"),
            KeyValue::new("gen_ai.request.model", "m"),
            KeyValue::new("gen_ai.usage.input_tokens", 3),
        ])
        .start_with_context(&tracer, &within);
    call.record_error(&std::io::Error::other("gone"));
    call.set_status(Status::error("gone"));
    let call_id = call.span_context().span_id().to_string();
    call.end();
    let mut tool = tracer
        .span_builder("execute_tool find")
        .with_attributes([KeyValue::new("gen_ai.tool.name", "find")])
        .start_with_context(&tracer, &within);
    tool.end();
    within.span().end();
    provider.shutdown().unwrap();

    assert_eq!(
        server.tree(&trace_id),
        "agent shop ok\n  llm chat m error\n  tool find ok\n"
    );
    let trace = server.get_json(&format!("/api/v1/traces/{trace_id}"));
    assert_eq!(
        (&trace["name"], &trace["metadata"]["service_name"]),
        (&json!("shop"), &json!("shop"))
    );
    let call = server.get_json(&format!("/api/v1/traces/{trace_id}/spans/{call_id}"));
    assert_eq!(
        (&call["usage"]["input_tokens"], &call["error"]["message"]),
        (&json!(3), &json!("gone"))
    );
    assert_eq!(
        (
            &call["attributes"]["otel.kind"],
            &call["attributes"]["integration.name"]
        ),
        (&json!("client"), &json!("tests"))
    );
}
