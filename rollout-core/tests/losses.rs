//! What is lost is counted under its reason, told once, and said in the trace where that has something left.

#![expect(
    clippy::unwrap_used,
    reason = "the functions that the tests share are tests too"
)]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rollout_core::{Client, DropReason, MemoryExporter, SpoolKind};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use support::server::{Answer, Server};
use support::{PATIENCE, wait_until};

/// What the events of a trace say that it has lost, the last of them first.
fn said(events: &[Value], trace: &str, reason: &str) -> Vec<u64> {
    let of_trace = events.iter().filter(|event| event["trace_id"] == trace);
    let said = of_trace.filter_map(|event| event["attributes"]["rollout.dropped"][reason].as_u64());
    said.rev().collect()
}

/// Shut while somebody holds it.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.lock().unwrap();
        drop(self.1.wait_while(open, |open| !*open).unwrap());
    }
}

/// A client whose worker stands still until the gate opens, so that the queue fills up, and what arrives.
fn held_up(dir: &Path) -> (Client, MemoryExporter, Arc<Gate>) {
    let memory = MemoryExporter::new();
    let gate = Arc::new(Gate::default());
    let (passes, reached) = (Arc::clone(&gate), Arc::new(AtomicBool::new(false)));
    let is_there = Arc::clone(&reached);
    let client = Client::builder()
        .dir(dir)
        .max_queue_bytes(64 << 10)
        .exporter(Box::new(memory.clone()))
        .mask(move |_| {
            is_there.store(true, Ordering::Release);
            passes.pass();
        })
        .build()
        .unwrap();
    let trace = client.trace("stops the worker").start();
    trace.message(rollout_core::Message::user("stop"));
    wait_until("the worker stands still", || {
        reached.load(Ordering::Acquire)
    });
    (client, memory, gate)
}

#[test]
fn what_a_full_queue_loses_is_said_in_its_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (client, memory, gate) = held_up(dir.path());
    let trace = client.trace("too much").start();
    let id = trace.id().unwrap().to_string();
    let mut spans = 0;
    while client.stats().dropped(DropReason::QueueFull) < 100 {
        trace.span("task").name("step").in_scope(|_| ());
        spans += 1;
    }
    gate.open();
    trace.end();
    client.blocking_flush(PATIENCE).unwrap();
    let lost = client.stats().dropped(DropReason::QueueFull);
    wait_until("it is said", || {
        said(&memory.events(), &id, "queue_full").first() == Some(&lost)
    });
    let events = memory.events();
    let there = events.iter().filter(|event| {
        let is_mark = event["event_id"].as_str().unwrap().starts_with("evt_lost_");
        event["trace_id"] == id && !is_mark
    });
    assert_eq!(there.count() as u64 + lost, 2 + 2 * spans);
    assert_eq!(client.stats().warnings, 1);
}

/// A thread of its own that gets no queue at all.
#[test]
fn what_a_thread_without_a_queue_loses_is_said_in_its_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (client, memory, gate) = held_up(dir.path());
    let trace = client.trace("too many").start();
    let id = trace.id().unwrap().to_string();
    trace.span("task").name("parent").in_scope(|span| {
        while client.stats().dropped(DropReason::QueueFull) == 0 {
            span.span("task").name("step").in_scope(|_| ());
        }
        let before = client.stats().dropped(DropReason::QueueFull);
        rollout_core::spawn_thread(|| {
            let current = rollout_core::current_span();
            current.unwrap().span("task").name("lost").in_scope(|_| ());
        })
        .join()
        .unwrap();
        assert!(client.stats().dropped(DropReason::QueueFull) >= before + 2);
    });
    gate.open();
    trace.end();
    client.blocking_flush(PATIENCE).unwrap();
    wait_until("it is said", || {
        let lost = client.stats().dropped(DropReason::QueueFull);
        said(&memory.events(), &id, "queue_full").first() == Some(&lost)
    });
}

#[test]
fn what_a_server_refuses_is_said_in_its_trace_once() {
    let server = Server::start(|request| {
        let refused = request.events().into_iter().enumerate();
        let refused = refused.filter(|(_, event)| event["name"] == "bad");
        Answer::Refuse(refused.map(|(index, _)| index).collect(), "too_bad", false)
    });
    let dir = tempfile::tempdir().unwrap();
    let client = Client::builder()
        .dir(dir.path())
        .endpoint(server.url())
        .build()
        .unwrap();
    let trace = client.trace("refused in part").start();
    let id = trace.id().unwrap().to_string();
    trace.span("task").name("bad").in_scope(|_| ());
    trace.span("task").name("good").in_scope(|_| ());
    trace.end();
    let whole = client.trace("whole").start();
    let other = whole.id().unwrap().to_string();
    whole.end();
    // It is known only when the program is about to end.
    let report = client.blocking_shutdown(PATIENCE).unwrap();
    assert_eq!((report.delivered, report.lost, report.spooled), (6, 2, 0));
    let events: Vec<Value> = server
        .requests()
        .iter()
        .flat_map(support::server::Request::events)
        .collect();
    assert_eq!(said(&events, &id, "rejected"), [2]);
    assert!(said(&events, &other, "rejected").is_empty());
    assert_eq!(client.stats().dropped(DropReason::Rejected), 2);
}

/// What says that something was refused is refused too: that is the end of it.
#[test]
fn a_server_that_refuses_everything_is_not_told_for_ever() {
    let server = Server::start(|_| Answer::Status(404, "", "no such thing"));
    let dir = tempfile::tempdir().unwrap();
    let client = Client::builder()
        .dir(dir.path())
        .endpoint(server.url())
        .flush_interval(Duration::from_millis(5))
        .build()
        .unwrap();
    let trace = client.trace("refused").start();
    trace.end();
    wait_until("the refusal was said, and refused", || {
        server.requests().len() >= 2
    });
    let report = client.blocking_shutdown(PATIENCE).unwrap();
    assert_eq!((report.lost, report.spooled), (2, 0));
    assert!(server.requests().len() <= 3, "{:?}", server.requests());
}

/// Cut where it is too long: the event is there and says so.
#[test]
fn a_value_over_its_bound_is_counted_and_said() {
    struct Long;

    impl Serialize for Long {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(0..100_000)
        }
    }

    let memory = MemoryExporter::new();
    let client = Client::builder()
        .spool(SpoolKind::Memory)
        .max_value_bytes(1024)
        .exporter(Box::new(memory.clone()))
        .build()
        .unwrap();
    let trace = client.trace("long").start();
    trace.span("task").name("step").in_scope(|span| {
        span.record_output(&Long);
        span.record_input(&json!("short"));
    });
    trace.end();
    client.blocking_flush(PATIENCE).unwrap();
    assert_eq!(client.stats().dropped(DropReason::ValueCut), 1);
    assert_eq!(client.stats().events_lost(), 0);
    let events = memory.events();
    let cut: Vec<_> = events
        .iter()
        .filter(|event| event["attributes"]["rollout.truncated"].is_object())
        .collect();
    assert_eq!(cut.len(), 1);
    assert!(cut[0]["attributes"]["rollout.truncated"]["output"].as_u64() > Some(1024));
    assert_eq!(client.stats().warnings, 1);
}
