//! A server whose disk is full says so, in the status that has each sender try again, and goes on when there is room.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::fs;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use rollout_tests::otlp;
use rollout_tests::server::{Answer, Bytes, TestServer};
use rollout_tests::tmpfs::Tmpfs;
use rollout_tests::wait_until;
use rollout_tests::wire::batch;
use serde_json::{Value, json};

/// A trace whose input has this many bytes.
fn trace(id: &str, bytes: usize) -> Value {
    // Nothing that can be made smaller.
    let mut random = fastrand::Rng::with_seed(7);
    let text: String = (0..bytes).map(|_| random.alphanumeric()).collect();
    json!({
        "event_id": format!("evt_{id}"), "event_type": "trace.start", "trace_id": id, "name": id,
        "raw": { "input": text },
    })
}

fn post(server: &TestServer, source: &str, events: &[Value]) -> Answer {
    let body = String::from_utf8(batch(events)).unwrap();
    let body = body.replace("sdk_test", source);
    server.post(body.as_bytes(), &[])
}

/// Sends traces until one is refused for want of room, and gives that one.
fn until_full(server: &TestServer, source: &str) -> (Value, Answer) {
    for number in 0.. {
        let event = trace(&format!("{source}_{number}"), 100_000);
        let answer = post(server, source, std::slice::from_ref(&event));
        if answer.status != 200 {
            return (event, answer);
        }
        assert!(number < 1000, "the disk has room for this");
    }
    unreachable!()
}

/// The same with spans of OpenTelemetry, each a trace.
fn otlp_until_full(server: &TestServer) -> (ExportTraceServiceRequest, Bytes) {
    for number in 1..1000 {
        let mut random = fastrand::Rng::with_seed(number);
        let text: String = (0..100_000).map(|_| random.alphanumeric()).collect();
        let mut large = otlp::span(number, 0, "large", &json!({ "input.value": text }));
        large.trace_id = u128::from(number).to_be_bytes().into();
        let request = otlp::request(&json!({}), vec![large]);
        let headers = [("content-type", "application/x-protobuf")];
        let answer = server.post_to("/v1/traces", &otlp::protobuf(&request), &headers);
        if answer.status != 200 {
            return (request, answer);
        }
    }
    unreachable!("the disk has room for this")
}

#[test]
fn a_full_disk_is_said_in_the_status_that_each_sender_tries_again_on() {
    let Some(disk) = Tmpfs::mount(8 << 20) else {
        return;
    };
    let server = TestServer::start_in(disk.path(), &[]);
    assert_eq!(
        post(&server, "sdk_rust", &[trace("first", 100)]).status,
        200
    );
    let filler = disk.fill_but(400_000);
    let (ours, answer) = until_full(&server, "sdk_rust");
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (507, "disk_full")
    );
    let (theirs, answer) = until_full(&server, "sdk_python");
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (503, "disk_full")
    );
    assert!(
        answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("full")
    );
    let (spans, answer) = otlp_until_full(&server);
    assert_eq!(
        (answer.status, &answer.headers["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(answer.headers["content-type"], "application/x-protobuf");
    assert!(String::from_utf8_lossy(&answer.body).contains("full"));
    // What is there can be read all the while.
    assert_eq!(server.get("/api/v1/traces/first").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    let metrics = server.get("/metrics").body;
    assert!(metrics.contains(r#"status="507""#), "{metrics}");

    fs::remove_file(filler).unwrap();
    for (source, event) in [("sdk_rust", &ours), ("sdk_python", &theirs)] {
        for _ in 0..2 {
            let answer = post(&server, source, std::slice::from_ref(event));
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.json()["accepted"], 1);
        }
        let id = event["trace_id"].as_str().unwrap();
        let there = server.get_json(&format!("/api/v1/traces/{id}"));
        assert_eq!(there["input"], event["raw"]["input"]);
    }
    server.take_spans(&spans);
    server.take_spans(&spans);
    let listed = server.trace_ids();
    assert_eq!(
        listed.iter().filter(|id| **id == ours["trace_id"]).count(),
        1
    );
    server.stop();
}

/// Our own exporter keeps what a full server does not take, and sends it when there is room.
#[test]
fn programs_wait_until_there_is_room() {
    let Some(disk) = Tmpfs::mount(64 << 20) else {
        return;
    };
    let server = TestServer::start_in(disk.path(), &[]);
    let filler = disk.fill_but(200_000);
    until_full(&server, "sdk_test");
    let dir = tempfile::tempdir().unwrap();
    let client = rollout::Client::builder()
        .dir(dir.path())
        .endpoint(format!("http://{}", server.addr()))
        .flush_interval(Duration::from_millis(20))
        .build()
        .unwrap();
    let before = server.trace_ids().len();
    for number in 0..50 {
        let trace = client.trace(format!("trace {number}")).start();
        trace.span("task").name("step").in_scope(|span| {
            span.record_output(trace_text(number).as_str());
        });
        trace.end();
    }
    wait_until("the server has refused it", || {
        let stats = client.stats();
        let error = stats.exporters.get("http")?.last_error.clone()?;
        error.contains("507").then_some(())
    });
    fs::remove_file(filler).unwrap();
    wait_until("all is delivered", || {
        let report = client.blocking_flush(Duration::from_secs(5)).unwrap();
        report.is_complete().then_some(())
    });
    assert_eq!(server.trace_ids().len(), before + 50);
    assert_eq!(client.stats().events_lost(), 0);
}

fn trace_text(number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    (0..30_000).map(|_| random.alphanumeric()).collect()
}
