//! Conversations to train a model with.

use jsonschema::Validator;
use rollout_tests::fixture;
use serde_json::{Value, json};

use crate::Dir;

/// What OpenAI's API reference says of a line of a file for fine-tuning (`FineTuneChatRequestInput`), and the metadata
/// that goes with ours.
fn schema() -> Validator {
    let text = json!({
        "type": "object", "additionalProperties": false, "required": ["type", "text"],
        "properties": { "type": { "const": "text" }, "text": { "type": "string" } },
    });
    let image = json!({
        "type": "object", "additionalProperties": false, "required": ["type", "image_url"],
        "properties": {
            "type": { "const": "image_url" },
            "image_url": { "type": "object", "required": ["url"], "properties": { "url": { "type": "string" } } },
        },
    });
    let content = json!({ "oneOf": [
        { "type": "string" },
        { "type": "array", "minItems": 1, "items": { "oneOf": [text, image] } },
    ] });
    let function = json!({
        "type": "object", "additionalProperties": false, "required": ["name"],
        "properties": {
            "name": { "type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$" },
            "description": { "type": "string" },
            "parameters": { "type": "object" },
            "strict": { "type": "boolean" },
        },
    });
    let call = json!({
        "type": "object", "additionalProperties": false, "required": ["id", "type", "function"],
        "properties": {
            "id": { "type": "string" },
            "type": { "const": "function" },
            "function": {
                "type": "object", "additionalProperties": false, "required": ["name", "arguments"],
                "properties": { "name": { "type": "string" }, "arguments": { "type": "string" } },
            },
        },
    });
    let message = |role: &str, required: &[&str], more: Value| {
        let mut properties = json!({ "role": { "const": role }, "content": content });
        for (name, schema) in more.as_object().unwrap() {
            properties[name] = schema.clone();
        }
        json!({
            "type": "object", "additionalProperties": false, "properties": properties,
            "required": ([&["role"], required].concat()),
        })
    };
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["messages"],
        "properties": {
            "messages": { "type": "array", "minItems": 1, "items": { "oneOf": [
                message("system", &["content"], json!({})),
                message("user", &["content"], json!({})),
                message("assistant", &[], json!({ "tool_calls": { "type": "array", "minItems": 1, "items": call } })),
                message("tool", &["content", "tool_call_id"], json!({ "tool_call_id": { "type": "string" } })),
            ] } },
            "tools": { "type": "array", "minItems": 1, "items": {
                "type": "object", "additionalProperties": false, "required": ["type", "function"],
                "properties": { "type": { "const": "function" }, "function": function },
            } },
            "parallel_tool_calls": { "type": "boolean" },
            "metadata": { "type": "object" },
        },
    });
    jsonschema::validator_for(&schema).unwrap()
}

/// The lines that are written, each held to the schema.
#[track_caller]
fn lines(dir: &Dir, words: &[&str]) -> Vec<Value> {
    let (schema, exported) = (
        schema(),
        dir.export(&[&["--format", "chat"], words].concat()),
    );
    let lines = exported.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = schema
            .iter_errors(&line)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{line:#}\n{}", errors.join("\n"));
        let last = line["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(last["role"], "assistant");
        line
    });
    lines.collect()
}

/// A trace of one model call that was answered.
fn called(trace: &str, input: Value, output: Value) -> Vec<Value> {
    vec![
        json!({
            "event_id": format!("{trace}1"), "event_type": "trace.start", "trace_id": trace, "name": trace,
            "occurred_at": "2026-11-20T23:15:00Z",
        }),
        json!({
            "event_id": format!("{trace}2"), "event_type": "span.end", "trace_id": trace, "span_id": "s",
            "span_type": "llm", "name": "chat", "occurred_at": "2026-11-20T23:15:01Z", "model": { "model": "m" },
            "raw": { "input": input, "output": output },
        }),
        json!({
            "event_id": format!("{trace}3"), "event_type": "trace.end", "trace_id": trace, "status": "ok",
            "occurred_at": "2026-11-20T23:15:02Z",
        }),
    ]
}

#[test]
fn messages_that_a_program_reports_are_the_conversation() {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let mut events = fixture::support_agent("reported", start);
    events.push(json!({
        "event_id": "score", "event_type": "eval.result", "trace_id": "reported", "name": "exact",
        "occurred_at": "2026-11-20T23:15:00Z", "outcome": { "eval_score": 0.5 },
    }));
    let dir = Dir::with(&events);
    let lines = lines(&dir, &[]);
    insta::assert_json_snapshot!("chat_reported", lines);
    let bare = dir.export(&["--format", "chat", "--without-metadata"]);
    assert!(!bare.contains("metadata"), "{bare}");
}

#[test]
fn the_words_of_every_provider_become_one() {
    let mut events = called(
        "openai",
        json!({
            "model": "m", "parallel_tool_calls": false,
            "messages": [
                { "role": "developer", "content": "Be brief." },
                { "role": "user", "content": [
                    { "type": "text", "text": "What is this?" },
                    { "type": "image_url", "image_url": { "url": "https://example.com/a.png" } },
                ] },
                { "role": "assistant", "content": null, "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "look", "arguments": "{\"at\":1}" } },
                ] },
                { "role": "tool", "tool_call_id": "c1", "content": "a cat" },
            ],
            "tools": [
                { "type": "function", "function": { "name": "look", "parameters": { "type": "object" } } },
                { "type": "web_search_preview" },
            ],
        }),
        json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": "A cat." } }] }),
    );
    events.extend(called(
        "anthropic",
        json!({
            "model": "m", "system": "Be brief.",
            "messages": [
                { "role": "user", "content": "Weather?" },
                { "role": "assistant", "content": [
                    { "type": "thinking", "thinking": "hm" },
                    { "type": "text", "text": "Let me look." },
                    { "type": "tool_use", "id": "t1", "name": "weather", "input": { "city": "Ulm" } },
                    { "type": "tool_use", "id": "t2", "name": "weather", "input": { "city": "Bonn" } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "t2", "content": "rain" },
                    { "type": "tool_result", "tool_use_id": "t1", "content": [{ "type": "text", "text": "sun" }] },
                    { "type": "text", "text": "And?" },
                ] },
            ],
            "tools": [{ "name": "weather", "description": "Tells it.", "input_schema": { "type": "object" } }],
        }),
        json!({ "role": "assistant", "content": [{ "type": "text", "text": "Sun in Ulm." }] }),
    ));
    events.extend(called(
        "gemini",
        json!({
            "systemInstruction": { "parts": [{ "text": "Be brief." }] },
            "contents": [
                { "role": "user", "parts": [{ "text": "Weather?" }] },
                { "role": "model", "parts": [{ "functionCall": { "name": "weather", "args": { "city": "Ulm" } } }] },
                { "role": "user", "parts": [
                    { "functionResponse": { "name": "weather", "response": { "sky": "blue" } } },
                ] },
            ],
            "tools": [{ "functionDeclarations": [{ "name": "weather", "parameters": { "type": "object" } }] }],
        }),
        json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": "Blue." }] } }] }),
    ));
    events.extend(called(
        "responses",
        json!({
            "model": "m", "instructions": "Be brief.",
            "input": [
                { "role": "user", "content": "Weather?" },
                { "type": "reasoning", "summary": [] },
                { "type": "function_call", "call_id": "f1", "name": "weather", "arguments": "{}" },
                { "type": "function_call_output", "call_id": "f1", "output": "blue" },
            ],
            "tools": [{ "type": "function", "name": "weather", "parameters": { "type": "object" }, "strict": true }],
        }),
        json!({ "model": "m", "output": [
            { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Blue." }] },
        ] }),
    ));
    // Says nothing, and is left out.
    events.extend(called("silent", json!("what?"), json!(7)));
    let dir = Dir::with(&events);
    let mut lines = lines(&dir, &[]);
    lines.sort_by_key(|line| line["metadata"]["trace_id"].to_string());
    insta::assert_json_snapshot!("chat_providers", lines);
    let (_, said) = dir.succeed(&["export", "--format", "chat"]);
    assert_eq!(
        said,
        "4 traces written\n1 traces hold no conversation in which a model has spoken\n"
    );
}
