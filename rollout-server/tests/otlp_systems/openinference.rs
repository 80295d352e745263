//! OpenInference, as Phoenix reads it.

use rollout_tests::otlp::{event, span};
use serde_json::{Value, json};

use super::{chat, one, taken, trace};

#[test]
fn openinference() {
    let kinds = [
        ("AGENT", "agent"),
        ("LLM", "llm"),
        ("TOOL", "tool"),
        ("CHAIN", "task"),
        ("RETRIEVER", "retrieval"),
        ("EMBEDDING", "embedding"),
        ("GUARDRAIL", "guardrail"),
        ("llm", "llm"),
        ("UNKNOWN", "span"),
    ];
    for (theirs, ours) in kinds {
        assert_eq!(
            one(&json!({ "openinference.span.kind": theirs }))["type"],
            ours,
            "{theirs}"
        );
    }
    let mut llm = span(
        2,
        1,
        "ChatCompletion",
        &json!({
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.provider": "openai",
            "llm.system": "openai",
            "llm.invocation_parameters": "{\"model\":\"gpt-4o\",\"temperature\":0.2,\"logit_bias\":{}}",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "What is it?",
            "llm.input_messages.1.message.contents.1.message_content.type": "image",
            "llm.input_messages.1.message.contents.1.message_content.image.image.url": "https://example.test/a.png",
            "llm.input_messages.2.message.role": "tool",
            "llm.input_messages.2.message.content": "{\"a\":1}",
            "llm.input_messages.2.message.tool_call_id": "c0",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "find",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{\"id\":7}",
            "llm.output_messages.0.message.tool_calls.1.tool_call.function.name": "look",
            "llm.output_messages.0.message.tool_calls.1.tool_call.function.arguments": "{}",
            "llm.tools.0.tool.json_schema": "{\"type\":\"function\",\"function\":{\"name\":\"find\"}}",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 10,
            "llm.token_count.total": 110,
            "llm.token_count.prompt_details.cache_read": 64,
            "llm.token_count.prompt_details.cache_write": 20,
            "llm.token_count.prompt_details.audio": 1,
            "llm.token_count.completion_details.reasoning": 4,
            "llm.cost.total": 0.0125,
            "llm.finish_reason": "tool_calls",
            "input.value": "{\"messages\":[]}",
            "input.mime_type": "application/json",
            "session.id": "s1",
            "metadata": "{\"step\":3}",
        }),
    );
    llm.events
        .push(event("First Token Stream Event", &json!({})));
    let root = span(
        1,
        0,
        "run",
        &json!({
            "openinference.span.kind": "CHAIN",
            "input.value": "{\"not\": \"parsed\"}",
            "input.mime_type": "text/plain",
            "output.value": "[1]",
            "user.id": "u1",
            "tag.tags": ["a", "b"],
            "metadata": "{\"team\":\"x\"}",
        }),
    );
    let tool = span(
        3,
        1,
        "find",
        &json!({
            "openinference.span.kind": "TOOL",
            "tool.name": "find",
            "tool.id": "c1",
            "tool.parameters": "{\"id\":7}",
            "output.value": "home",
        }),
    );
    let search = span(
        4,
        1,
        "search",
        &json!({
            "openinference.span.kind": "RETRIEVER",
            "input.value": "parcels",
            "retrieval.documents.0.document.id": 1,
            "retrieval.documents.0.document.content": "one",
            "retrieval.documents.0.document.score": 0.5,
            "retrieval.documents.1.document.content": "two",
            "retrieval.documents.1.document.metadata": "{\"page\":2}",
        }),
    );
    let embed = span(
        5,
        1,
        "embed",
        &json!({
            "openinference.span.kind": "EMBEDDING",
            "embedding.model_name": "e",
            "embedding.embeddings.0.embedding.text": "parcels",
            "embedding.embeddings.0.embedding.vector": [0.1, 0.2],
            "llm.token_count.prompt": 2,
        }),
    );
    let server = taken(vec![llm, tool, search, embed, root]);

    let trace = trace(&server);
    assert_eq!(
        (&trace["session_id"], &trace["user_id"], &trace["tags"]),
        (&json!("s1"), &json!("u1"), &json!(["a", "b"]))
    );
    assert_eq!(
        (&trace["metadata"]["team"], &trace["metadata"]["step"]),
        (&json!("x"), &Value::Null)
    );
    assert_eq!(
        (&trace["input"], &trace["output"]),
        (&json!("{\"not\": \"parsed\"}"), &json!([1]))
    );
    let llm = server.otlp_span(2);
    assert_eq!(
        llm["usage"],
        json!({ "input_tokens": 100, "output_tokens": 10, "total_tokens": 110, "cached_tokens": 64, "cache_creation_tokens": 20, "reasoning_tokens": 4, "cost_usd": 0.0125, "prompt_details.audio": 1 })
    );
    assert_eq!(
        (&llm["cost_usd"], &llm["model"], &llm["provider"]),
        (&json!(0.0125), &json!("gpt-4o"), &json!("openai"))
    );
    assert_eq!(
        chat(&llm["input"]),
        [
            "system: Be brief.",
            "user: What is it? | {\"image_url\":{\"url\":\"https://example.test/a.png\"},\"type\":\"image_url\"}",
            "tool@c0: {\"a\":1}"
        ]
    );
    assert_eq!(llm["input"]["tools"][0]["function"]["name"], "find");
    assert_eq!(
        chat(&llm["output"]),
        ["assistant: find{\"id\":7}#c1 | look{}#"]
    );
    let attributes = &llm["attributes"];
    assert_eq!(
        (
            &attributes["gen_ai.request.temperature"],
            &attributes["step"]
        ),
        (&json!(0.2), &json!(3))
    );
    assert_eq!(
        attributes["llm.invocation_parameters"],
        json!({ "logit_bias": {} })
    );
    assert_eq!(
        attributes["gen_ai.response.time_to_first_chunk"],
        0.000_499_998
    );
    assert_eq!(
        attributes["input.value"], "{\"messages\":[]}",
        "nothing is lost"
    );
    let tool = server.otlp_span(3);
    assert_eq!(
        (
            &tool["name"],
            &tool["tool_call_id"],
            &tool["input"],
            &tool["output"]
        ),
        (
            &json!("find"),
            &json!("c1"),
            &json!({ "id": 7 }),
            &json!("home")
        )
    );
    assert_eq!(
        server.otlp_span(4)["output"],
        json!([{ "id": 1, "content": "one", "score": 0.5 }, { "content": "two", "metadata": { "page": 2 } }])
    );
    let embed = server.otlp_span(5);
    assert_eq!(
        (
            &embed["model"],
            &embed["input"],
            &embed["usage"]["input_tokens"]
        ),
        (&json!("e"), &json!(["parcels"]), &json!(2))
    );
}
