//! A server that is down, unwell or slow: an annotated call is not slowed by it, and everything arrives when it is
//! back, once.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::path::Path;
use std::time::Duration;

use rollout::{Client, ExporterKind, task, tool};
use rollout_tests::events::{builder, ids, of_type, spooled, text};
use rollout_tests::ingest::{Answer, IngestServer};
use rollout_tests::{DEADLINE, wait_until};
use serde_json::Value;

const CALLS: u32 = 300;

/// Events of a call: a tool's two inside a task's two.
const EVENTS: usize = CALLS as usize * 4 + 2;

#[tool]
fn look_up(number: u32) -> u32 {
    number + 1
}

#[task]
fn call(number: u32) -> u32 {
    look_up(number)
}

fn client(dir: &Path, server: &IngestServer) -> Client {
    builder()
        .dir(dir)
        .endpoint(server.url())
        .exporters([ExporterKind::Local, ExporterKind::Http])
        .flush_interval(Duration::from_millis(10))
        .build()
        .expect("a client")
}

/// All calls, in one trace.
fn calls(client: &Client) {
    client.trace("calls").in_scope(|_| {
        for number in 0..CALLS {
            assert_eq!(call(number), number + 1);
        }
    });
}

fn delivered(client: &Client) -> u64 {
    client
        .stats()
        .exporters
        .get("http")
        .map_or(0, |http| http.delivered)
}

/// Everything is at the server once, whole and in order, and nothing was lost on the way.
#[track_caller]
fn everything_arrives(client: &Client, server: &IngestServer, dir: &Path) {
    let report = client.blocking_flush(DEADLINE).expect("a report");
    assert!(report.is_complete(), "{report:?}");
    let events = server.events();
    assert_eq!(events.len(), EVENTS);
    assert!(ids(&events).values().all(|count| *count == 1));
    assert_eq!(ids(&events), ids(&spooled(dir)));
    let results: Vec<_> = of_type(&events, "tool.result")
        .into_iter()
        .filter_map(|event| event["raw"]["result"].as_u64())
        .collect();
    assert!(results.into_iter().eq(1..=u64::from(CALLS)));
    assert_eq!(client.stats().events_lost(), 0);
}

#[test]
fn a_server_that_is_down() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = IngestServer::down(Answer::Accept);
    let client = client(dir.path(), &server);
    calls(&client);
    wait_until("an attempt that fails", || {
        let stats = client.stats();
        let http = stats.exporters.get("http")?;
        (http.retries > 0 && stats.spooled == EVENTS as u64).then_some(())
    });
    assert_eq!(delivered(&client), 0);
    server.come_up();
    everything_arrives(&client, &server, dir.path());
}

#[test]
fn a_server_that_is_unwell() {
    for status in [503, 429, 500] {
        let dir = tempfile::tempdir().expect("a folder");
        let server = IngestServer::start(Answer::Status(status));
        let client = client(dir.path(), &server);
        calls(&client);
        wait_until("two attempts that fail", || {
            (server.requests().len() > 1).then_some(())
        });
        assert_eq!(delivered(&client), 0);
        let requests = server.requests();
        assert_eq!(
            requests[0].batch["batch_id"], requests[1].batch["batch_id"],
            "the same batch again"
        );
        assert_eq!(requests[0].batch, requests[1].batch);
        server.answer(Answer::Accept);
        everything_arrives(&client, &server, dir.path());
    }
}

/// The server holds its very first answer until all calls are over: they cannot have waited for it.
#[test]
fn a_server_that_does_not_answer() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = IngestServer::start(Answer::Hold);
    let client = client(dir.path(), &server);
    client.trace("before").in_scope(|_| ());
    wait_until("a request", || {
        (!server.requests().is_empty()).then_some(())
    });
    calls(&client);
    assert_eq!(server.requests().len(), 1, "one at a time");
    assert_eq!(delivered(&client), 0);
    // What is not delivered is in the spool all the same.
    wait_until("the spool", || {
        (spooled(dir.path()).len() == EVENTS + 2).then_some(())
    });
    server.answer(Answer::Accept);
    let report = client.blocking_flush(DEADLINE).expect("a report");
    assert!(report.is_complete(), "{report:?}");
    let events = server.events();
    assert_eq!(events.len(), EVENTS + 2);
    assert_eq!(ids(&events), ids(&spooled(dir.path())));
    assert!(ids(&events).values().all(|count| *count == 1));
}

/// A flush that gives up says what is left, and what is left is sent by the next client in the same folder.
#[test]
fn a_server_that_does_not_come_back_in_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = IngestServer::down(Answer::Accept);
    let first = client(dir.path(), &server);
    calls(&first);
    wait_until("the spool", || {
        (first.stats().spooled == EVENTS as u64).then_some(())
    });
    let report = first.blocking_shutdown(Duration::ZERO).expect("a report");
    assert!(report.timed_out);
    assert_eq!(
        (report.delivered, report.spooled, report.lost),
        (0, EVENTS as u64, 0)
    );
    server.come_up();
    let second = client(dir.path(), &server);
    wait_until("what the first client has left", || {
        (delivered(&second) == EVENTS as u64).then_some(())
    });
    everything_arrives(&second, &server, dir.path());
}

/// What a trace says does not depend on how the server is.
#[test]
fn what_is_recorded_does_not_depend_on_the_server() {
    fn shape(events: &[Value]) -> Vec<(String, String, Value)> {
        events
            .iter()
            .map(|event| {
                (
                    text(event, "/event_type").to_owned(),
                    text(event, "/name").to_owned(),
                    event["raw"].clone(),
                )
            })
            .collect()
    }
    let shapes = [Answer::Accept, Answer::Status(503), Answer::Hold].map(|answer| {
        let dir = tempfile::tempdir().expect("a folder");
        let server = IngestServer::start(answer);
        let client = client(dir.path(), &server);
        calls(&client);
        server.answer(Answer::Accept);
        everything_arrives(&client, &server, dir.path());
        shape(&server.events())
    });
    assert_eq!(shapes[0], shapes[1]);
    assert_eq!(shapes[0], shapes[2]);
}
