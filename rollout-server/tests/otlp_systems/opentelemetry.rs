//! OpenTelemetry's own words, those it had before, and spans of anything.

use opentelemetry_proto::tonic::trace::v1::Span;
use rollout_tests::otlp::{START, TRACE, event, failed, id, link, request, span};
use rollout_tests::server::TestServer;
use serde_json::{Value, json};

use super::{chat, one, taken, trace};

#[test]
fn opentelemetry() {
    let mut agent = span(
        1,
        0,
        "invoke_agent support",
        &json!({
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "support",
            "gen_ai.agent.id": "a1",
            "gen_ai.agent.version": "7",
            "gen_ai.conversation.id": "thread_1",
            "user.id": "cus_1",
            "gen_ai.usage.input_tokens": 30,
            "gen_ai.usage.output_tokens": 9,
        }),
    );
    agent
        .links
        .push(link("11111111111111111111111111111111", "2222222222222222"));
    let mut chat_span = span(
        2,
        1,
        "chat gpt-4o",
        &json!({
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.response.id": "r1",
            "gen_ai.response.finish_reasons": ["tool_calls"],
            "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 100,
            "gen_ai.system_instructions": "[{\"type\":\"text\",\"content\":\"Be brief.\"}]",
            "gen_ai.input.messages": "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Where is it?\"}]}]",
            "gen_ai.output.messages": "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"reasoning\",\"content\":\"hm\"},{\"type\":\"tool_call\",\"id\":\"c1\",\"name\":\"find\",\"arguments\":{\"id\":7}}],\"finish_reason\":\"tool_call\"}]",
            "gen_ai.tool.definitions": "[{\"type\":\"function\",\"name\":\"find\"}]",
            "gen_ai.usage.input_tokens": 20,
            "gen_ai.usage.output_tokens": 6,
            "gen_ai.usage.cache_read.input_tokens": 12,
            "gen_ai.usage.cache_write.input_tokens": 3,
            "gen_ai.usage.reasoning.output_tokens": 2,
            "server.address": "api.example.test",
        }),
    );
    chat_span.kind = 3;
    chat_span.events.push(event(
        "gen_ai.evaluation.result",
        &json!({ "gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.75, "gen_ai.evaluation.score.label": "good", "gen_ai.evaluation.explanation": "because" }),
    ));
    chat_span
        .events
        .push(event("retried", &json!({ "attempt": 2 })));
    let mut tool = span(
        3,
        1,
        "execute_tool find",
        &json!({
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "find",
            "gen_ai.tool.call.id": "c1",
            "gen_ai.tool.call.arguments": "{\"id\":7}",
            "gen_ai.tool.call.result": "{\"at\":\"home\"}",
            "error.type": "timeout",
        }),
    );
    tool.status = Some(failed("TimeoutError: too late"));
    for said in ["handled", "too late"] {
        tool.events.push(event("exception", &json!({ "exception.type": "TimeoutError", "exception.message": said, "exception.stacktrace": "line 1" })));
    }
    let search = span(
        4,
        3,
        "retrieval",
        &json!({ "gen_ai.operation.name": "retrieval", "gen_ai.retrieval.query.text": "parcels", "gen_ai.retrieval.documents": "[{\"id\":\"d1\"}]" }),
    );
    let embed = span(
        5,
        4,
        "embeddings e",
        &json!({ "gen_ai.operation.name": "embeddings", "gen_ai.request.model": "e", "gen_ai.usage.input_tokens": 4 }),
    );
    let server = taken(vec![chat_span, tool, search, embed, agent]);

    assert_eq!(
        server.tree(TRACE),
        "agent support ok\n  llm chat gpt-4o ok\n  tool find error\n    retrieval retrieval ok\n      embedding embeddings e ok\n"
    );
    let trace = trace(&server);
    assert_eq!(
        (&trace["name"], &trace["status"]),
        (&json!("support"), &json!("ok"))
    );
    assert_eq!(
        (&trace["user_id"], &trace["conversation_id"]),
        (&json!("cus_1"), &json!("thread_1"))
    );
    assert_eq!(
        (&trace["agent_name"], &trace["error_count"]),
        (&json!("support"), &json!(1))
    );
    assert_eq!(
        trace["context"]["agent"],
        json!({ "id": "a1", "name": "support", "version": "7" })
    );
    // What the agent says is the sum already.
    assert_eq!(trace["usage"]["input_tokens"], 24);
    assert_eq!(
        (
            &trace["metadata"]["service_name"],
            &trace["metadata"]["release"]
        ),
        (&json!("shop"), &json!("1.4.2"))
    );
    assert_eq!(trace["metadata"]["telemetry.sdk.name"], "opentelemetry");
    assert_eq!(
        trace["links"][0]["trace_id"],
        "11111111111111111111111111111111"
    );
    assert_eq!(
        (
            &trace["links"][0]["relation"],
            &trace["links"][0]["span_id"]
        ),
        (&json!("caller"), &json!("2222222222222222"))
    );

    let llm = server.otlp_span(2);
    assert_eq!(
        (&llm["model"], &llm["provider"]),
        (&json!("gpt-4o"), &json!("openai"))
    );
    assert_eq!(
        llm["usage"],
        json!({ "input_tokens": 20, "output_tokens": 6, "total_tokens": 26, "cached_tokens": 12, "cache_creation_tokens": 3, "reasoning_tokens": 2 })
    );
    assert_eq!(
        chat(&llm["input"]),
        ["system: Be brief.", "user: Where is it?"]
    );
    assert_eq!(llm["input"]["tools"][0]["name"], "find");
    assert_eq!(
        chat(&llm["output"]),
        ["assistant: (hm) | find{\"id\":7}#c1"]
    );
    let attributes = &llm["attributes"];
    assert_eq!(attributes["gen_ai.response.time_to_first_chunk"], 0.25);
    assert_eq!(
        (
            &attributes["gen_ai.request.temperature"],
            &attributes["model.temperature"]
        ),
        (&json!(0.5), &json!(0.5))
    );
    assert_eq!(
        (
            &attributes["gen_ai.request.max_tokens"],
            &attributes["server.address"]
        ),
        (&json!(100), &json!("api.example.test"))
    );
    assert_eq!(
        (
            &attributes["rollout.usage_source"],
            &attributes["otel.kind"]
        ),
        (&json!("reported"), &json!("client"))
    );
    assert_eq!(
        attributes["rollout.provider_usage"]["gen_ai.usage.input_tokens"],
        20
    );
    assert_eq!(
        (
            &attributes["integration.name"],
            &attributes["integration.version"]
        ),
        (&json!("tests"), &json!("1.2.3"))
    );
    assert_eq!(
        attributes["otel.events"],
        json!([{ "name": "retried", "time": "2026-01-02T03:04:05.000500006Z", "attributes": { "attempt": 2 } }])
    );
    assert_eq!(
        attributes["gen_ai.input.messages"],
        Value::Null,
        "said once"
    );
    let score = &llm["events"][0];
    assert_eq!(
        (&score["type"], &score["name"], &score["status"]),
        (&json!("eval.result"), &json!("relevance"), &json!("good"))
    );
    assert_eq!(
        (
            &score["data"]["outcome"]["eval_score"],
            &score["data"]["attributes"]["gen_ai.evaluation.explanation"]
        ),
        (&json!(0.75), &json!("because"))
    );

    let tool = server.otlp_span(3);
    assert_eq!(
        (&tool["input"], &tool["output"], &tool["tool_call_id"]),
        (&json!({ "id": 7 }), &json!({ "at": "home" }), &json!("c1"))
    );
    assert_eq!(
        tool["error"],
        json!({ "type": "TimeoutError", "message": "too late", "chain": [] })
    );
    assert_eq!(tool["attributes"]["exception.stacktrace"], "line 1");
    let handled = &tool["events"][0];
    assert_eq!(
        (
            &handled["type"],
            &handled["data"]["error"]["message_preview"]
        ),
        (&json!("error"), &json!("handled"))
    );
    assert_eq!(tool["events"].as_array().unwrap().len(), 1);
    let search = server.otlp_span(4);
    assert_eq!(
        (&search["input"], &search["output"]),
        (&json!("parcels"), &json!([{ "id": "d1" }]))
    );
    assert_eq!(server.otlp_span(5)["usage"]["input_tokens"], 4);
}

#[test]
fn names_that_opentelemetry_had_before() {
    let mut old = span(
        1,
        0,
        "chat claude",
        &json!({
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude",
            "gen_ai.usage.prompt_tokens": 8,
            "gen_ai.usage.completion_tokens": 3,
            "gen_ai.openai.request.seed": 7,
        }),
    );
    old.events = vec![
        event("gen_ai.system.message", &json!({ "content": "Be brief." })),
        event(
            "gen_ai.user.message",
            &json!({ "content": "[{\"text\":\"hi\"}]" }),
        ),
        event(
            "gen_ai.assistant.message",
            &json!({ "tool_calls": "[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]" }),
        ),
        event(
            "gen_ai.tool.message",
            &json!({ "id": "c1", "content": "42" }),
        ),
        event(
            "gen_ai.choice",
            &json!({ "index": 0, "finish_reason": "stop", "message": "{\"role\":\"assistant\",\"content\":\"done\"}" }),
        ),
    ];
    let old = taken(vec![old]).otlp_span(1);
    assert_eq!(
        (&old["type"], &old["provider"], &old["model"]),
        (&json!("llm"), &json!("anthropic"), &json!("claude"))
    );
    assert_eq!(
        old["usage"],
        json!({ "input_tokens": 8, "output_tokens": 3, "total_tokens": 11 })
    );
    assert_eq!(
        chat(&old["input"]),
        [
            "system: Be brief.",
            "user: hi",
            "assistant: f{}#c1",
            "tool@c1: 42"
        ]
    );
    assert_eq!(chat(&old["output"]), ["assistant: done"]);
    assert_eq!(old["attributes"]["gen_ai.request.seed"], 7);

    // The whole conversation in one event, and prompts as texts.
    let mut whole = span(1, 0, "chat m", &json!({ "gen_ai.request.model": "m" }));
    whole.events = vec![
        event(
            "gen_ai.content.prompt",
            &json!({ "gen_ai.prompt": "[{\"role\":\"user\",\"content\":\"hi\"}]" }),
        ),
        event(
            "gen_ai.content.completion",
            &json!({ "gen_ai.completion": "[{\"role\":\"assistant\",\"content\":\"yes\"}]" }),
        ),
    ];
    let whole = taken(vec![whole]).otlp_span(1);
    assert_eq!(
        (chat(&whole["input"]), chat(&whole["output"])),
        (
            vec!["user: hi".to_owned()],
            vec!["assistant: yes".to_owned()]
        )
    );
    let mut details = span(1, 0, "chat m", &json!({ "gen_ai.request.model": "m" }));
    details.events = vec![event(
        "gen_ai.client.inference.operation.details",
        &json!({ "gen_ai.input.messages": [{ "role": "user", "parts": [{ "type": "text", "content": "hi" }] }] }),
    )];
    assert_eq!(
        chat(&taken(vec![details]).otlp_span(1)["input"]),
        ["user: hi"]
    );
    let text = one(
        &json!({ "gen_ai.request.model": "m", "gen_ai.prompt": "say", "gen_ai.completion": "said" }),
    );
    assert_eq!(
        (&text["input"], &text["output"]),
        (&json!("say"), &json!("said"))
    );
}

#[test]
fn any_other_span() {
    let mut get = span(
        1,
        0,
        "GET /orders",
        &json!({ "http.request.method": "GET", "span_type": "mine", "rollout.ns": 5, "name": "n" }),
    );
    get.kind = 2;
    get.dropped_events_count = 2;
    let mut unfinished = span(2, 1, "", &json!({}));
    unfinished.end_time_unix_nano = 0;
    let server = taken(vec![get, unfinished]);
    let span = server.otlp_span(1);
    assert_eq!(
        (&span["type"], &span["name"], &span["usage"]),
        (&json!("span"), &json!("GET /orders"), &json!({}))
    );
    let attributes = &span["attributes"];
    for (name, value) in [
        ("http.request.method", json!("GET")),
        ("span_type", json!("mine")),
        ("rollout.ns", json!(5)),
        ("name", json!("n")),
        ("otel.dropped_events", json!(2)),
        ("service.name", json!("shop")),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    assert_eq!(attributes["rollout.usage_source"], Value::Null);
    assert_eq!(span["started_at"], "2026-01-02T03:04:05.000000007Z");
    assert_eq!(server.otlp_span(2)["status"], "running");
    assert_eq!(START % 10, 6, "nanoseconds are kept");
}

#[test]
fn a_trace_may_come_in_parts_over_both_protocols() {
    let server = TestServer::start();
    // A program of ours calls a service that speaks OTLP, whose caller is of another process.
    server.take(&[
        json!({ "event_id": "e1", "event_type": "trace.start", "trace_id": TRACE, "name": "ours", "started_at": "2026-01-02T03:04:05Z" }),
        json!({ "event_id": "e2", "event_type": "span.start", "trace_id": TRACE, "span_id": id(1), "span_type": "agent", "name": "outer", "started_at": "2026-01-02T03:04:05Z" }),
    ]);
    let mut theirs = span(2, 1, "POST /answer", &json!({}));
    theirs.flags = 1 << 8 | 1 << 9;
    let below = span(
        3,
        2,
        "chat",
        &json!({ "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 4 }),
    );
    server.take_spans(&request(
        &json!({ "service.name": "model" }),
        vec![below, theirs],
    ));
    server.take(&[
        json!({ "event_id": "e3", "event_type": "span.end", "trace_id": TRACE, "span_id": id(1), "ended_at": "2026-01-02T03:04:06Z" }),
        json!({ "event_id": "e4", "event_type": "trace.end", "trace_id": TRACE, "ended_at": "2026-01-02T03:04:06Z" }),
    ]);
    assert_eq!(
        server.tree(TRACE),
        "agent outer ok\n  span POST /answer ok\n    llm chat ok\n"
    );
    let trace = trace(&server);
    assert_eq!(
        (&trace["name"], &trace["usage"]["input_tokens"]),
        (&json!("ours"), &json!(4))
    );
    assert_eq!(server.otlp_span(2)["attributes"]["service.name"], "model");
    assert_eq!(
        server.otlp_span(3)["attributes"]["service.name"],
        Value::Null
    );
}

#[test]
fn the_name_of_a_trace() {
    let remote = |mut entered: Span| {
        entered.flags = 1 << 8 | 1 << 9;
        entered
    };
    let root = || span(1, 0, "GET /", &json!({}));
    let entry = || remote(span(2, 1, "POST /answer", &json!({})));
    let below = || span(3, 2, "chat", &json!({}));
    let named = || span(4, 1, "other", &json!({ "langfuse.trace.name": "mine" }));
    // Programs send when they like; the root is what counts.
    for (spans, name) in [
        (vec![below()], Value::Null),
        (vec![below(), entry()], json!("POST /answer")),
        (vec![below(), entry(), root()], json!("GET /")),
        (vec![root(), entry()], json!("GET /")),
        (vec![entry(), named(), root()], json!("mine")),
        (vec![named(), entry(), below()], json!("mine")),
    ] {
        let whole = spans.len();
        let server = taken(spans);
        let trace = trace(&server);
        assert_eq!(trace["name"], name, "{whole} spans");
        assert!(trace["started_at"].as_str().unwrap().starts_with("2026"));
        assert_eq!(trace["status"], "ok");
    }
    let server = taken(vec![entry()]);
    server.take(&[json!({ "event_id": "e1", "event_type": "trace.start", "trace_id": TRACE, "name": "ours", "occurred_at": "2026-01-02T03:04:05Z" })]);
    assert_eq!(trace(&server)["name"], "ours");
}

#[test]
fn long_texts_are_cut() {
    let long = "é".repeat(5000);
    let mut root = span(
        1,
        0,
        &long,
        &json!({
            "openinference.span.kind": "TOOL",
            "tool.name": long,
            "tool.id": long,
            "user.id": long,
            "session.id": long,
            "llm.model_name": long,
            "llm.provider": long,
            "langfuse.trace.name": long,
            "langfuse.environment": long,
            "error.type": long,
            "input.value": long,
        }),
    );
    root.status = Some(failed(&long));
    let mut odd = span(2, 1, "odd", &json!({ "openinference.span.kind": long }));
    odd.links.push(link(&"ab".repeat(200), "cd"));
    let server = taken(vec![root, odd]);
    let trace = trace(&server);
    let chars = |value: &Value| value.as_str().unwrap().chars().count();
    assert_eq!(
        (chars(&trace["name"]), chars(&trace["user_id"])),
        (300, 200)
    );
    let tool = server.otlp_span(1);
    assert_eq!(
        (
            chars(&tool["name"]),
            chars(&tool["model"]),
            chars(&tool["provider"])
        ),
        (200, 200, 100)
    );
    // What is shown whole is whole.
    assert_eq!(
        (chars(&tool["input"]), chars(&tool["error"]["message"])),
        (5000, 5000)
    );
    assert_eq!(chars(&trace["error"]["message"]), 5000);
    assert_eq!(chars(&server.otlp_span(2)["type"]), 80);
}
