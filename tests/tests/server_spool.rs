//! A spool directory is read as programs write to it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rollout_server::{ingest::sync_once, store::Store};
use rollout_tests::{
    server::{TestServer, open_store},
    wait_until,
};
use serde_json::{Value, json};

/// A process that writes a spool.
struct Writer {
    folder: PathBuf,
    lock: Option<File>,
}

impl Writer {
    fn start(dir: &Path, name: &str) -> Self {
        let folder = dir.join("spool").join(name);
        fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        Self {
            folder,
            lock: Some(lock),
        }
    }

    fn write(&self, segment: u32, text: &str) {
        let path = self.folder.join(format!("{segment:08}.ndjson"));
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn events(&self, segment: u32, events: &[Value]) {
        for event in events {
            self.write(segment, &format!("{event}\n"));
        }
    }

    /// Goes, however it goes: the system takes the lock back.
    fn die(&mut self) {
        self.lock = None;
    }
}

fn start(trace: &str) -> Value {
    json!({ "event_id": format!("{trace}_start"), "event_type": "trace.start", "trace_id": trace, "name": trace })
}

fn span_start(trace: &str, span: &str) -> Value {
    json!({
        "event_id": format!("{trace}_{span}"), "event_type": "span.start", "trace_id": trace, "span_id": span,
        "name": span,
    })
}

fn end(trace: &str) -> Value {
    json!({ "event_id": format!("{trace}_end"), "event_type": "trace.end", "trace_id": trace, "status": "ok" })
}

fn span_count(server: &TestServer, trace: &str) -> Option<u64> {
    let answer = server.get(&format!("/api/v1/traces/{trace}"));
    (answer.status == 200).then(|| answer.json()["span_count"].as_u64().unwrap())
}

fn has_spans(server: &TestServer, trace: &str, expected: u64) {
    wait_until("the spans are there", || {
        span_count(server, trace).filter(|count| *count == expected)
    });
}

#[test]
fn what_is_written_is_there_and_torn_lines_wait() {
    let server = TestServer::start();
    let writer = Writer::start(server.dir(), "w1");
    writer.events(1, &[start("t"), span_start("t", "a")]);
    has_spans(&server, "t", 1);
    assert_eq!(server.tree("t"), "span a running\n");
    // A line that is half written is nothing yet, not even a bad one.
    let line = format!("{}\n", span_start("t", "b"));
    let (head, tail) = line.split_at(40);
    writer.write(1, head);
    server.take(&[span_start("t", "over_http")]);
    assert_eq!(span_count(&server, "t"), Some(2));
    writer.write(1, tail);
    has_spans(&server, "t", 3);
    // A line that is no event costs itself alone.
    writer.write(2, "{\"event_id\": 7}\n\nnonsense\n");
    writer.events(2, &[span_start("t", "c"), end("t")]);
    has_spans(&server, "t", 4);
    wait_until("the trace has ended", || {
        (server.get_json("/api/v1/traces/t")["status"] == "ok").then_some(())
    });
}

#[test]
fn what_a_dead_process_left_open_is_interrupted() {
    let server = TestServer::start();
    let (mut dies, lives) = (
        Writer::start(server.dir(), "w1"),
        Writer::start(server.dir(), "w2"),
    );
    dies.events(
        1,
        &[
            start("dead"),
            span_start("dead", "a"),
            start("done"),
            end("done"),
        ],
    );
    dies.write(1, "{\"event_id\":\"torn");
    lives.events(1, &[start("alive"), span_start("alive", "a")]);
    server.take(&[start("remote"), span_start("remote", "a")]);
    has_spans(&server, "dead", 1);
    has_spans(&server, "alive", 1);
    assert_eq!(server.tree("dead"), "span a running\n");
    dies.die();
    let status =
        |trace: &str| server.get_json(&format!("/api/v1/traces/{trace}"))["status"].clone();
    wait_until("it is interrupted", || {
        (status("dead") == "interrupted").then_some(())
    });
    assert_eq!(server.tree("dead"), "span a interrupted\n");
    // A list may come a moment behind the trace.
    wait_until("it is listed as interrupted", || {
        let page = server.get_json("/api/v1/traces?filter=status:interrupted");
        (page["traces"].as_array().unwrap().len() == 1).then_some(())
    });
    assert_eq!(
        (status("done"), status("alive"), status("remote")),
        (json!("ok"), json!("running"), json!("running"))
    );
}

/// The topmost span of a process that goes on with a trace of another one.
fn branch(trace: &str, span: &str) -> Value {
    let mut event = span_start(trace, span);
    event["parent_span_id"] = "elsewhere".into();
    event["attributes"] = json!({ "rollout.parent.remote": true });
    event
}

fn span_end(trace: &str, span: &str) -> Value {
    json!({
        "event_id": format!("{trace}_{span}_end"), "event_type": "span.end", "trace_id": trace, "span_id": span,
        "status": "ok",
    })
}

#[test]
fn a_process_that_had_a_part_of_a_trace_interrupts_no_more_than_that() {
    let server = TestServer::start();
    let (mut whole, mut part) = (
        Writer::start(server.dir(), "w1"),
        Writer::start(server.dir(), "w2"),
    );
    for trace in ["ours", "over_http", "done"] {
        part.events(1, &[branch(trace, "part"), span_end(trace, "part")]);
        has_spans(&server, trace, 1);
    }
    part.events(1, &[branch("left", "part"), start("sign")]);
    whole.events(1, &[start("ours"), span_start("ours", "a")]);
    has_spans(&server, "ours", 2);
    server.take(&[start("over_http")]);
    let shown = |trace: &str| {
        let trace = server.get_json(&format!("/api/v1/traces/{trace}"));
        (trace["name"].clone(), trace["status"].clone())
    };
    let named = |name: &str, status: &str| (json!(name), json!(status));
    part.die();
    wait_until("it is seen that it is gone", || {
        (shown("sign") == named("sign", "interrupted")).then_some(())
    });
    assert_eq!(shown("ours"), named("ours", "running"));
    assert_eq!(shown("over_http"), named("over_http", "running"));
    // Those began where nobody records for us.
    assert_eq!(shown("done"), named("part", "ok"));
    assert_eq!(shown("left"), named("part", "interrupted"));
    whole.die();
    wait_until("so does who began it", || {
        (shown("ours") == named("ours", "interrupted")).then_some(())
    });
}

#[test]
fn what_came_over_http_first_is_of_its_process_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::start(dir.path(), "w1");
    let server = TestServer::start_in(dir.path(), &[]);
    server.take(&[start("t"), span_start("t", "a")]);
    writer.events(1, &[start("t"), span_start("t", "a")]);
    writer.die();
    wait_until("it is interrupted", || {
        (server.tree("t") == "span a interrupted\n").then_some(())
    });
    assert_eq!(server.get_json("/api/v1/traces/t")["status"], "interrupted");
}

/// Who sends what a dead process has left may have to say what was lost of it: that makes no trace his own.
#[test]
fn a_trace_stays_with_its_process_whoever_says_what_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::start(dir.path(), "w1");
    let next = Writer::start(dir.path(), "w2");
    let server = TestServer::start_in(dir.path(), &[]);
    writer.events(1, &[start("t"), span_start("t", "a")]);
    has_spans(&server, "t", 1);
    next.events(
        1,
        &[json!({
            "event_id": "evt_lost_1", "event_type": "span.update", "trace_id": "t",
            "attributes": { "rollout.dropped": { "rejected": 2 } },
        })],
    );
    wait_until("it is said", || {
        let metadata = &server.get_json("/api/v1/traces/t")["metadata"];
        (metadata["rollout.dropped.rejected"] == 2).then_some(())
    });
    writer.die();
    wait_until("the trace is interrupted with its process", || {
        (server.get_json("/api/v1/traces/t")["status"] == "interrupted").then_some(())
    });
    drop(next);
}

#[test]
fn fresh_folders_are_opened_by_many_at_once() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| open_store(dir.path()).unwrap());
            }
        });
    }
}

#[test]
fn what_a_dead_process_wrote_last_is_read_before_it_counts_as_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::start(dir.path(), "w1");
    writer.events(1, &[start("t")]);
    writer.write(1, "torn");
    writer.events(3, &[span_start("t", "a"), end("t")]);
    writer.die();
    let store = open_store(dir.path()).unwrap();
    sync_once(dir.path(), &store).unwrap();
    let trace = store.trace("t").unwrap().unwrap();
    assert_eq!(
        (trace.summary.status.as_str(), trace.summary.span_count),
        ("ok", 1)
    );
    assert_eq!(
        store.spans("t", 0, 10).unwrap().unwrap().spans[0].status,
        "interrupted"
    );
}

#[test]
fn segments_that_are_delivered_and_removed_are_not_missed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path()).unwrap();
    let mut writer = Writer::start(dir.path(), "w1");
    writer.events(1, &[start("t"), span_start("t", "a")]);
    sync_once(dir.path(), &store).unwrap();
    fs::remove_file(writer.folder.join("00000001.ndjson")).unwrap();
    writer.events(2, &[span_start("t", "b")]);
    sync_once(dir.path(), &store).unwrap();
    assert_eq!(store.trace("t").unwrap().unwrap().summary.span_count, 2);
    writer.die();
    fs::remove_dir_all(&writer.folder).unwrap();
    sync_once(dir.path(), &store).unwrap();
    assert_eq!(
        store.trace("t").unwrap().unwrap().summary.status,
        "interrupted"
    );
}

#[test]
fn several_readers_of_one_folder_store_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::start(dir.path(), "w1");
    let stores: Vec<Arc<dyn Store>> = (0..3).map(|_| open_store(dir.path()).unwrap()).collect();
    writer.events(1, &[start("t")]);
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| {
                while store
                    .trace("t")
                    .unwrap()
                    .is_none_or(|trace| trace.summary.ended_at.is_none())
                {
                    sync_once(dir.path(), store).unwrap();
                }
            });
        }
        for number in 0..200 {
            writer.events(1 + number / 50, &[span_start("t", &number.to_string())]);
        }
        writer.events(9, &[end("t")]);
    });
    for store in &stores {
        assert_eq!(store.trace("t").unwrap().unwrap().summary.span_count, 200);
        assert_eq!(store.spans("t", 0, 1000).unwrap().unwrap().total, 200);
    }
}

/// A program makes room while its spool is read: what stays moves to files of other numbers.
#[test]
fn what_stays_when_room_is_made_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path()).unwrap();
    let client = rollout::Client::builder()
        .dir(dir.path())
        .max_spool_bytes(128 << 10)
        .build()
        .unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let (long, short) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                sync_once(dir.path(), &store).unwrap();
            }
        });
        let long = client.trace("long").start();
        for number in 0..400 {
            long.span("task").name("step").in_scope(|_| ());
            client.trace(format!("short {number}")).start().end();
            if number % 8 == 0 {
                // However busy the machine.
                while client.blocking_flush(std::time::Duration::ZERO).is_err() {}
            }
        }
        let id = long.id().unwrap().to_string();
        long.end();
        client
            .blocking_flush(std::time::Duration::from_secs(30))
            .unwrap();
        done.store(true, std::sync::atomic::Ordering::Release);
        reader.join().unwrap();
        (id, client.stats())
    });
    assert!(short.events_lost() > 0);
    sync_once(dir.path(), &store).unwrap();
    // Whatever is there now was there at some time before, whoever has looked then.
    let mut files: Vec<PathBuf> = Vec::new();
    for writer in fs::read_dir(dir.path().join("spool")).unwrap() {
        if let Ok(entries) = fs::read_dir(writer.unwrap().path()) {
            files.extend(entries.map(|entry| entry.unwrap().path()));
        }
    }
    let mut seen = 0;
    for file in files {
        if file.extension().is_none_or(|end| end != "ndjson") {
            continue;
        }
        for line in fs::read_to_string(file).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let trace = store.trace(event["trace_id"].as_str().unwrap()).unwrap();
            let trace = trace.expect("it was in the spool, so it is in the store");
            if event["event_type"] == "trace.end" {
                assert_eq!(trace.summary.status, "ok");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
    assert!(store.trace(&long).unwrap().is_some());
}

#[test]
fn a_trace_of_which_part_was_lost_says_so() {
    let server = TestServer::start();
    server.take(&[
        json!({
            "event_id": "evt_lost_1", "event_type": "span.update", "trace_id": "t",
            "attributes": { "rollout.dropped": { "spool_full": 10 } },
        }),
        span_start("t", "later"),
        json!({
            "event_id": "evt_2", "event_type": "trace.end", "trace_id": "t", "status": "ok",
            "attributes": { "rollout.dropped": { "queue_full": 2 } },
        }),
    ]);
    let trace = server.get_json("/api/v1/traces/t");
    assert_eq!(trace["metadata"]["rollout.dropped.spool_full"], 10);
    assert_eq!(trace["metadata"]["rollout.dropped.queue_full"], 2);
    let page = server.get("/traces/t");
    assert!(
        page.body
            .contains("12 events (2 queue full, 10 spool full)")
    );
    let store = open_store(server.dir()).unwrap();
    let trace = store.trace("t").unwrap().unwrap();
    let mut text = Vec::new();
    let tree = rollout_server::terminal::TraceTree {
        trace: &trace,
        spans: &[],
        total: 0,
    };
    rollout_server::terminal::write_tree(&mut text, tree, 120).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("lost 12 events (2 queue full, 10 spool full)"),
        "{text}"
    );
}
