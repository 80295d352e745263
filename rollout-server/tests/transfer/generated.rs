//! Traces made up, out and in again.

use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value, json};

use crate::{Dir, assert_same};

/// Names of attributes, those among them that mean something to the store.
const NAMES: &[&str] = &[
    "a",
    "tags",
    "rollout.ns",
    "rollout.metadata",
    "rollout.usage.audio_tokens",
    "rollout.link.trace_id",
    "rollout.trace.metadata",
    "rollout.trace.tags",
    "rollout.error.message",
    "rollout.error.chain",
    "rollout.dropped",
    "span_type",
    "service_name",
    "code.line.number",
    "é\"\\",
];

/// One event as its parts: what it is, which span it is of and which that is in, when, and what it says.
#[derive(Debug, Clone)]
struct Said {
    kind: &'static str,
    span: u8,
    parent: Option<u8>,
    at: i64,
    nanoseconds: u16,
    status: Option<&'static str>,
    payload: Option<u8>,
    attributes: Vec<(usize, u8)>,
    tokens: Option<u64>,
    failed: bool,
}

fn said() -> impl Strategy<Value = Said> {
    let kind = prop::sample::select(vec![
        "span.start",
        "span.end",
        "span.end",
        "span.update",
        "tool.call",
        "tool.result",
        "message",
        "metric",
        "feedback",
        "identity.update",
        "trace.update",
    ]);
    let status = option::of(prop::sample::select(vec![
        "ok",
        "error",
        "cancelled",
        "ABORTED",
    ]));
    (
        kind,
        0..6_u8,
        option::of(0..6_u8),
        0..50_i64,
        0..3_u16,
        status,
        option::of(any::<u8>()),
        vec((0..NAMES.len(), any::<u8>()), 0..3),
        option::of(0..1000_u64),
        any::<bool>(),
    )
        .prop_map(
            |(kind, span, parent, at, nanoseconds, status, payload, attributes, tokens, failed)| {
                Said {
                    kind,
                    span,
                    parent: parent.filter(|parent| *parent < span),
                    at,
                    nanoseconds,
                    status,
                    payload,
                    attributes,
                    tokens,
                    failed,
                }
            },
        )
}

impl Said {
    fn event(&self, number: usize, trace: u8) -> Value {
        let at = jiff::Timestamp::from_microsecond(1_767_323_045_000_000 + self.at).unwrap();
        let mut attributes = Map::new();
        for (name, value) in &self.attributes {
            let value = match NAMES[*name] {
                "tags" | "rollout.trace.tags" | "rollout.error.chain" => {
                    json!([format!("t{value}")])
                }
                "rollout.metadata" | "rollout.trace.metadata" => {
                    json!({ NAMES[usize::from(*value) % NAMES.len()]: "said apart" })
                }
                "rollout.dropped" => json!({ "queue": value }),
                _ => json!(value),
            };
            attributes.insert(NAMES[*name].to_owned(), value);
        }
        attributes.insert("rollout.ns".to_owned(), json!(self.nanoseconds * 400));
        let mut event = json!({
            "event_id": format!("e{number}"), "event_type": self.kind, "trace_id": format!("t{trace}"),
            "occurred_at": at, "attributes": attributes,
        });
        let of_span = !matches!(self.kind, "identity.update" | "trace.update" | "metric");
        if of_span {
            event["span_id"] = format!("{:016x}", self.span + 1).into();
            event["parent_span_id"] = self
                .parent
                .map(|parent| format!("{:016x}", parent + 1))
                .into();
        }
        match self.kind {
            "trace.update" => event["event_type"] = "span.update".into(),
            "tool.call" | "tool.result" => {
                event["tool"] = json!({ "name": "t", "tool_call_id": "c" });
            }
            "message" => event["message"] = json!({ "role": "user", "content": self.payload }),
            "identity.update" => {
                event["context"] = json!({ "user_id": "u", "user_traits": { "n": self.payload } });
            }
            _ => {}
        }
        if of_span && self.kind != "message" && self.kind != "feedback" {
            event["status"] = self.status.into();
            event["name"] = format!("s{}", self.span).into();
            if let Some(payload) = self.payload {
                event["raw"] = json!({ "input": payload, "output": { "p": payload } });
            }
            // Sums of these are exact in whichever order.
            if let Some(tokens) = self.tokens {
                event["usage"] = json!({ "input_tokens": tokens, "cost_usd": tokens as f64 / 4.0 });
            }
            if self.failed && self.kind.ends_with('d') {
                event["error"] = json!({ "type": "E", "message_preview": "it failed" });
            }
        }
        event
    }
}

/// A trace with or without a beginning and an end of its own.
fn trace() -> impl Strategy<Value = Vec<Value>> {
    (vec(said(), 1..25), any::<bool>(), any::<bool>()).prop_map(|(said, begins, ends)| {
        let mut events: Vec<Value> = said
            .iter()
            .enumerate()
            .map(|(number, said)| said.event(number, 0))
            .collect();
        let at = |us: i64| jiff::Timestamp::from_microsecond(1_767_323_045_000_000 + us).unwrap();
        if begins {
            events.push(json!({
                "event_id": "begin", "event_type": "trace.start", "trace_id": "t0", "external_trace_id": "x",
                "name": "it", "occurred_at": at(0), "agent": { "name": "a", "version": "1" },
                "context": { "session_id": "s" }, "raw": { "input": "in" }, "links": { "run_id": "r" },
            }));
        }
        if ends {
            events.push(json!({
                "event_id": "end", "event_type": "trace.end", "trace_id": "t0", "occurred_at": at(60),
                "duration_ms": 0.06, "status": "ok", "raw": { "output": "out" },
            }));
        }
        events
    })
}

/// What is answered, but for which of several inputs stands for a trace that has none: that of who was heard first,
/// whatever was heard of it later. Programs say one input of a span, at its start. Spans that began at one time stand in
/// the order in which they were heard of, so their order is none here.
fn told(dir: &Dir) -> Vec<Value> {
    let mut answers = dir.answers();
    for answer in &mut answers {
        for shape in ["row", "detail"] {
            answer[shape]["input_preview"] = Value::Null;
        }
        if let Some(spans) = answer["spans"].as_array_mut() {
            spans.sort_by_key(|span| span["row"]["span_id"].to_string());
        }
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn another_store_gives_the_same_answers(events in trace()) {
        let from = Dir::with(&events);
        let exported = from.export(&["--format", "ndjson"]);
        let to = Dir::new();
        to.import(&exported);
        assert_same(&told(&from), &told(&to));
        from.import(&exported);
        assert_same(&told(&to), &told(&from));
    }
}
