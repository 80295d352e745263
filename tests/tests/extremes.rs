//! Programs that do much at once: large values, many open spans, many threads, many tasks.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::{HashMap, HashSet};

use rollout::{Client, DropReason, MemoryExporter, SpoolKind};
use rollout_tests::DEADLINE;
use serde_json::Value;

/// A client that holds this many bytes on their way, and as many events in memory as a test makes.
fn client(queue: u64) -> (Client, MemoryExporter) {
    let memory = MemoryExporter::with_capacity(2_000_000);
    let client = Client::builder()
        .spool(SpoolKind::Memory)
        .exporters([])
        .exporter(Box::new(memory.clone()))
        .max_queue_bytes(queue)
        .build()
        .unwrap();
    (client, memory)
}

#[track_caller]
fn events(client: &Client, memory: &MemoryExporter) -> Vec<Value> {
    let report = client.blocking_flush(DEADLINE).unwrap();
    assert!(report.is_complete(), "{report:?}");
    memory.events()
}

/// Where each span begins and ends, by its id.
fn kinds(events: &[Value]) -> HashMap<String, Vec<&str>> {
    let mut kinds: HashMap<String, Vec<&str>> = HashMap::new();
    for event in events {
        if let Some(span) = event["span_id"].as_str() {
            let kind = event["event_type"].as_str().unwrap();
            kinds.entry(span.to_owned()).or_default().push(kind);
        }
    }
    kinds
}

#[test]
fn values_of_50_mb_are_cut_and_cost_no_more_than_their_bound() {
    let (client, memory) = client(8 << 20);
    let text = "The quick brown fox. ".repeat(50_000_000 / 21);
    let numbers: Vec<u64> = (0..8_000_000).collect();
    let trace = client.trace("large").start();
    for _ in 0..3 {
        trace.span("task").name("text").in_scope(|span| {
            span.record_input(text.as_str());
            span.record_output(&numbers);
        });
    }
    trace.message(rollout::Message::user(text.as_str()));
    trace.end();
    let events = events(&client, &memory);
    assert_eq!(client.stats().events_lost(), 0);
    // Each value of the spans, and the message.
    assert_eq!(client.stats().dropped(DropReason::ValueCut), 3 * 2 + 1);
    for event in &events {
        let length = event.to_string().len();
        assert!(length < 200 << 10, "{length}");
    }
    let cut = events.iter().filter_map(|event| {
        let cut = &event["attributes"]["rollout.truncated"];
        let lengths = ["input", "output", "content"].map(|value| cut[value].as_u64());
        lengths.into_iter().flatten().next()
    });
    // How long they were is said.
    let lengths: Vec<u64> = cut.collect();
    assert_eq!(lengths.len(), 7, "{lengths:?}");
    assert!(
        lengths.iter().all(|length| *length > 1_000_000),
        "{lengths:?}"
    );
}

#[test]
fn a_hundred_thousand_spans_are_open_at_once() {
    const SPANS: usize = 100_000;
    let (client, memory) = client(1 << 30);
    let trace = client.trace("wide").start();
    let open: Vec<_> = (0..SPANS)
        .map(|number| trace.span("task").name(number.to_string()).start())
        .collect();
    client.blocking_flush(DEADLINE).unwrap();
    let begun = memory.events().len();
    assert_eq!(begun, SPANS + 1);
    // The first ends first.
    for span in open {
        span.end();
    }
    trace.end();
    let events = events(&client, &memory);
    let kinds = kinds(&events);
    assert_eq!(kinds.len(), SPANS);
    assert!(
        kinds
            .values()
            .all(|kinds| *kinds == ["span.start", "span.end"])
    );
    assert_eq!(client.stats().events_lost(), 0);
}

#[test]
fn a_thousand_threads_start_and_end() {
    const THREADS: usize = 1000;
    // Far less than a queue for each of them would take.
    let (client, memory) = client(4 << 20);
    let trace = client.trace("threads").start();
    for number in 0..THREADS {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let span = trace.span("task").name(number.to_string());
                span.in_scope(|span| span.record_output(&number));
            });
        });
        if number % 100 == 0 {
            // What threads that are gone have left is read, and their memory used again.
            client.blocking_flush(DEADLINE).unwrap();
        }
    }
    trace.end();
    let events = events(&client, &memory);
    assert_eq!(client.stats().events_lost(), 0);
    let names: HashSet<&str> = events
        .iter()
        .filter(|event| event["event_type"] == "span.end")
        .map(|event| event["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), THREADS);
}

/// All at once, each with a queue of its own.
#[test]
fn a_hundred_threads_record_until_they_all_end_together() {
    const THREADS: usize = 100;
    let (client, memory) = client(256 << 20);
    let trace = client.trace("threads").start();
    let barrier = std::sync::Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..20 {
                    trace.span("task").name("step").in_scope(|_| ());
                }
                barrier.wait();
            });
        }
    });
    trace.end();
    let kinds_of = events(&client, &memory);
    assert_eq!(kinds(&kinds_of).len(), THREADS * 20);
    assert_eq!(client.stats().events_lost(), 0);
}

#[test]
fn a_hundred_thousand_tasks_are_in_their_trace() {
    const TASKS: usize = 100_000;
    let (client, memory) = client(1 << 30);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let trace = client.trace("tasks").start();
    let id = trace.id().unwrap().to_string();
    runtime.block_on(trace.span("task").name("parent").in_scope_async(async |_| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                tokio::spawn(rollout::TracedFuture::in_current_span(async {
                    let current = rollout::current_span().unwrap();
                    current
                        .span("task")
                        .name("child")
                        .in_scope_async(async |_| tokio::task::yield_now().await)
                        .await;
                }))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }));
    trace.end();
    let events = events(&client, &memory);
    assert!(events.iter().all(|event| event["trace_id"] == id.as_str()));
    let kinds = kinds(&events);
    assert_eq!(kinds.len(), TASKS + 1);
    assert!(
        kinds
            .values()
            .all(|kinds| *kinds == ["span.start", "span.end"])
    );
    assert_eq!(client.stats().events_lost(), 0);
}

#[test]
fn a_span_ends_on_another_thread_than_it_began() {
    let (client, memory) = client(8 << 20);
    let trace = client.trace("moves").start();
    let span = trace.span("task").name("moves").start();
    let client_there = client.clone();
    std::thread::spawn(move || {
        // That thread has spans of its own.
        let other = client_there.trace("other").start();
        span.record_output("from there");
        other.span("task").name("inside").in_scope(|_| ());
        span.end();
        other.end();
    })
    .join()
    .unwrap();
    trace.span("task").name("after").in_scope(|_| ());
    trace.end();
    let events = events(&client, &memory);
    let of = |name: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["name"] == name)
            .collect()
    };
    let moved = of("moves");
    let span: Vec<_> = moved.iter().filter(|e| e["span_id"].is_string()).collect();
    let ends: Vec<_> = span
        .iter()
        .filter(|e| e["event_type"] == "span.end")
        .collect();
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["status"], "ok");
    assert_eq!(span[0]["trace_id"], ends[0]["trace_id"]);
    assert_ne!(of("inside")[0]["trace_id"], ends[0]["trace_id"]);
    assert_eq!(of("after")[0]["trace_id"], ends[0]["trace_id"]);
}
