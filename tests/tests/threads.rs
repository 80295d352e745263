//! Many threads record at once while the worker reads: nothing is lost, torn or told twice.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::HashMap;

use rollout::{MemoryExporter, SpoolKind};
use serde_json::{Value, json};

const THREADS: u64 = 4;
const CALLS: u64 = 1_500;

/// A leaf whose arguments and result are of every length modulo the words of the queue.
#[rollout::tool]
fn leaf(n: u64, text: &str) -> String {
    format!("{n}{}", half(text))
}

fn half(text: &str) -> &str {
    &text[..text.len() / 4 * 2]
}

#[rollout::span(capture_input = false, capture_output = false)]
fn bare_leaf() {}

#[rollout::task]
fn branch(n: u64) -> u64 {
    let text = "é".repeat(usize::try_from(n % 29).unwrap());
    bare_leaf();
    leaf(n, &text);
    bare_leaf();
    n + 1
}

#[derive(Default)]
struct Seen {
    start: Option<Value>,
    end: Option<Value>,
}

#[test]
fn every_span_starts_and_ends_once_with_its_own_values() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryExporter::with_capacity(1_000_000);
    let guard = rollout::builder()
        .enabled(true)
        .dir(dir.path())
        .spool(SpoolKind::Memory)
        .exporters([])
        .exporter(Box::new(memory.clone()))
        .max_queue_bytes(256 << 20)
        .init()
        .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for n in 0..CALLS {
                    branch(thread * CALLS + n);
                }
            });
        }
    });
    guard.blocking_flush(rollout_tests::DEADLINE).unwrap();
    assert_eq!(guard.stats().events_lost(), 0);

    let mut spans: HashMap<String, Seen> = HashMap::new();
    let mut last_sequence: HashMap<String, u64> = HashMap::new();
    for event in memory.events() {
        let trace = event["trace_id"].as_str().unwrap().to_owned();
        let sequence = event["sequence"].as_u64().unwrap();
        let before = last_sequence.insert(trace, sequence).unwrap_or(0);
        assert!(before < sequence, "{event}");
        let Some(id) = event["span_id"].as_str() else {
            continue;
        };
        let seen = spans.entry(id.to_owned()).or_default();
        match event["event_type"].as_str().unwrap() {
            "span.start" | "tool.call" => {
                assert!(seen.end.is_none(), "ended before it began: {event}");
                assert!(seen.start.replace(event).is_none(), "begun twice");
            }
            "span.end" | "tool.result" => assert!(seen.end.replace(event).is_none(), "ended twice"),
            _ => {}
        }
    }
    assert_eq!(spans.len() as u64, THREADS * CALLS * 4);
    for seen in spans.values() {
        let (start, end) = (seen.start.as_ref().unwrap(), seen.end.as_ref().unwrap());
        assert_eq!(start["started_at"], end["started_at"]);
        assert_eq!(end["status"], "ok");
        match start["name"].as_str().unwrap() {
            "leaf" => {
                let n = start["raw"]["arguments"]["n"].as_u64().unwrap();
                let text = "é".repeat(usize::try_from(n % 29).unwrap());
                assert_eq!(start["raw"]["arguments"]["text"], json!(text));
                assert_eq!(end["raw"]["result"], json!(format!("{n}{}", half(&text))));
            }
            "branch" => {
                let n = start["raw"]["input"]["n"].as_u64().unwrap();
                assert_eq!(end["raw"]["output"], json!(n + 1));
            }
            _ => {
                assert!(start.get("raw").is_none() && end.get("raw").is_none());
            }
        }
    }
}
