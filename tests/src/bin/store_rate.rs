//! How fast the server's stores take rollouts in, beside a bare insert of the same rows, and how fast they answer:
//! `cargo run --release -p rollout-tests --bin store_rate -- COUNT [sqlite] [clickhouse]`, where a rollout has twenty
//! spans, a score and a run.
//!
//! Events are appended as the server's HTTP side appends them, a few requests at a time, and the clock runs from the first
//! to the last answer. What is inserted bare is what the tables of events then hold, in as large pieces: into a table of
//! ClickHouse in its own binary format, into a table of SQLite by a prepared statement, one transaction each.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for a terminal, which may fail loudly"
)]

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use rollout::{Usage, event::Event};
use rollout_server::open_store_at;
use rollout_server::query::{RunQuery, TraceQuery};
use rollout_server::store::{Origin, Store, StorePlace};
use rollout_tests::clickhouse::ClickHouse;
use rollout_tests::events::{flushed, in_memory};
use rusqlite::Connection;
use serde_json::{Value, json};

/// Rollouts whose events are made at once, before the clock runs.
const GROUP: u64 = 250;
/// Events of a request.
const REQUEST: usize = 1_000;
/// Requests that are under way at a time.
const AT_ONCE: usize = 16;
/// Rollouts of a run, and steps of it.
const OF_RUN: u64 = 10_000;
const STEPS: u64 = 20;
/// How often each question is asked.
const ASKED: u64 = 40;

/// The events of some rollouts, each of a root, nine model calls and ten tools.
fn events(from: u64, count: u64) -> Vec<Value> {
    let (client, memory) = in_memory(|builder| builder);
    let text = "The quick brown fox said: jump over the lazy dog. ".repeat(5);
    for number in from..from + count {
        let trace = client
            .trace("rollout")
            .user_id(format!("u-{}", number % 500));
        trace.in_scope(|trace| {
            trace.span("task").name("root").in_scope(|root| {
                for step in 0..9_u64 {
                    root.llm("call")
                        .model("gpt-4.1")
                        .input(format!("{text} This is number {number}."))
                        .in_scope(|call| {
                            call.set_usage(Usage {
                                input_tokens: Some(100 + step),
                                output_tokens: Some(20),
                                ..Usage::default()
                            });
                            call.record_output(&text);
                        });
                    root.tool("look_up").arguments(step).in_scope(|_| {});
                }
                root.tool("look_up").arguments(&text).in_scope(|_| {});
            });
        });
    }
    let mut events = flushed(&client, &memory);
    let mut number = from;
    let mut scores = Vec::new();
    for event in &mut events {
        if event["event_type"] != "trace.start" {
            continue;
        }
        let step = number % OF_RUN * STEPS / OF_RUN;
        event["links"] = json!({ "run_id": format!("run-{}", number / OF_RUN) });
        event["attributes"]["rollout.run.phase"] = json!("train");
        event["attributes"]["rollout.run.step_number"] = json!(step);
        event["attributes"]["rollout.run.datapoint_id"] = json!(format!("dp-{}", number % 200));
        event["attributes"]["customer"] = json!(format!("customer {}", number % 1000));
        scores.push(json!({
            "schema_version": "1.0", "event_id": format!("score_{number}"), "event_type": "eval.result",
            "trace_id": event["trace_id"], "occurred_at": event["occurred_at"], "name": "exact",
            "outcome": { "eval_score": (number % 8) as f64 / 8.0, "success": number.is_multiple_of(2) },
        }));
        number += 1;
    }
    events.extend(scores);
    events
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Takes in rollouts. Returns how many events they have, and how long it took until all were accepted.
fn take(store: &dyn Store, traces: u64) -> (u64, Duration) {
    let (mut took, mut sent, mut made) = (Duration::ZERO, 0, 0);
    while made < traces {
        let some = GROUP.min(traces - made);
        let events: Vec<Event> = events(made, some)
            .into_iter()
            .map(|event| serde_json::from_value(event).unwrap())
            .collect();
        made += some;
        sent += events.len() as u64;
        let mut requests: Vec<Vec<Event>> = Vec::new();
        let mut events = events.into_iter();
        loop {
            let request: Vec<Event> = events.by_ref().take(REQUEST).collect();
            if request.is_empty() {
                break;
            }
            requests.push(request);
        }
        let begun = Instant::now();
        let mut under_way = VecDeque::new();
        for request in requests {
            under_way.push_back(store.append(request, Origin::Request(None)));
            if under_way.len() >= AT_ONCE {
                under_way.pop_front().unwrap().wait().unwrap();
            }
        }
        for pending in under_way {
            pending.wait().unwrap();
        }
        took += begun.elapsed();
    }
    (sent, took)
}

fn asked(what: &str, mut ask: impl FnMut(u64)) {
    let mut times: Vec<Duration> = (0..ASKED)
        .map(|nth| {
            let begun = Instant::now();
            ask(nth);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!("  {what}: p50 {:.1?}, p95 {:.1?}", at(0.5), at(0.95));
}

fn questions(store: &dyn Store, traces: u64) {
    let list = |filter: &str| TraceQuery {
        filter: filter.parse().unwrap(),
        ..TraceQuery::default()
    };
    let some = store
        .traces(&TraceQuery {
            limit: 500,
            ..list("")
        })
        .unwrap()
        .traces;
    asked("the newest 50", |_| {
        assert_eq!(store.traces(&list("")).unwrap().traces.len(), 50);
    });
    asked("the newest 50 of a user", |nth| {
        let page = store.traces(&list(&format!("user:u-{nth}"))).unwrap();
        assert!(!page.traces.is_empty());
    });
    asked("one run's steps", |nth| {
        let run = format!("run-{}", nth % traces.div_ceil(OF_RUN));
        assert!(!store.run(&run).unwrap().unwrap().steps.is_empty());
    });
    asked("the runs", |_| {
        assert!(!store.runs(&RunQuery::default()).unwrap().runs.is_empty());
    });
    asked("one trace with its spans", |nth| {
        let id = &some[(nth as usize * 7) % some.len()].trace_id;
        assert!(store.trace(id).unwrap().is_some());
        let spans = store.spans(id, 0, 1000).unwrap().unwrap();
        assert_eq!(spans.total, 20);
    });
    asked("a rare text", |nth| {
        let number = nth * traces / ASKED;
        let page = store
            .traces(&list(&format!("\"this is number {number}.\"")))
            .unwrap();
        assert_eq!(page.traces.len(), 1);
    });
    asked("a frequent text", |_| {
        assert_eq!(
            store.traces(&list("\"brown fox\"")).unwrap().traces.len(),
            50
        );
    });
    asked("a text that is nowhere", |nth| {
        let page = store
            .traces(&list(&format!("\"nothing says {nth} times\"")))
            .unwrap();
        assert!(page.traces.is_empty());
    });
}

fn measure(name: &str, place: &StorePlace, dir: &Path, traces: u64) -> u64 {
    let store = open_store_at(place, dir).unwrap();
    let (sent, took) = take(&*store, traces);
    let begun = Instant::now();
    let newest = store.traces(&TraceQuery::default()).unwrap();
    assert!(!newest.traces.is_empty());
    println!(
        "{name}: {sent} events, {} spans of {traces} rollouts accepted in {took:.1?}: {:.0} events/s, {:.0} spans/s; \
         listed {:.1?} later",
        traces * 20,
        per_second(sent, took),
        per_second(traces * 20, took),
        begun.elapsed()
    );
    drop(store);
    let store = open_store_at(place, dir).unwrap();
    questions(&*store, traces);
    sent
}

fn sqlite(traces: u64) {
    let dir = tempfile::tempdir().unwrap();
    let sent = measure("SQLite", &StorePlace::Dir, dir.path(), traces);
    let file = dir.path().join(rollout_server::STORE_FILE);
    let size = std::fs::metadata(&file).unwrap().len();
    println!(
        "  {size} bytes: {} a rollout, {} an event",
        size / traces,
        size / sent
    );
    // Of the same size as the events were, and the same durability.
    let body = "x".repeat((size / sent) as usize);
    let mut connection = Connection::open(dir.path().join("bare.db")).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection
        .pragma_update(None, "synchronous", "FULL")
        .unwrap();
    connection
        .execute_batch(
            "CREATE TABLE bare (id INTEGER PRIMARY KEY, trace INTEGER, event TEXT, body TEXT)",
        )
        .unwrap();
    let begun = Instant::now();
    let (mut left, block) = (sent, REQUEST * AT_ONCE);
    while left > 0 {
        let some = left.min(block as u64);
        let transaction = connection.transaction().unwrap();
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO bare (trace, event, body) VALUES (?1, ?2, ?3)")
                .unwrap();
            for number in 0..some {
                insert
                    .execute((
                        (left + number).cast_signed(),
                        "evt_0123456789abcdef0123456789",
                        &body,
                    ))
                    .unwrap();
            }
        }
        transaction.commit().unwrap();
        left -= some;
    }
    println!(
        "  bare insert: {sent} rows of {} bytes, {block} a transaction, in {:.1?}: {:.0} rows/s",
        body.len(),
        begun.elapsed(),
        per_second(sent, begun.elapsed())
    );
}

fn clickhouse(traces: u64) {
    let server = ClickHouse::start().unwrap();
    let database = server.database();
    let dir = tempfile::tempdir().unwrap();
    let place = format!("clickhouse://{}/{}", server.address(), database.name);
    let sent = measure("ClickHouse", &place.parse().unwrap(), dir.path(), traces);
    assert_eq!(
        database.count("SELECT count() FROM rollout_events FINAL"),
        sent
    );
    for table in ["rollout_events", "rollout_traces", "rollout_texts"] {
        let bytes = database.count(&format!(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND table = '{table}'"
        ));
        println!(
            "  {table}: {bytes} bytes, {} a rollout, {} an event",
            bytes / traces,
            bytes / sent
        );
    }
    // The same rows, into a table of the same kind.
    database.run("CREATE TABLE bare AS rollout_events ENGINE = MergeTree PARTITION BY day ORDER BY (trace, event_id, writer)");
    let block = REQUEST * AT_ONCE;
    let some = sent.min(400_000);
    database.run(&format!(
        "CREATE TABLE part ENGINE = MergeTree ORDER BY arrived AS SELECT * FROM rollout_events ORDER BY arrived LIMIT {some}"
    ));
    let query = "SELECT * FROM part ORDER BY arrived";
    let took = database.insert_bare("bare", query, some, block as u64);
    println!(
        "  bare insert: {some} rows of rollout_events, {block} at a time, in {took:.1?}: {:.0} rows/s",
        per_second(some, took)
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let traces: u64 = arguments
        .next()
        .map_or(2_000, |count| count.parse().unwrap());
    let stores: Vec<String> = arguments.collect();
    let wanted = |name: &str| stores.is_empty() || stores.iter().any(|store| store == name);
    if wanted("sqlite") {
        sqlite(traces);
    }
    if wanted("clickhouse") {
        clickhouse(traces);
    }
}
