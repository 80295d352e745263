//! Answers of models, however their bytes come.

use std::cell::LazyCell;
use std::fmt::Write as _;

use bytes::Bytes;
use fastrand::Rng;
use serde_json::{Value, json};

use super::Recording;
use super::answering::{Answer, End};
use crate::DEADLINE;

/// What an answer is, in the first byte of the input; what follows is where it is cut, how it ends, and its body.
pub(super) struct Shape {
    api: usize,
    /// Through `reqwest`, else through rig.
    over_reqwest: bool,
    body: BodyOf,
    refused: bool,
}

pub(super) enum BodyOf {
    /// The bytes are server-sent events.
    Events,
    /// They are JSON.
    Json,
    /// They are what is said, put into events that are good.
    Text,
}

/// The addresses of the APIs that are known.
const PATHS: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/messages",
    "/v1beta/models/m:streamGenerateContent",
];

impl Shape {
    fn of(byte: u8) -> Self {
        Self {
            api: usize::from(byte) % 5,
            over_reqwest: byte / 5 % 2 == 1,
            body: match byte / 10 % 3 {
                0 => BodyOf::Events,
                1 => BodyOf::Json,
                _ => BodyOf::Text,
            },
            refused: byte / 30 % 4 == 3,
        }
    }

    /// The byte that says so, for seeds.
    pub(super) fn byte(api: usize, over_reqwest: bool, body: BodyOf) -> u8 {
        let body = match body {
            BodyOf::Events => 0,
            BodyOf::Json => 10,
            BodyOf::Text => 20,
        };
        api as u8 + u8::from(over_reqwest) * 5 + body
    }

    /// Makes a call that is answered so, and gives what the program sees.
    fn ask(&self, pieces: Vec<Bytes>, end: End) -> Vec<u8> {
        let answer = Answer {
            status: if self.refused { 400 } else { 200 },
            media_type: match self.body {
                BodyOf::Json => "application/json",
                BodyOf::Events | BodyOf::Text => "text/event-stream",
            },
            pieces,
            end,
        };
        let url = format!("http://localhost{}", PATHS[self.api]);
        if self.over_reqwest {
            answer.over_reqwest(&url)
        } else {
            answer.over_rig(&url)
        }
    }
}

/// What is read of an input, in bytes: so much that no value is cut, whatever escapes are in it.
const MOST_BYTES: usize = 8 * 1024;

thread_local! {
    static CLIENT: LazyCell<Recording> = LazyCell::new(|| Recording::new(|builder| builder));
}

/// A body of an answer, and how it comes. The program sees the bytes as they are; what is recorded is the same
/// however they are cut; and where they are events of text, it is that text.
pub fn sse(data: &[u8]) {
    let [shape, cuts, end, body @ ..] = data else {
        return;
    };
    let body = &body[..body.len().min(MOST_BYTES)];
    let shape = Shape::of(*shape);
    let end = match end % 4 {
        0 | 1 => End::Complete,
        2 => End::Dropped,
        _ => End::Broken,
    };
    let mut random = Rng::with_seed(u64::from(*cuts));
    let (body, said) = match shape.body {
        BodyOf::Text => told(shape.api, &String::from_utf8_lossy(body), &mut random),
        BodyOf::Events | BodyOf::Json => (body.to_vec(), None),
    };
    let body = Bytes::from(body);
    let pieces = cut(&body, &mut random);
    CLIENT.with(|recording| {
        let trace = recording.client.trace("answers").start();
        trace.in_scope(|| {
            rollout::signal("said", &said);
            for pieces in [vec![body.clone()], pieces] {
                let seen = shape.ask(pieces, end);
                assert_eq!(seen, body, "the program sees what was sent");
            }
        });
        trace.end();
        compare(recording, said.is_some() && !shape.refused);
    });
}

/// Reads what was recorded of the two calls, whole and in pieces.
fn compare(recording: &Recording, told: bool) {
    let report = recording.client.blocking_flush(DEADLINE).expect("a report");
    assert!(report.is_complete(), "{report:?}");
    // Where reading an answer panics, what it says is dropped and counted.
    let dropped = recording.client.stats().dropped;
    assert!(dropped.values().all(|count| *count == 0), "{dropped:?}");
    let events = recording.memory.events();
    recording.memory.clear();
    let ends: Vec<Value> = events
        .iter()
        .filter(|event| event["event_type"] == "span.end" && event["span_type"] == "llm")
        .map(lasting)
        .collect();
    let [whole, cut] = &ends[..] else {
        panic!("not two calls: {events:#?}");
    };
    assert_eq!(whole, cut, "what is recorded hangs on how the bytes came");
    if told {
        let signal = events.iter().find(|event| event["name"] == "said");
        let said = &signal.expect("a signal")["attributes"]["value"];
        assert_eq!(&cut["raw"]["output"], said);
        // What looks like a key is masked where it is whole.
        if !says(said, "[redacted]") {
            let previews = events
                .iter()
                .filter_map(|event| event["raw"]["stream_preview"].as_str());
            for preview in previews {
                assert!(says(said, preview), "{preview:?} is shown of {said}");
            }
        }
    }
}

/// Whether a text is somewhere in a value.
fn says(value: &Value, text: &str) -> bool {
    match value {
        Value::String(whole) => whole.contains(text),
        Value::Array(items) => items.iter().any(|item| says(item, text)),
        Value::Object(members) => members.values().any(|member| says(member, text)),
        _ => false,
    }
}

/// What of an event has nothing to do with times and ids.
fn lasting(event: &Value) -> Value {
    let mut event = event.clone();
    let members = event.as_object_mut().expect("an event");
    members.retain(|name, _| {
        matches!(
            name.as_str(),
            "attributes" | "error" | "model" | "raw" | "status" | "usage"
        )
    });
    if let Some(attributes) = members.get_mut("attributes").and_then(Value::as_object_mut) {
        attributes.remove("gen_ai.response.time_to_first_chunk");
        attributes.remove("rollout.time_between_chunks");
        attributes.remove("rollout.ns");
    }
    event
}

/// The bytes in pieces, some of them empty.
fn cut(bytes: &Bytes, random: &mut Rng) -> Vec<Bytes> {
    let most = [1, 2, 20, 500, 3000][random.usize(..5)];
    let mut rest = bytes.clone();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        pieces.push(rest.split_to(random.usize(..=most).min(rest.len())));
    }
    pieces
}

/// Events that say a text bit by bit, as the API at hand says it, and what an answer to a call is that says all of it.
fn told(api: usize, text: &str, random: &mut Rng) -> (Vec<u8>, Option<Value>) {
    let mut bits = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.ceil_char_boundary(random.usize(1..=40).min(rest.len()));
        let (bit, after) = rest.split_at(at);
        bits.push(bit);
        rest = after;
    }
    let mut events = Vec::new();
    let said = match api {
        0 => {
            let delta = |delta: Value| json!({ "choices": [{ "index": 0, "delta": delta }] });
            events.push(delta(json!({ "role": "assistant", "content": "" })));
            let call = |function: Value| {
                delta(json!({ "tool_calls": [{ "index": 0, "function": function }] }))
            };
            events.push(call(json!({ "name": "f", "arguments": "" })));
            for bit in bits {
                events.push(delta(json!({ "content": bit })));
                events.push(call(json!({ "arguments": bit })));
            }
            let function = json!({ "name": "f", "arguments": text });
            json!({ "role": "assistant", "content": text, "tool_calls": [{ "function": function }] })
        }
        1 => {
            let item = json!({ "type": "message", "role": "assistant", "content": [] });
            events.push(
                json!({ "type": "response.output_item.added", "output_index": 0, "item": item }),
            );
            let delta = |bit: &str| json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": bit });
            events.push(delta(""));
            events.extend(bits.into_iter().map(delta));
            json!([{ "type": "message", "role": "assistant", "content": [{ "text": text }] }])
        }
        3 => {
            events.push(json!({ "type": "message_start", "message": { "role": "assistant" } }));
            let block = json!({ "type": "text", "text": "" });
            events
                .push(json!({ "type": "content_block_start", "index": 0, "content_block": block }));
            for bit in bits {
                let delta = json!({ "type": "text_delta", "text": bit });
                events.push(json!({ "type": "content_block_delta", "index": 0, "delta": delta }));
            }
            json!({ "role": "assistant", "content": [{ "type": "text", "text": text }] })
        }
        4 => {
            let piece = |bit: &str| json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": bit }] } }] });
            events.push(piece(""));
            events.extend(bits.into_iter().map(piece));
            json!({ "role": "model", "parts": [{ "text": text }] })
        }
        // Embeddings say nothing.
        _ => return (Vec::new(), None),
    };
    let mut written = String::new();
    for event in &events {
        write_event(&mut written, &event.to_string(), random);
    }
    (written.into_bytes(), Some(said))
}

/// An event in one of the ways in which it may be written.
fn write_event(to: &mut String, data: &str, random: &mut Rng) {
    // Not one for each line: a CR before an LF would be one ending with it.
    let ending = ["\n", "\r\n", "\r"][random.usize(..3)];
    let mut line = |line: std::fmt::Arguments<'_>| {
        write!(to, "{line}{ending}").expect("a string takes it");
    };
    if random.u8(..8) == 0 {
        line(format_args!(": a comment, data: none"));
    }
    if random.bool() {
        line(format_args!("event: something"));
    }
    // White space between tokens may be a new line of data.
    match data.split_once(':').filter(|_| random.u8(..4) == 0) {
        Some((name, rest)) => {
            line(format_args!("data:{name}"));
            line(format_args!("data: :{rest}"));
        }
        None => line(format_args!("data: {data}")),
    }
    line(format_args!(""));
}

/// What to begin with: of each API a whole answer, a stream with most of what there is in one, and a text.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let streams = [
        vec![
            json!({ "id": "c", "model": "m", "choices": [{ "index": 1, "delta": { "role": "assistant", "content": "Hé" } }] }),
            json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [{ "id": "t", "function": { "name": "f", "arguments": "{\"a" } }] } }] }),
            json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [{ "function": { "arguments": "\":1}" } }], "reasoning": "so" }, "finish_reason": "tool_calls" }] }),
            json!({ "choices": [], "usage": { "prompt_tokens": 1, "completion_tokens": 2.0, "prompt_tokens_details": { "cached_tokens": 1 } } }),
            json!({ "error": { "message": "overloaded", "code": 529 } }),
        ],
        vec![
            json!({ "type": "response.created", "response": { "id": "r", "model": "m" } }),
            json!({ "type": "response.output_item.added", "output_index": 0, "item": { "type": "function_call", "arguments": "" } }),
            json!({ "type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}" }),
            json!({ "type": "response.reasoning_summary_text.delta", "output_index": 1, "summary_index": 1, "delta": "so" }),
            json!({ "type": "response.completed", "response": { "status": "completed", "output": [{ "type": "message" }], "usage": { "input_tokens": 1, "output_tokens": 2 } } }),
        ],
        Vec::new(),
        vec![
            json!({ "type": "message_start", "message": { "id": "m", "model": "m", "role": "assistant", "usage": { "input_tokens": 1, "cache_read_input_tokens": 2 } } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "tool_use", "input": {} } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "input_json_delta", "partial_json": "{\"a\":1}" } }),
            json!({ "type": "content_block_delta", "index": 1, "delta": { "thinking": "so", "citation": { "a": 1 } } }),
            json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 5 } }),
            json!({ "type": "message_stop" }),
            json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }),
        ],
        vec![
            json!({ "candidates": [{ "index": 0, "content": { "role": "model", "parts": [{ "text": "so", "thought": true }, { "functionCall": {} }] } }] }),
            json!({ "candidates": [{ "index": 1, "content": { "parts": [{ "text": "Hé" }] }, "finishReason": "STOP" }], "usageMetadata": { "promptTokenCount": 1, "thoughtsTokenCount": 2 } }),
            json!({ "responseId": "r", "modelVersion": "m", "promptFeedback": { "blockReason": "SAFETY" } }),
        ],
    ];
    let whole = [
        json!({ "id": "c", "model": "m", "choices": [{ "message": { "role": "assistant", "content": "Hello" }, "finish_reason": "stop" }], "usage": { "total_tokens": 3, "cost": 0.5 } }),
        json!({ "id": "r", "output": [{ "type": "message" }], "incomplete_details": { "reason": "max_output_tokens" } }),
        json!({ "model": "m", "data": [{ "embedding": [0.1, 0.2] }], "usage": { "prompt_tokens": 4 } }),
        json!({ "role": "assistant", "content": [{ "type": "text", "text": "Hello" }], "stop_reason": "end_turn", "usage": { "output_tokens": 4 } }),
        json!([{ "candidates": [{ "content": { "parts": [{ "text": "Hello" }] } }] }]),
    ];
    let text =
        "Say “hello” to\r\n\"data: [DONE]\"\n\n\u{feff}and to \u{1f600}, \\ and \0.".repeat(8);
    let mut seeds = Vec::new();
    for (api, (stream, whole)) in streams.iter().zip(&whole).enumerate() {
        let stream = crate::model::events(stream) + ": ping\r\n\r\ndata: [DONE]\n\n";
        for over_reqwest in [false, true] {
            let mut seed = |kind: BodyOf, bytes: &[u8]| {
                let number = seeds.len() as u8;
                let head = [Shape::byte(api, over_reqwest, kind), number, number];
                seeds.push([&head, bytes].concat());
            };
            seed(BodyOf::Events, stream.as_bytes());
            seed(BodyOf::Json, whole.to_string().as_bytes());
            seed(BodyOf::Text, text.as_bytes());
        }
    }
    seeds
}
