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

use rollout_server::{ingest::sync_once, open_store, store::Store};
use rollout_tests::{server::TestServer, wait_until};
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
    let page = server.get_json("/api/v1/traces?filter=status:interrupted");
    assert_eq!(page["traces"].as_array().unwrap().len(), 1);
    assert_eq!(
        (status("done"), status("alive"), status("remote")),
        (json!("ok"), json!("running"), json!("running"))
    );
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
