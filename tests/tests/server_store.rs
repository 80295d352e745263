//! The store's file over time: what goes when there is too much of it, and what becomes of files of other versions.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rollout_server::STORE_FILE;
use rollout_server::query::TraceQuery;
use rollout_server::store::{Retention, Store};
use rollout_tests::server::{TestServer, is_on_clickhouse, open_store};
use rollout_tests::wait_until;
use rusqlite::Connection;
use serde_json::{Value, json};

/// A trace of a span that began some hours ago, with a payload.
fn trace(id: &str, hours_ago: i64, bytes: usize, ends: bool) -> Vec<Value> {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours_ago);
    let mut events = vec![
        json!({ "event_id": format!("{id}_1"), "event_type": "trace.start", "trace_id": id, "name": id, "occurred_at": at }),
        json!({
            "event_id": format!("{id}_2"), "event_type": "span.end", "trace_id": id, "span_id": format!("{id}_s"),
            "occurred_at": at, "raw": { "output": "x".repeat(bytes) },
        }),
        json!({
            "event_id": format!("{id}_3"), "event_type": "user.signal", "trace_id": id, "name": "n", "occurred_at": at,
            "attributes": { "value": 1 },
        }),
    ];
    if ends {
        events.push(json!({
            "event_id": format!("{id}_4"), "event_type": "trace.end", "trace_id": id, "status": "ok", "occurred_at": at,
        }));
    }
    events
}

fn sweep(store: &Arc<dyn Store>, retention: Retention) -> u64 {
    let mut gone = 0;
    loop {
        match store.sweep(retention).wait().unwrap() {
            0 => return gone,
            some => gone += some,
        }
    }
}

fn listed(store: &Arc<dyn Store>) -> Vec<String> {
    let query = TraceQuery {
        limit: 500,
        ..TraceQuery::default()
    };
    let page = store.traces(&query).unwrap();
    page.traces
        .into_iter()
        .map(|trace| trace.trace_id)
        .collect()
}

fn rows(file: &std::path::Path, table: &str) -> u64 {
    let connection = Connection::open(file).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    connection
        .query_row(&count, [], |row| row.get::<_, i64>(0))
        .unwrap() as u64
}

#[test]
fn what_is_too_old_goes_with_all_that_belongs_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), &[]);
    for (id, hours_ago, ends) in [
        ("old", 50, true),
        ("runs", 60, false),
        ("new", 1, true),
        ("newest", 0, true),
    ] {
        server.take(&trace(id, hours_ago, 100, ends));
    }
    server.stop();
    let store = open_store(dir.path()).unwrap();
    let retention = Retention {
        max_age: Some(Duration::from_hours(48)),
        ..Retention::default()
    };
    assert_eq!(sweep(&store, Retention::default()), 0);
    assert_eq!(sweep(&store, retention), 1);
    assert_eq!(listed(&store), ["newest", "new", "runs"]);
    assert!(store.trace("old").unwrap().is_none());
    assert_eq!(store.trace("new").unwrap().unwrap().signals.len(), 1);
    drop(store);
    if is_on_clickhouse() {
        return;
    }
    let file = dir.path().join(STORE_FILE);
    for (table, left) in [
        ("traces", 3),
        ("spans", 3),
        ("span_payloads", 3),
        ("events", 3),
        ("seen", 11),
    ] {
        assert_eq!(rows(&file, table), left, "{table}");
    }
}

/// Sends a hundred traces, each an hour younger than the one before, while this retention is seen to. What is left.
fn swept_meanwhile(dir: &std::path::Path, retention: Retention) -> Vec<String> {
    let server = TestServer::start_in(dir, &[]);
    let store = open_store(dir).unwrap();
    let (stop, sweeps) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Another process may be writing at the moment.
                if store.sweep(retention).wait().is_ok() {
                    sweeps.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        for number in 0..100 {
            server.take(&trace(
                &format!("trace_{number:03}"),
                200 - number,
                200_000,
                true,
            ));
            // Whoever writes without a pause may keep others from it for long.
            if number % 25 == 24 {
                let before = sweeps.load(Ordering::Relaxed);
                wait_until("it is swept", || {
                    (sweeps.load(Ordering::Relaxed) >= before + 2).then_some(())
                });
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    server.stop();
    sweep(&store, retention);
    listed(&store)
}

fn newest(count: usize) -> Vec<String> {
    let names = (0..100).rev().map(|number| format!("trace_{number:03}"));
    names.take(count).collect()
}

/// While others write, the store keeps to its bound, and what is left is the newest.
#[test]
fn what_is_too_much_goes_while_more_comes_in() {
    if is_on_clickhouse() {
        // Compressed, a hundred of these traces take no more than one.
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention {
        max_bytes: Some(4 << 20),
        ..Retention::default()
    };
    let left = swept_meanwhile(dir.path(), retention);
    assert!(left.len() > 5 && left.len() < 25, "{} of 100", left.len());
    assert_eq!(left, newest(left.len()));
    let size = std::fs::metadata(dir.path().join(STORE_FILE))
        .unwrap()
        .len();
    assert!(size < 100 * 200_000 / 2, "the file grew to {size} bytes");
}

#[test]
fn what_is_too_old_goes_while_more_comes_in() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention {
        max_age: Some(Duration::from_mins(110 * 60 + 30)),
        ..Retention::default()
    };
    assert_eq!(swept_meanwhile(dir.path(), retention), newest(10));
}

/// A file of the first version, as it was made then.
const FIRST: &str = include_str!("../store/version_1.sql");

#[test]
fn a_file_of_the_first_version_is_brought_up_to_date() {
    if is_on_clickhouse() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(STORE_FILE);
    Connection::open(&file)
        .unwrap()
        .execute_batch(FIRST)
        .unwrap();
    let server = TestServer::start_in(dir.path(), &[]);
    assert_eq!(server.trace_ids(), ["before"]);
    assert_eq!(server.tree("before"), "task step ok\n");
    server.take(&trace("after", 0, 10, true));
    assert_eq!(server.trace_ids(), ["after", "before"]);
    server.stop();
    let version: i64 = Connection::open(&file)
        .unwrap()
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 6);
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    if is_on_clickhouse() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(STORE_FILE);
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch("CREATE TABLE of_the_future (x); INSERT INTO of_the_future VALUES (42); PRAGMA user_version = 999;")
        .unwrap();
    drop(connection);
    let before = std::fs::read(&file).unwrap();
    let refused = open_store(dir.path()).err().unwrap().to_string();
    assert!(
        refused.contains("version 999") && refused.contains("newer program"),
        "{refused}"
    );
    assert!(std::fs::read(&file).unwrap() == before, "not a byte of it");
    assert_eq!(rows(&file, "of_the_future"), 1);
}
