//! What must hold for whatever spans of OpenTelemetry come in.

use std::sync::{Arc, LazyLock};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use rollout_server::ingest::{Encoding, Format, receive, receive_spans};
use rollout_server::open_store;
use rollout_server::store::{Origin, Store};
use serde_json::json;
use tempfile::TempDir;

use crate::otlp::{event, failed, link, request, span};

thread_local! {
    static STORE: LazyLock<(Arc<dyn Store>, TempDir)> = const { LazyLock::new(|| {
        let dir = tempfile::tempdir().expect("a folder");
        (open_store(dir.path()).expect("a store"), dir)
    })};
}

/// A request with spans of OpenTelemetry; its first byte says how it is written and in which encoding. Every span is
/// either good, or named by its place; the events of the good ones are the same whenever they come, can be written
/// and read again, and are stored.
pub fn otlp(data: &[u8]) {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    let format = if first & 1 == 0 {
        Format::Protobuf
    } else {
        Format::Json
    };
    let encoding = match first >> 1 & 3 {
        0 => Encoding::Identity,
        1 => Encoding::Gzip,
        2 => Encoding::Deflate,
        _ => Encoding::Zstd,
    };
    let read = || {
        let mut spans = receive_spans(body, encoding, format).ok()?;
        let mut all = Vec::new();
        loop {
            let events = spans.next_events();
            if events.is_empty() {
                break;
            }
            all.extend(events);
        }
        let places: Vec<u64> = spans.explained().iter().map(|error| error.index).collect();
        assert!(places.iter().all(|place| *place < spans.seen()));
        assert!(places.is_sorted_by(|one, next| one < next));
        let good = spans.seen() - spans.rejected().values().sum::<u64>();
        assert!(all.len() as u64 >= good, "a span is an event at least");
        Some(all)
    };
    let Some(events) = read() else {
        return;
    };
    assert_eq!(Some(&events), read().as_ref());
    for some in events.chunks(1000) {
        let written: Vec<_> = some
            .iter()
            .map(|event| serde_json::to_value(event).expect("an event is JSON"))
            .collect();
        let again = receive(&crate::wire::batch(&written), Encoding::Identity);
        let errors = again.expect("they are a batch").errors;
        assert!(errors.is_empty(), "{errors:?}");
    }
    let trace_ids: Vec<_> = events
        .iter()
        .filter_map(|event| event.trace_id.clone())
        .collect();
    STORE.with(|store| {
        let (store, _) = &**store;
        let stored = store.append(events, Origin::Request(None));
        stored.wait().expect("it is stored");
        for trace_id in trace_ids.iter().take(2) {
            let trace = store.trace(trace_id).expect("it is read");
            assert!(trace.is_some(), "a trace is there");
        }
    });
}

/// Spans in the words of several systems, so that most readers have something to read.
pub(super) fn seed() -> ExportTraceServiceRequest {
    let resource = json!({ "service.name": "shop", "service.version": "1.0", "host.name": "box" });
    let mut root = span(
        1,
        0,
        "invoke_agent shop",
        &json!({
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "shop",
            "session.id": "s1",
            "user.id": 7,
            "langfuse.trace.tags": "[\"a\",\"b\"]",
            "langfuse.trace.metadata.team": "x",
            "metadata": "{\"k\":[1,2.5,null]}",
            "all_messages_events": "[{\"event.name\":\"gen_ai.user.message\",\"content\":\"hi\",\"role\":\"user\"}]",
            "final_result": "done",
        }),
    );
    root.links
        .push(link("11111111111111111111111111111111", "2222222222222222"));
    let mut chat = span(
        2,
        1,
        "chat gpt",
        &json!({
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt",
            "llm.invocation_parameters": "{\"temperature\":0.5,\"x\":{}}",
            "llm.token_count.prompt": 10,
            "llm.token_count.completion": "4",
            "gen_ai.usage.details.audio_tokens": 1,
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "hi",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "find",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{\"a\":1}",
            "llm.tools.0.tool.json_schema": "{\"type\":\"function\"}",
            "langfuse.observation.usage_details": "{\"input\":3,\"input_cached_tokens\":2,\"output\":1}",
            "langfuse.observation.cost_details": "{\"input\":0.1,\"output\":0.2}",
            "langfuse.observation.completion_start_time": "\"2026-01-02T03:04:05.0005Z\"",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "again",
        }),
    );
    chat.events.push(event(
        "gen_ai.choice",
        &json!({ "message": "{\"content\":\"x\"}", "index": 0 }),
    ));
    let mut tool = span(
        3,
        1,
        "execute_tool find",
        &json!({
            "traceroot.span.type": "tool",
            "gen_ai.tool.name": "find",
            "gen_ai.tool.call.id": "call_1",
            "gen_ai.tool.call.arguments": "{\"a\":1}",
            "traceroot.span.metadata": "{\"b\":true}",
            "error.type": "timeout",
        }),
    );
    tool.status = Some(failed("too late"));
    for said in ["late", "later"] {
        let exception = json!({ "exception.type": "Timeout", "exception.message": said, "exception.stacktrace": "a\nb" });
        tool.events.push(event("exception", &exception));
    }
    tool.events.push(event(
        "gen_ai.evaluation.result",
        &json!({ "gen_ai.evaluation.name": "fit", "gen_ai.evaluation.score.value": 0.5, "why": "so" }),
    ));
    let found = span(
        4,
        3,
        "find",
        &json!({
            "mlflow.spanType": "\"RETRIEVER\"",
            "input.value": "what",
            "input.mime_type": "text/plain",
            "retrieval.documents.0.document.content": "this",
            "retrieval.documents.0.document.metadata": "{\"page\":1}",
            "mlflow.llm.cost": "{\"total_cost\":1}",
            "nested": { "list": [[1, "a"], { "b": null }] },
        }),
    );
    let mut running = span(5, 1, "", &json!({}));
    running.end_time_unix_nano = 0;
    request(&resource, vec![root, chat, tool, found, running])
}
