//! Langfuse.

use rollout_tests::otlp::span;
use serde_json::{Value, json};

use super::{chat, one, taken, trace};

#[test]
fn langfuse() {
    let kinds = [
        ("generation", "llm"),
        ("agent", "agent"),
        ("tool", "tool"),
        ("chain", "task"),
        ("retriever", "retrieval"),
        ("embedding", "embedding"),
        ("evaluator", "evaluator"),
        ("span", "span"),
        ("event", "span"),
    ];
    for (theirs, ours) in kinds {
        assert_eq!(
            one(&json!({ "langfuse.observation.type": theirs }))["type"],
            ours,
            "{theirs}"
        );
    }
    let generation = span(
        2,
        1,
        "answer",
        &json!({
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.model.parameters": "{\"temperature\":1,\"max_tokens\":\"50\"}",
            "langfuse.observation.input": "[{\"role\":\"user\",\"content\":\"hi\"}]",
            "langfuse.observation.output": "hello",
            "langfuse.observation.usage_details": "{\"input\":10,\"input_cached_tokens\":30,\"input_cache_creation\":2,\"output\":5,\"output_reasoning_tokens\":3,\"total\":50}",
            "langfuse.observation.cost_details": "{\"input\":0.25,\"output\":0.5}",
            "langfuse.observation.completion_start_time": "\"2026-01-02T03:04:05.250000Z\"",
            "langfuse.observation.metadata.part": "first",
            "langfuse.observation.prompt.name": "greet",
            "langfuse.trace.name": "support",
            "langfuse.trace.output": "hello there",
            "user.id": "u1",
        }),
    );
    let failing = span(
        3,
        1,
        "look",
        &json!({
            "langfuse.observation.type": "tool",
            "langfuse.observation.level": "ERROR",
            "langfuse.observation.status_message": "out of order",
            "langfuse.observation.usage_details": "{\"input\":1}",
        }),
    );
    let root = span(
        1,
        0,
        "handle",
        &json!({
            "langfuse.observation.type": "agent",
            "langfuse.observation.input": "{\"q\":1}",
            "langfuse.session.id": "s1",
            "langfuse.trace.tags": ["shop", "eu"],
            "langfuse.trace.metadata.plan": "pro",
            "langfuse.trace.metadata.limits": "{\"a\":1}",
            "langfuse.environment": "staging",
            "langfuse.release": "v9",
        }),
    );
    let server = taken(vec![generation, failing, root]);
    let trace = trace(&server);
    assert_eq!(
        (&trace["name"], &trace["user_id"], &trace["session_id"]),
        (&json!("support"), &json!("u1"), &json!("s1"))
    );
    assert_eq!(
        (&trace["tags"], &trace["metadata"]["plan"]),
        (&json!(["shop", "eu"]), &json!("pro"))
    );
    assert_eq!(
        (&trace["metadata"]["limits"], &trace["metadata"]["release"]),
        (&json!({ "a": 1 }), &json!("v9"))
    );
    assert_eq!(
        (&trace["input"], &trace["output"]),
        (&json!({ "q": 1 }), &json!("hello there"))
    );
    assert_eq!(trace["context"]["agent"]["environment"], "staging");
    let llm = server.otlp_span(2);
    assert_eq!(
        llm["usage"],
        json!({ "input_tokens": 42, "output_tokens": 8, "total_tokens": 50, "cached_tokens": 30, "cache_creation_tokens": 2, "reasoning_tokens": 3, "cost_usd": 0.75 })
    );
    assert_eq!(
        (chat(&llm["input"]), &llm["output"]),
        (vec!["user: hi".to_owned()], &json!("hello"))
    );
    let attributes = &llm["attributes"];
    assert_eq!(
        (
            &attributes["part"],
            &attributes["langfuse.observation.prompt.name"]
        ),
        (&json!("first"), &json!("greet"))
    );
    assert_eq!(
        (
            &attributes["gen_ai.request.temperature"],
            &attributes["gen_ai.request.max_tokens"]
        ),
        (&json!(1), &json!("50"))
    );
    let first = attributes["gen_ai.response.time_to_first_chunk"]
        .as_f64()
        .unwrap();
    assert!((first - 0.25).abs() < 1e-6, "{first}");
    let tool = server.otlp_span(3);
    assert_eq!(
        (&tool["status"], &tool["error"]["message"]),
        (&json!("error"), &json!("out of order"))
    );
    assert_eq!(
        tool["attributes"]["langfuse.observation.status_message"],
        Value::Null,
        "said once"
    );
    // Only a model's call is counted.
    assert_eq!(
        tool["attributes"]["langfuse.observation.usage_details"],
        "{\"input\":1}"
    );
    // A provider's own names have the provider's meaning.
    let usage = |details: Value| {
        let said = json!({ "langfuse.observation.type": "generation", "langfuse.observation.usage_details": details.to_string() });
        one(&said)["usage"].clone()
    };
    let openai = usage(
        json!({ "prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "prompt_tokens_details": { "cached_tokens": 4 } }),
    );
    assert_eq!(
        openai,
        json!({ "input_tokens": 9, "output_tokens": 1, "total_tokens": 10, "cached_tokens": 4 })
    );
    let anthropic = usage(
        json!({ "input": 9, "output": 1, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2 }),
    );
    assert_eq!(
        anthropic,
        json!({ "input_tokens": 15, "output_tokens": 1, "total_tokens": 16, "cached_tokens": 4, "cache_creation_tokens": 2 })
    );
}
