//! OpenLLMetry, TraceRoot, Logfire and MLflow.

use rollout_tests::otlp::{TRACE, span};
use serde_json::json;

use super::{chat, one, taken, trace};

#[test]
fn openllmetry() {
    let span = one(&json!({
        "llm.request.type": "chat",
        "gen_ai.system": "OpenAI",
        "gen_ai.request.model": "m",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "[{\"type\":\"text\",\"text\":\"hi\"}]",
        "gen_ai.prompt.10.role": "tool",
        "gen_ai.prompt.10.content": "42",
        "gen_ai.prompt.10.tool_call_id": "c0",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.finish_reason": "tool_calls",
        "gen_ai.completion.0.tool_calls.0.id": "c1",
        "gen_ai.completion.0.tool_calls.0.name": "f",
        "gen_ai.completion.0.tool_calls.0.arguments": "{\"a\":1}",
        "llm.usage.total_tokens": 9,
        "gen_ai.usage.input_tokens": 5,
    }));
    assert_eq!(
        (&span["type"], &span["usage"]["total_tokens"]),
        (&json!("llm"), &json!(9))
    );
    assert_eq!(chat(&span["input"]), ["user: hi", "tool@c0: 42"]);
    assert_eq!(chat(&span["output"]), ["assistant: f{\"a\":1}#c1"]);
    let task = one(
        &json!({ "traceloop.span.kind": "workflow", "traceloop.entity.input": "{\"q\":1}", "traceloop.entity.output": "\"x\"" }),
    );
    assert_eq!(
        (&task["type"], &task["input"], &task["output"]),
        (&json!("task"), &json!({ "q": 1 }), &json!("x"))
    );
}

#[test]
fn traceroot() {
    let kinds = [
        (json!({ "traceroot.span.type": "agent" }), "agent"),
        (json!({ "traceroot.span.type": "llm" }), "llm"),
        (json!({ "traceroot.span.type": "tool" }), "tool"),
        (json!({ "traceroot.span.type": "span" }), "span"),
        // Its integrations say more elsewhere.
        (
            json!({ "traceroot.span.type": "span", "openinference.span.kind": "RETRIEVER" }),
            "retrieval",
        ),
    ];
    for (said, kind) in kinds {
        assert_eq!(one(&said)["type"], kind, "{said}");
    }
    let server = taken(vec![
        span(
            2,
            1,
            "call",
            &json!({
                "traceroot.span.type": "llm",
                "traceroot.span.input": "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
                "traceroot.span.output": "hello",
                "traceroot.span.metadata": "{\"attempt\":2}",
                "traceroot.span.tags": ["hot"],
                "traceroot.llm.model": "gpt-4o",
                "traceroot.llm.prompt": "[{\"role\":\"user\",\"content\":\"say hi\"}]",
                "traceroot.llm.model_parameters": "{\"temperature\":0.1}",
                // Less than what was cached: it is counted beside.
                "traceroot.llm.usage": "{\"input_tokens\":3,\"output_tokens\":2,\"cache_read_tokens\":40,\"cache_write_tokens\":5,\"reasoning_tokens\":1}",
                "traceroot.git.source_file": "app.py",
                "traceroot.git.source_line": 12,
                "traceroot.git.source_function": "call",
            }),
        ),
        span(
            1,
            0,
            "run",
            &json!({
                "traceroot.span.type": "agent",
                "traceroot.trace.user_id": "u1",
                "traceroot.trace.session_id": "s1",
                "traceroot.trace.tags": "[\"a\"]",
                "traceroot.trace.metadata": "{\"plan\":\"pro\"}",
                "traceroot.environment": "prod",
                "traceroot.git.repo": "shop/app",
                "traceroot.git.ref": "abc",
            }),
        ),
    ]);
    let trace = trace(&server);
    assert_eq!(
        (&trace["user_id"], &trace["session_id"], &trace["tags"]),
        (&json!("u1"), &json!("s1"), &json!(["hot", "a"]))
    );
    assert_eq!(
        (
            &trace["metadata"]["plan"],
            &trace["context"]["agent"]["environment"]
        ),
        (&json!("pro"), &json!("prod"))
    );
    assert_eq!(
        (
            &trace["metadata"]["vcs.repository.url.full"],
            &trace["metadata"]["vcs.ref.head.revision"]
        ),
        (&json!("shop/app"), &json!("abc"))
    );
    let llm = server.otlp_span(2);
    assert_eq!(
        llm["usage"],
        json!({ "input_tokens": 48, "output_tokens": 2, "total_tokens": 50, "cached_tokens": 40, "cache_creation_tokens": 5, "reasoning_tokens": 1 })
    );
    assert_eq!(
        (chat(&llm["input"]), &llm["output"], &llm["model"]),
        (
            vec!["user: hi".to_owned()],
            &json!("hello"),
            &json!("gpt-4o")
        )
    );
    assert_eq!(llm["attributes"]["attempt"], 2);
    assert_eq!(
        llm["attributes"]["rollout.prompt"],
        json!([{ "role": "user", "content": "say hi" }])
    );
    assert_eq!(
        llm["code"],
        json!({ "file": "app.py", "line": 12, "function": "call" })
    );
}

#[test]
fn logfire_and_pydantic_ai() {
    let events = json!([
        { "event.name": "gen_ai.system.message", "content": "Be brief.", "role": "system", "gen_ai.message.index": 0 },
        { "event.name": "gen_ai.user.message", "content": "hi", "role": "user", "gen_ai.message.index": 0 },
        { "event.name": "gen_ai.choice", "index": 0, "message": { "role": "assistant", "content": "x", "tool_calls": [{ "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{}" } }] } },
    ]);
    let all = json!([
        { "event.name": "gen_ai.user.message", "role": "user", "content": "hi" },
        { "event.name": "gen_ai.assistant.message", "role": "assistant", "content": "x" },
    ]);
    let server = taken(vec![
        span(
            2,
            1,
            "chat gpt-4o",
            &json!({
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "events": events.to_string(),
                "gen_ai.usage.input_tokens": 5,
                "gen_ai.usage.details.cached_tokens": 3,
                "gen_ai.usage.details.audio_tokens": 0,
                "model_request_parameters": "{\"function_tools\":[]}",
            }),
        ),
        span(
            3,
            1,
            "running tool",
            &json!({
                "gen_ai.tool.name": "f",
                "gen_ai.tool.call.id": "c1",
                "tool_arguments": "{\"a\":1}",
                "tool_response": "done",
                "logfire.msg": "running tool: f",
            }),
        ),
        span(
            1,
            0,
            "agent run",
            &json!({
                "agent_name": "helper",
                "model_name": "gpt-4o",
                "all_messages_events": all.to_string(),
                "final_result": "all done",
                "gen_ai.usage.input_tokens": 5,
                "logfire.tags": ["t"],
            }),
        ),
    ]);
    assert_eq!(
        server.tree(TRACE),
        "agent helper ok\n  llm chat gpt-4o ok\n  tool f ok\n"
    );
    let agent = server.otlp_span(1);
    assert_eq!(
        (chat(&agent["input"]), &agent["output"]),
        (vec!["user: hi".to_owned()], &json!("all done"))
    );
    assert_eq!(
        (&agent["model"], &agent["attributes"]["all_messages_events"]),
        (&json!("gpt-4o"), &json!(all.to_string()))
    );
    let llm = server.otlp_span(2);
    assert_eq!(chat(&llm["input"]), ["system: Be brief.", "user: hi"]);
    assert_eq!(chat(&llm["output"]), ["assistant: x | f{}#c1"]);
    assert_eq!(
        llm["usage"],
        json!({ "input_tokens": 5, "total_tokens": 5, "cached_tokens": 3, "details.audio_tokens": 0 })
    );
    let tool = server.otlp_span(3);
    assert_eq!(
        (&tool["input"], &tool["output"], &tool["tool_call_id"]),
        (&json!({ "a": 1 }), &json!("done"), &json!("c1"))
    );
    assert_eq!(trace(&server)["tags"], json!(["t"]));

    // Logfire's own instrumentation of clients.
    let call = one(&json!({
        "request_data": "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        "response_data": "{\"message\":{\"role\":\"assistant\",\"content\":\"yes\"},\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":2}}}",
        "gen_ai.request.model": "gpt-4o",
    }));
    assert_eq!(
        (chat(&call["input"]), chat(&call["output"])),
        (
            vec!["user: hi".to_owned()],
            vec!["assistant: yes".to_owned()]
        )
    );
    assert_eq!(
        call["usage"],
        json!({ "input_tokens": 7, "output_tokens": 1, "total_tokens": 8, "cached_tokens": 2 })
    );
    let streamed = one(
        &json!({ "request_data": "{\"messages\":[]}", "response_data": "{\"combined_chunk_content\":\"yes\",\"chunk_count\":3}" }),
    );
    assert_eq!(streamed["output"], "yes");
}

#[test]
fn mlflow() {
    let server = taken(vec![
        span(
            2,
            1,
            "call",
            &json!({
                "mlflow.spanType": "\"CHAT_MODEL\"",
                "mlflow.spanInputs": "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
                "mlflow.spanOutputs": "\"hello\"",
                "mlflow.llm.model": "gpt-4o",
                "mlflow.llm.provider": "openai",
                "mlflow.chat.tokenUsage": "{\"input_tokens\":9,\"output_tokens\":2,\"total_tokens\":11,\"cache_read_input_tokens\":4}",
                "mlflow.llm.cost": "{\"input_cost\":1.0,\"output_cost\":2.0,\"total_cost\":3.0}",
            }),
        ),
        span(
            1,
            0,
            "run",
            &json!({
                "mlflow.spanType": "\"CHAIN\"",
                "mlflow.traceTag.mlflow.traceName": "support",
                "mlflow.traceTag.plan": "pro",
            }),
        ),
    ]);
    assert_eq!(server.tree(TRACE), "task run ok\n  llm call ok\n");
    let trace = trace(&server);
    assert_eq!(
        (
            &trace["name"],
            &trace["metadata"]["plan"],
            &trace["cost_usd"]
        ),
        (&json!("support"), &json!("pro"), &json!(3.0))
    );
    let llm = server.otlp_span(2);
    assert_eq!(
        (chat(&llm["input"]), &llm["output"]),
        (vec!["user: hi".to_owned()], &json!("hello"))
    );
    assert_eq!(
        (&llm["model"], &llm["provider"]),
        (&json!("gpt-4o"), &json!("openai"))
    );
    assert_eq!(
        llm["usage"],
        json!({ "input_tokens": 9, "output_tokens": 2, "total_tokens": 11, "cached_tokens": 4, "cost_usd": 3.0 })
    );
}
