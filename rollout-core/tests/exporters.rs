//! Exporters by themselves: batches, `console`, `memory`, `http` without a client.

#![allow(
    clippy::unwrap_used,
    reason = "the functions that the tests share are tests too"
)]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use rollout_core::{Batch, ConsoleExporter, Exporter, MemoryExporter, Receipt};
use serde_json::{Value, json};

fn batch(events: &[Value]) -> Batch {
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    Batch::from_lines(lines.join("\n").as_bytes())
}

#[test]
fn a_batch_is_its_lines() {
    let whole = Batch::from_lines(b"{\"a\":1}\n\n  {\"a\":2} \r\n{\"a\":3}");
    assert_eq!(whole.len(), 3);
    assert_eq!(whole.bytes(), 21);
    let lines: Vec<_> = whole.events().collect();
    assert_eq!(lines, [b"{\"a\":1}", b"{\"a\":2}", b"{\"a\":3}"]);
    let part = whole.select([2, 0, 9]);
    assert_ne!(part.id(), whole.id());
    assert_eq!(whole.clone().id(), whole.id());
    let values: Vec<Value> = part.parsed().map(Result::unwrap).collect();
    assert_eq!(values, [json!({"a": 3}), json!({"a": 1})]);
    assert!(Batch::from_lines(b"\n").is_empty());
}

#[test]
fn memory_keeps_the_last_events() {
    let mut exporter = MemoryExporter::with_capacity(3);
    let shared = exporter.clone();
    let events: Vec<_> = (0..5).map(|n| json!({ "n": n })).collect();
    assert_eq!(
        block_on(exporter.export(&batch(&events[..2]))),
        Ok(Receipt::all())
    );
    assert_eq!(
        block_on(exporter.export(&batch(&events[2..]))),
        Ok(Receipt::all())
    );
    assert_eq!(shared.events(), events[2..]);
    shared.clear();
    assert!(exporter.events().is_empty());
}

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn start(id: &str, parent: Option<&str>, kind: &str, name: &str) -> Value {
    json!({"event_type": "span.start", "trace_id": "t1", "span_id": id, "parent_span_id": parent,
           "span_type": kind, "name": name})
}

fn end(id: &str, ms: f64) -> Value {
    json!({"event_type": "span.end", "trace_id": "t1", "span_id": id, "status": "ok",
           "duration_ms": ms})
}

#[test]
fn console_prints_a_tree_when_the_trace_ends() {
    let screen = Screen::default();
    let mut console = ConsoleExporter::to(screen.clone(), false);
    let mut model = end("c", 812.34);
    model["model"] = json!({"model": "gpt-\u{1b}[31mx"});
    model["usage"] = json!({"input_tokens": 900, "output_tokens": 12, "cost_usd": 0.0123});
    let first = [
        json!({"event_type": "trace.start", "trace_id": "t1", "name": "support_agent"}),
        start("a", None, "agent", "support_agent"),
        start("b", Some("a"), "task", "resolve"),
        start("c", Some("b"), "llm", "chat"),
        model,
        json!({"event_type": "tool.call", "trace_id": "t1", "span_id": "d", "parent_span_id": "b",
               "span_type": "tool", "name": "refund", "tool": {"name": "refund"}}),
        json!({"event_type": "tool.result", "trace_id": "t1", "span_id": "d", "status": "error",
               "duration_ms": 3.0,
               "error": {"type": "RefundError", "message_preview": "limit\nreached"}}),
        end("b", 900.0),
        start("e", Some("a"), "span", "left_open"),
    ];
    block_on(console.export(&batch(&first))).unwrap();
    assert_eq!(screen.text(), "", "not before the end");
    let last = [
        end("a", 1500.0),
        json!({"event_type": "trace.end", "trace_id": "t1", "status": "ok",
               "duration_ms": 1500.0}),
        json!({"event_type": "feedback", "external_trace_id": "other"}),
    ];
    block_on(console.export(&batch(&last))).unwrap();
    let expected = "\
support_agent  ok 1.50 s  t1
└─ support_agent agent  ok 1.50 s
   ├─ resolve task  ok 900.0 ms
   │  ├─ chat llm  ok 812.3 ms  gpt- [31mx  900 → 12 tokens  $0.0123
   │  └─ refund tool  error 3.0 ms
   │     RefundError: limit reached
   └─ left_open span  running
";
    assert_eq!(screen.text(), expected);
}

#[test]
fn console_prints_what_a_process_had_of_a_trace_that_began_elsewhere() {
    let screen = Screen::default();
    let mut console = ConsoleExporter::to(screen.clone(), false);
    let mut branch = start("a", Some("elsewhere"), "server", "POST /orders");
    branch["attributes"] = json!({ "rollout.parent.remote": true });
    let inside = [
        branch,
        start("b", Some("a"), "task", "resolve"),
        end("b", 1.0),
    ];
    block_on(console.export(&batch(&inside))).unwrap();
    assert_eq!(screen.text(), "", "not before its end");
    block_on(console.export(&batch(&[end("a", 2.0)]))).unwrap();
    let expected = "\
POST /orders  ok 2.0 ms  t1
└─ POST /orders server  ok 2.0 ms
   └─ resolve task  ok 1.0 ms
";
    assert_eq!(screen.text(), expected);
}

#[test]
fn console_survives_anything() {
    let screen = Screen::default();
    let mut console = ConsoleExporter::to(screen.clone(), true);
    // A cycle, a span that is its own parent, a parent nobody knows, no JSON at all.
    let events = [
        json!({"event_type": "trace.start", "trace_id": "t1", "name": "odd"}),
        start("a", Some("b"), "span", "a"),
        start("b", Some("a"), "span", "b"),
        start("c", Some("c"), "span", "c"),
        start("d", Some("nobody"), "span", "d"),
        json!([1]),
        json!({"event_type": "trace.end", "trace_id": "t1", "status": "cancelled"}),
    ];
    block_on(console.export(&batch(&events))).unwrap();
    let text = screen.text();
    assert!(
        text.contains("cancelled") && text.contains("\u{1b}[31m"),
        "{text:?}"
    );
    assert!(text.contains('c') && text.contains('d'), "{text:?}");
    for trace in 0..2_000 {
        let event = json!({"event_type": "trace.start", "trace_id": format!("open{trace}")});
        block_on(console.export(&batch(&[event]))).unwrap();
    }
    assert!(format!("{console:?}").contains("open_traces: 256"));
}
