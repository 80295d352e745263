//! Whatever events come, in whatever order: what goes out is valid OTLP, and nothing is kept for ever.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use prost::Message as _;
use serde_json::{Value, json};

use super::collect::{Collector, Ready};
use super::open::Origin;
use super::write::Words;
use crate::event::{Event, EventType};

/// An event about one of few spans of few traces, with something of everything.
fn event() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(|text| json!(text)),
        Just(json!([1, "a", { "b": [] }])),
        Just(
            json!({ "messages": [{ "role": "user", "content": [{ "type": "text" }, 3] }, "cut"], "tools": [7, {}] })
        ),
        Just(json!([{ "type": "function_call", "arguments": "{" }, { "type": "reasoning" }])),
        Just(
            json!({ "role": "model", "parts": [{ "functionCall": {} }, { "inlineData": { "data": "" } }] })
        ),
    ];
    let name = prop_oneof![
        "[a-z]{0,3}",
        Just("input".to_owned()),
        Just("gen_ai.request.top_p".to_owned()),
        Just("gen_ai.response.finish_reasons".to_owned()),
        Just("rollout.parent.remote".to_owned()),
        Just("rollout.tags".to_owned()),
        Just("rollout.ns".to_owned()),
        Just("rollout.usage.x".to_owned()),
    ];
    let attributes = prop::collection::btree_map(name, value.clone(), 0..4);
    (
        (prop::sample::select(EventType::ALL), 1..3_u128, 0..4_u64, 0..4_u64),
        (0..50_u64, 0..50_u64, 0..9_u64),
        prop::sample::select(vec!["agent", "llm", "tool", "retrieval", "task", "odd"]),
        (attributes, value.clone(), value, ".{0,8}"),
    )
        .prop_map(|(ids, times, span_type, (attributes, input, output, name))| {
            let ((kind, trace, span, parent), (at, started, number)) = (ids, times);
            let time = |seconds: u64| format!("2026-01-01T00:00:{seconds:02}.000001Z");
            let mut event = json!({
                "event_id": format!("evt_{number}_{at}"), "event_type": kind.as_str(), "trace_id": format!("{trace:032x}"),
                "sequence": number, "occurred_at": time(at), "started_at": time(started), "ended_at": time(at),
                "span_type": span_type, "name": name, "attributes": attributes,
                "raw": { "input": input, "output": output },
                "outcome": { "success": at % 2 == 0 },
                "usage": { "input_tokens": at, "cached_tokens": started },
                "message": { "role": "user", "content": input },
            });
            if span > 0 {
                event["span_id"] = format!("{span:016x}").into();
            }
            if parent > 0 {
                event["parent_span_id"] = format!("{parent:016x}").into();
            }
            event
        })
}

fn is_unique(attributes: &[KeyValue]) -> bool {
    let names: BTreeSet<&str> = attributes.iter().map(|a| a.key.as_str()).collect();
    names.len() == attributes.len() && !names.contains("")
}

fn is_valid(span: &Span) {
    let is_id = |id: &[u8], length: usize| id.len() == length && id.iter().any(|byte| *byte != 0);
    assert!(is_id(&span.trace_id, 16));
    assert!(is_id(&span.span_id, 8));
    assert!(span.parent_span_id.is_empty() || is_id(&span.parent_span_id, 8));
    assert_ne!(span.parent_span_id, span.span_id);
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    assert!(!span.name.is_empty());
    assert!(is_unique(&span.attributes), "{:?}", span.attributes);
    assert!(span.events.iter().all(|event| is_unique(&event.attributes)));
    assert!(span.events.is_sorted_by_key(|event| event.time_unix_nano));
    assert!(
        span.links
            .iter()
            .all(|link| is_id(&link.trace_id, 16) && is_id(&link.span_id, 8))
    );
    assert_eq!(Span::decode(&span.encode_to_vec()[..]).as_ref(), Ok(span));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_out_is_valid(events in prop::collection::vec(event(), 0..40)) {
        for words in [Words::Own, Words::MlFlow, Words::Langfuse, Words::TraceRoot] {
            let mut collector = Collector::new(words);
            let mut out: Vec<Ready> = Vec::new();
            for (index, event) in events.iter().enumerate() {
                let event: Event = serde_json::from_value(event.clone()).unwrap();
                let origin = Origin { writer: None, batch: index as u64, index };
                let before = out.len();
                collector.take(&event, &origin, &mut out).unwrap();
                prop_assert!(out[before..].iter().all(|ready| ready.index == index));
            }
            collector.interrupt(None, &mut out);
            prop_assert_eq!(collector.needs_from(None), None, "nothing is kept");
            for ready in &out {
                is_valid(&ready.span);
            }
        }
    }
}

/// What is open has a bound in memory; beyond it, what began first is forgotten, and its end says so.
#[test]
fn what_is_open_is_bounded() {
    let mut collector = Collector::new(Words::Own);
    let mut out: Vec<Ready> = Vec::new();
    let input = "x".repeat(1 << 20);
    let mut take = |kind: &str, span: u64| {
        let event = json!({
            "event_id": format!("{kind}_{span}"), "event_type": kind, "trace_id": format!("{:032x}", 1),
            "span_id": format!("{span:016x}"), "name": "n", "occurred_at": "2026-01-01T00:00:00Z",
            "raw": if kind == "span.start" { json!({ "input": input }) } else { json!({}) },
        });
        let event: Event = serde_json::from_value(event).unwrap();
        let origin = Origin {
            writer: None,
            batch: span,
            index: 0,
        };
        collector.take(&event, &origin, &mut out).unwrap();
        collector.needs_from(None)
    };
    for span in 1..=40 {
        take("span.start", span);
    }
    // 31 MiB of inputs, and what is beside them.
    assert_eq!(take("span.end", 1), Some(10));
    take("span.end", 40);
    let said = |ready: &Ready| {
        let names = ready.span.attributes.iter().map(|a| a.key.clone());
        let names: BTreeSet<String> = names.collect();
        (
            names.contains("rollout.incomplete"),
            names.contains("input.value"),
        )
    };
    let said: Vec<_> = out.iter().map(said).collect();
    assert_eq!(said, [(true, false), (false, true)]);
}
