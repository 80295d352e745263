//! Span processors, as a program uses them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that the tests share are tests too"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rollout_core::{
    Client, SpanData, SpanEnd, SpanId, SpanProcessor, SpanStatus, SpoolKind, TraceId,
};

const SECONDS: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq)]
struct Seen {
    name: String,
    span_type: String,
    trace: Option<TraceId>,
    span: Option<SpanId>,
    parent: Option<SpanId>,
    ended: Option<SpanStatus>,
    took: Duration,
    started_at: SystemTime,
}

#[derive(Clone, Default)]
struct Collecting(Arc<Mutex<Vec<Seen>>>);

impl Collecting {
    fn see(&self, span: &SpanData<'_>, ended: Option<SpanStatus>) {
        self.0.lock().unwrap().push(Seen {
            name: span.name().unwrap_or_default().to_owned(),
            span_type: span.span_type().unwrap_or_default().to_owned(),
            trace: span.trace_id(),
            span: span.span_id(),
            parent: span.parent_span_id(),
            ended,
            took: span.duration(),
            started_at: span.started_at(),
        });
    }

    fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }
}

impl SpanProcessor for Collecting {
    fn on_start(&mut self, span: &SpanData<'_>) {
        self.see(span, None);
    }

    fn on_end(&mut self, span: &SpanData<'_>) {
        self.see(span, Some(span.status()));
    }
}

struct Panicking;

impl SpanProcessor for Panicking {
    fn on_end(&mut self, _: &SpanData<'_>) {
        panic!("on purpose");
    }
}

fn client(dir: &tempfile::TempDir) -> rollout_core::Builder {
    Client::builder().dir(dir.path()).spool(SpoolKind::Memory)
}

/// A trace of an agent that calls a tool, which fails.
fn record(client: &Client) -> TraceId {
    let trace = client.trace("answer").start();
    let agent = trace.span("agent").name("planner").start();
    agent.in_scope(|| {
        let tool = client.tool("search").start();
        tool.end_with(SpanEnd {
            error: Some("too slow".into()),
            ..SpanEnd::default()
        });
    });
    agent.end();
    trace.end();
    trace.id().unwrap()
}

#[test]
fn see_each_span_start_and_end_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let collecting = Collecting::default();
    let client = client(&dir)
        .exporters([])
        .span_processor(collecting.clone())
        .build()
        .unwrap();
    let before = SystemTime::now() - Duration::from_secs(1);
    let trace = record(&client);
    client.blocking_flush(SECONDS).unwrap();

    let seen = collecting.seen();
    let told: Vec<_> = seen
        .iter()
        .map(|seen| (seen.name.as_str(), seen.span_type.as_str(), seen.ended))
        .collect();
    assert_eq!(
        told,
        [
            ("planner", "agent", None),
            ("search", "tool", None),
            ("search", "tool", Some(SpanStatus::Error)),
            ("planner", "agent", Some(SpanStatus::Ok)),
        ]
    );
    assert!(seen.iter().all(|seen| seen.trace == Some(trace)));
    assert_eq!(seen[1].parent, seen[0].span);
    assert_eq!(seen[0].span, seen[3].span);
    assert!(seen[3].took >= seen[2].took && seen[2].took > Duration::ZERO);
    assert!(seen.iter().all(|seen| seen.started_at > before));
    assert_eq!(seen[1].started_at, seen[2].started_at);
    // Nobody reads what was recorded, and all of it is accounted for.
    let stats = client.stats();
    assert_eq!(stats.recorded, 6);
    assert!(stats.dropped.is_empty(), "{:?}", stats.dropped);
}

#[test]
fn see_what_exporters_get_too() {
    let dir = tempfile::tempdir().unwrap();
    let collecting = Collecting::default();
    let exporter = rollout_core::MemoryExporter::new();
    let events = exporter.clone();
    let client = client(&dir)
        .exporters([])
        .exporter(Box::new(exporter))
        .span_processor(collecting.clone())
        .build()
        .unwrap();
    record(&client);
    client.blocking_flush(SECONDS).unwrap();
    assert_eq!(collecting.seen().len(), 4);
    assert_eq!(events.events().len(), 6);
}

#[test]
fn that_panic_are_left_out_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let collecting = Collecting::default();
    let client = client(&dir)
        .exporters([])
        .span_processor(Panicking)
        .span_processor(collecting.clone())
        .build()
        .unwrap();
    record(&client);
    record(&client);
    client.blocking_flush(SECONDS).unwrap();
    assert_eq!(collecting.seen().len(), 8);
}
