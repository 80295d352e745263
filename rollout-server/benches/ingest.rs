//! `cargo bench -p rollout-server --bench ingest`: how fast the embedded store takes events in,
//! beside a bare prepared insert of the very rows that come out of it.
//!
//! Both write to a file on the same disk and commit with the same durability. The store is
//! measured twice: with events that are read already, and from the bodies that requests bring.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints what it found, and fails where it cannot go on"
)]

use std::{
    collections::VecDeque,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rollout_core::event::Event;
use rollout_server::{
    STORE_FILE,
    ingest::{Encoding, receive},
    open_store,
    store::{Origin, Pending, Store},
};
use rusqlite::{Connection, params_from_iter, types::Value};

/// Traces, spans a trace, and events a batch.
const TRACES: usize = 500;
const SPANS: usize = 100;
const BATCH: usize = 500;
/// Batches that wait to be stored at a time.
const SENDERS: usize = 32;
const ROUNDS: usize = 3;

fn main() {
    let bodies = bodies();
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        best[0] = best[0].min(read_and_stored(dir.path(), &bodies));
        let dir = tempfile::tempdir().unwrap();
        best[1] = best[1].min(stored(dir.path(), &bodies));
        best[2] = best[2].min(inserted(dir.path()));
    }
    let spans = (TRACES * SPANS) as f64;
    for (what, took) in [
        "bodies read and stored",
        "events stored",
        "rows inserted, bare",
    ]
    .iter()
    .zip(best)
    {
        let rate = spans / took.as_secs_f64();
        let ratio = best[2].as_secs_f64() / took.as_secs_f64();
        println!("{what:24} {rate:>10.0} spans/s  {ratio:.2} of bare");
    }
}

/// Bodies of batches as a program that records agents sends them.
fn bodies() -> Vec<String> {
    let mut events = Vec::new();
    for trace in 0..TRACES {
        let time = |micros: usize| {
            format!(
                "2026-01-02T03:{:02}:{:02}.{micros:06}Z",
                trace / 60 % 60,
                trace % 60
            )
        };
        let mut push = |kind: &str, number: usize, at: usize, more: String| {
            events.push(format!(
                r#"{{"event_id":"evt_{trace:016x}{:016x}","event_type":"{kind}","schema_version":"1.0","trace_id":"{trace:032x}","sequence":{},"occurred_at":"{}","agent":{{"name":"support"}},"context":{{"user_id":"cus_{}"}}{more}}}"#,
                number, number + 1, time(at), trace % 100,
            ));
        };
        push("trace.start", 0, 0, r#","name":"support_agent","attributes":{"rollout.ns":1,"service_name":"desk"},"raw":{"input":{"message":"Where is my order?"}}"#.to_owned());
        for span in 0..SPANS {
            let ids = format!(
                r#","span_id":"{:016x}","parent_span_id":"{:016x}","span_type":"tool","name":"lookup_order""#,
                span + 1,
                span / 4
            );
            let call = format!(
                r#","tool":{{"name":"lookup_order","tool_call_id":"tool_{span:016x}","status":"started"}}"#
            );
            push(
                "tool.call",
                2 * span + 1,
                span * 100,
                format!(
                    r#"{ids}{call},"started_at":"{}","attributes":{{"rollout.ns":7,"code.file.path":"src/main.rs","code.line.number":42,"code.function.name":"support::lookup_order"}},"raw":{{"arguments":{{"order_id":"A-{span}","verbose":false,"limit":25}}}}"#,
                    time(span * 100)
                ),
            );
            push(
                "tool.result",
                2 * span + 2,
                span * 100 + 50,
                format!(
                    r#"{ids}{call},"started_at":"{}","ended_at":"{}","duration_ms":0.050000,"status":"ok","attributes":{{"rollout.ns":9}},"outcome":{{"success":true,"status":"ok"}},"raw":{{"result":{{"order":"A-{span}","state":"shipped","items":[1,2,3]}}}}"#,
                    time(span * 100),
                    time(span * 100 + 50)
                ),
            );
        }
        push(
            "trace.end",
            2 * SPANS + 1,
            SPANS * 100,
            r#","status":"ok","duration_ms":10.0,"raw":{"output":"It has shipped."}"#.to_owned(),
        );
    }
    let batch = |events: &[String]| {
        format!(
            r#"{{"schema_version":"1.0","source":"sdk_rust","sdk":{{"name":"rollout","language":"rust"}},"batch_id":"b","sent_at":"2026-01-02T03:04:05Z","events":[{}]}}"#,
            events.join(",")
        )
    };
    events.chunks(BATCH).map(batch).collect()
}

fn read_and_stored(dir: &Path, bodies: &[String]) -> Duration {
    let store = open_store(dir).unwrap();
    let began = Instant::now();
    store_all(&store, bodies.iter().map(|body| events(body)));
    began.elapsed()
}

fn stored(dir: &Path, bodies: &[String]) -> Duration {
    let store = open_store(dir).unwrap();
    let batches: Vec<_> = bodies.iter().map(|body| events(body)).collect();
    let began = Instant::now();
    store_all(&store, batches.into_iter());
    began.elapsed()
}

fn events(body: &str) -> Vec<Event> {
    let received = receive(body.as_bytes(), Encoding::Identity).unwrap();
    assert!(received.errors.is_empty(), "{:?}", received.errors);
    received.events
}

/// Stores batches as so many senders would that each wait for their answer.
fn store_all(store: &Arc<dyn Store>, batches: impl Iterator<Item = Vec<Event>>) {
    let mut waiting = VecDeque::new();
    for events in batches {
        if waiting.len() == SENDERS {
            let first: Option<Pending> = waiting.pop_front();
            first.unwrap().wait().unwrap();
        }
        waiting.push_back(store.append(events, Origin::Request(None)));
    }
    for pending in waiting {
        pending.wait().unwrap();
    }
}

/// Inserts the rows of the store in a folder into a fresh file of the same shape, table by
/// table, in one transaction.
fn inserted(dir: &Path) -> Duration {
    let source = Connection::open(dir.join(STORE_FILE)).unwrap();
    let mut target = Connection::open(dir.join("bare.db")).unwrap();
    target.pragma_update(None, "journal_mode", "WAL").unwrap();
    target.pragma_update(None, "synchronous", "FULL").unwrap();
    target
        .pragma_update(None, "cache_size", -32 * 1024)
        .unwrap();
    let mut schema = source
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
        .unwrap();
    let schema: Vec<String> = schema
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    target.execute_batch(&schema.join(";")).unwrap();
    let tables = [
        "traces",
        "spans",
        "trace_payloads",
        "span_payloads",
        "events",
        "seen",
    ]
    .map(|table| {
        let mut columns = source
            .prepare("SELECT name FROM pragma_table_info(?1)")
            .unwrap();
        let columns: Vec<String> = columns
            .query_map([table], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let mut rows = source
            .prepare(&format!("SELECT {} FROM {table}", columns.join(", ")))
            .unwrap();
        let rows: Vec<Vec<Value>> = rows
            .query_map([], |row| {
                (0..columns.len()).map(|column| row.get(column)).collect()
            })
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let places = vec!["?"; columns.len()].join(", ");
        (
            format!(
                "INSERT INTO {table} ({}) VALUES ({places})",
                columns.join(", ")
            ),
            rows,
        )
    });
    let began = Instant::now();
    let transaction = target.transaction().unwrap();
    for (sql, rows) in &tables {
        let mut insert = transaction.prepare(sql).unwrap();
        for row in rows {
            insert.execute(params_from_iter(row)).unwrap();
        }
    }
    transaction.commit().unwrap();
    began.elapsed()
}
