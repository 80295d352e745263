//! One answer in the words of each API, whole and as a stream.

use serde_json::{Value, json};

use crate::model::events;

/// How an API says one thing.
pub struct Conversation {
    /// Where it is asked.
    pub path: &'static str,
    /// What is asked, as a stream.
    pub request: Value,
    /// The events of the answer; the last one says that it is complete.
    pub stream: Vec<String>,
    /// The text of the answer after so many events.
    pub text: fn(&Value) -> String,
}

fn text_at(pointer: &'static str) -> impl Fn(&Value) -> String {
    move |output| {
        output
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

fn each(values: &[Value]) -> Vec<String> {
    values
        .iter()
        .map(|value| events(std::slice::from_ref(value)))
        .collect()
}

/// "one two three", from all who can stream.
pub fn conversations() -> Vec<Conversation> {
    let words = ["one ", "two ", "three"];
    let chat = |text: &str| json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
    let mut chats = each(&words.map(chat));
    chats.push("data: [DONE]\n\n".to_owned());

    let mut responses = vec![
        json!({ "type": "response.output_item.added", "output_index": 0, "item": { "type": "message", "content": [] } }),
    ];
    responses.extend(words.map(|text| {
        json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text })
    }));
    responses.push(json!({ "type": "response.completed", "response": {
        "output": [{ "type": "message", "content": [{ "type": "output_text", "text": "one two three" }] }],
        "usage": { "input_tokens": 4, "output_tokens": 3 } } }));

    let mut messages = vec![
        json!({ "type": "message_start", "message": { "role": "assistant", "usage": { "input_tokens": 4 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
    ];
    messages.extend(words.map(|text| {
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } })
    }));
    messages.push(json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 3 } }));
    messages.push(json!({ "type": "message_stop" }));

    let part = |text: &str| json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": text }] } }] });
    let mut gemini: Vec<Value> = words[..2].iter().map(|text| part(text)).collect();
    let mut last = part(words[2]);
    last["candidates"][0]["finishReason"] = "STOP".into();
    last["usageMetadata"] = json!({ "promptTokenCount": 4, "candidatesTokenCount": 3 });
    gemini.push(last);

    vec![
        Conversation {
            path: "/v1/chat/completions",
            request: json!({ "model": "m", "stream": true, "messages": [{ "role": "user", "content": "Count." }] }),
            stream: chats,
            text: |output| text_at("/content")(output),
        },
        Conversation {
            path: "/v1/responses",
            request: json!({ "model": "m", "stream": true, "input": "Count." }),
            stream: each(&responses),
            text: |output| text_at("/0/content/0/text")(output),
        },
        Conversation {
            path: "/v1/messages",
            request: json!({ "model": "m", "stream": true, "max_tokens": 9, "messages": [{ "role": "user", "content": "Count." }] }),
            stream: each(&messages),
            text: |output| text_at("/content/0/text")(output),
        },
        Conversation {
            path: "/v1beta/models/m:streamGenerateContent?alt=sse",
            request: json!({ "contents": [{ "role": "user", "parts": [{ "text": "Count." }] }] }),
            stream: each(&gemini),
            text: |output| text_at("/parts/0/text")(output),
        },
    ]
}
