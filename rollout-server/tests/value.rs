//! Captured values, whichever provider's words they are in.

use rollout_server::value::{Chat, Part, preview, streamed};
use serde_json::{Value, json};

/// A conversation in short: who says or calls what.
fn told(value: &Value) -> Option<Vec<String>> {
    let chat = Chat::read(&value.to_string())?;
    let lines = chat.turns.into_iter().map(|turn| {
        let parts: Vec<_> = turn
            .parts
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Reasoning(text) => format!("({text})"),
                Part::Call {
                    name,
                    id,
                    arguments,
                } => format!("{name}{arguments}#{}", id.unwrap_or_default()),
                Part::Other(json) => json,
            })
            .collect();
        let answers = turn.answers.map(|id| format!("@{id}")).unwrap_or_default();
        format!("{}{answers}: {}", turn.role, parts.join(" "))
    });
    Some(lines.collect())
}

#[test]
fn chat_completions_are_conversations() {
    let request = json!({ "model": "gpt-4.1", "messages": [
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": [{ "type": "text", "text": "Hi" }, { "type": "image_url", "image_url": { "url": "u" } }] },
        { "role": "assistant", "content": null, "tool_calls": [{ "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{\"a\":1}" } }] },
        { "role": "tool", "tool_call_id": "c1", "content": "2" },
    ] });
    assert_eq!(
        told(&request),
        Some(vec![
            "system: Be brief.".to_owned(),
            r#"user: Hi {"image_url":{"url":"u"},"type":"image_url"}"#.to_owned(),
            r#"assistant: f{"a":1}#c1"#.to_owned(),
            "tool@c1: 2".to_owned(),
        ])
    );
    let answer = json!({ "id": "x", "choices": [{ "message": { "role": "assistant", "reasoning_content": "hm", "content": "Hello" } }] });
    assert_eq!(
        told(&answer),
        Some(vec!["assistant: (hm) Hello".to_owned()])
    );
    // As the one argument of a function.
    assert_eq!(told(&json!({ "request": answer })), told(&answer));
}

#[test]
fn anthropic_messages_are_conversations() {
    let request = json!({ "model": "claude", "max_tokens": 9, "system": "Be brief.", "messages": [
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": [{ "type": "thinking", "thinking": "hm" }, { "type": "tool_use", "id": "t1", "name": "f", "input": { "a": 1 } }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t1", "content": [{ "type": "text", "text": "2" }] }] },
    ] });
    assert_eq!(
        told(&request),
        Some(vec![
            "system: Be brief.".to_owned(),
            "user: Hi".to_owned(),
            r#"assistant: (hm) f{"a":1}#t1"#.to_owned(),
            "user: 2".to_owned(),
        ])
    );
    let answer = json!({ "role": "assistant", "content": [{ "type": "text", "text": "Hello" }], "usage": {} });
    assert_eq!(told(&answer), Some(vec!["assistant: Hello".to_owned()]));
}

#[test]
fn responses_and_generate_content_are_conversations() {
    let request = json!({ "model": "gpt-4.1", "instructions": "Be brief.", "input": "Hi" });
    let expected = Some(vec!["system: Be brief.".to_owned(), "user: Hi".to_owned()]);
    assert_eq!(told(&request), expected);
    let answer = json!({ "model": "gpt-4.1", "output": [
        { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "hm" }] },
        { "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}" },
        { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Hello" }] },
    ] });
    let expected = ["assistant: (hm)", "assistant: f{}#c1", "assistant: Hello"];
    assert_eq!(told(&answer), Some(expected.map(str::to_owned).to_vec()));

    let request = json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }],
    });
    let expected = Some(vec!["system: Be brief.".to_owned(), "user: Hi".to_owned()]);
    assert_eq!(told(&request), expected);
    let answer = json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "functionCall": { "name": "f", "args": { "a": 1 } } }] } }] });
    assert_eq!(
        told(&answer),
        Some(vec![r#"assistant: f{"a":1}#"#.to_owned()])
    );
}

#[test]
fn messages_of_opentelemetry_are_conversations() {
    let messages = json!([
        { "role": "user", "parts": [{ "type": "text", "content": "Hi" }] },
        { "role": "assistant", "parts": [
            { "type": "reasoning", "content": "hm" },
            { "type": "tool_call", "id": "c1", "name": "f", "arguments": { "a": 1 } },
        ] },
        { "role": "tool", "parts": [{ "type": "tool_call_response", "id": "c1", "response": { "b": 2 } }] },
    ]);
    let expected = [
        "user: Hi",
        r#"assistant: (hm) f{"a":1}#c1"#,
        r#"tool: {"b":2}"#,
    ];
    let expected = Some(expected.map(str::to_owned).to_vec());
    assert_eq!(told(&messages), expected);
    let system = json!([{ "type": "text", "content": "Be brief." }]);
    let both = told(&json!({ "system": system, "messages": messages })).unwrap();
    assert_eq!(both[0], "system: Be brief.");
    assert_eq!(Some(both[1..].to_vec()), expected);
}

#[test]
fn other_data_is_no_conversation() {
    for value in [
        json!("hello"),
        json!([1, 2]),
        json!([]),
        json!({ "messages": [] }),
        json!({ "role": "admin", "name": "Ada" }),
        json!({ "input": "Hi" }),
        json!({ "output": ["a"] }),
        json!({ "choices": [1, 2] }),
    ] {
        assert_eq!(told(&value), None, "{value}");
    }
}

#[test]
fn a_preview_is_one_short_line() {
    let shown = |value: Value| preview(&value.to_string(), 30);
    assert_eq!(
        shown(json!({ "question": "Where\n is  it?" })),
        "Where is it?"
    );
    assert_eq!(
        shown(json!({ "a": 1, "b": [true, null, { "c": "d" }] })),
        "a: 1, b: [true, null, {c: d}]"
    );
    assert_eq!(shown(json!("x".repeat(40))), format!("{}…", "x".repeat(29)));
    assert_eq!(
        shown(json!({ "messages": [{ "role": "user", "content": "Hi" }] })),
        "Hi"
    );
    assert_eq!(shown(json!("\u{1b}[2J")), "[2J");
    // More digits than a number holds, and a string that Rust's cannot hold.
    assert_eq!(
        preview("123456789012345678901234567890", 40),
        "123456789012345678901234567890"
    );
    assert_eq!(preview(r#""\ud800""#, 40), r#""\ud800""#);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(preview(&deep, 12), "[[[[[[[[[[[…");
}

#[test]
fn values_of_any_depth_are_read() {
    const DEPTH: usize = 100_000;
    for (open, close) in [
        ("[", "]"),
        (r#"{"a":"#, "}"),
        (r#"{"parts":["#, "]}"),
        (r#"{"role":"user","content":"#, "}"),
        (r#"[{"type":"tool_result","content":"#, "}]"),
    ] {
        let text = format!("{}1{}", open.repeat(DEPTH), close.repeat(DEPTH));
        let _ = preview(&text, 50);
        let message = format!(r#"[{{"role":"user","content":{text}}}]"#);
        assert!(Chat::read(&message).is_some());
    }
}

#[test]
fn the_items_of_a_stream_are_one_text() {
    assert_eq!(streamed(r#"["Hel","lo"]"#).as_deref(), Some("Hello"));
    assert_eq!(streamed(r#"["Hel",1]"#), None);
    assert_eq!(streamed("[]"), None);
}
