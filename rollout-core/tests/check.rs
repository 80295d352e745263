//! `check`: the diagnostic batch against servers that take it or do not, and the spool without
//! an address.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that the tests share are tests too"
)]

mod support;

use rollout_core::SpoolKind;
use support::program::Program;
use support::server::{Answer, Server, closed_port};

#[test]
fn a_server_that_takes_the_diagnostic_batch() {
    let server = Server::start(|_| Answer::Accept);
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder
            .endpoint(server.url())
            .agent_name("support")
            .sample_rate(0.0)
    });
    let result = program.client.blocking_check();
    assert!(result.ok, "{result:?}");
    assert_eq!((result.accepted, result.rejected), (3, 0));
    assert!(result.errors.is_empty());

    let events = server.requests()[0].events();
    let types: Vec<_> = events.iter().map(|e| e["event_type"].clone()).collect();
    assert_eq!(types, ["trace.start", "metric", "trace.end"]);
    for (index, (event, word)) in events.iter().zip(["start", "metric", "end"]).enumerate() {
        let id = event["event_id"].as_str().unwrap();
        assert!(id.starts_with(&format!("evt_check_{word}_")), "{id}");
        let trace = event["trace_id"].as_str().unwrap();
        assert!(trace.starts_with("trace_check_"), "{trace}");
        assert_eq!(event["sequence"], index + 1);
        assert_eq!(event["name"], "rollout.sdk.check");
        assert_eq!(event["attributes"]["diagnostic"], true);
        assert_eq!(event["attributes"]["rollout_check"], true);
        assert_eq!(event["agent"]["name"], "support");
        assert_eq!(event["occurred_at"], events[0]["occurred_at"]);
    }
    assert_eq!(events[1]["attributes"]["metric_name"], "ingestion_check");
    assert_eq!(events[1]["attributes"]["value"], 1);
    assert_eq!(events[2]["duration_ms"], 0.0);
    assert_eq!(events[2]["status"], "ok");
}

#[test]
fn a_server_that_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let refuses = Server::start(|_| Answer::Refuse(vec![1], "no_metrics", false));
    let program = Program::start(dir.path(), |builder| builder.endpoint(refuses.url()));
    let result = program.client.blocking_check();
    assert!(!result.ok);
    assert_eq!((result.accepted, result.rejected), (2, 1));
    assert_eq!(result.errors[0].code, "no_metrics");
    assert!(result.message.contains("no_metrics"), "{}", result.message);

    let answers = [
        (401, "no such key", "ROLLOUT_API_KEY"),
        (503, "busy", "503"),
        (200, "{}", "not the protocol's"),
        (
            200,
            r#"{"accepted":2,"rejected":0,"retryable":false,"errors":[]}"#,
            "2 of 3",
        ),
    ];
    for (status, body, expected) in answers {
        let server = Server::start(move |_| Answer::Status(status, "", body));
        let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
        let result = program.client.blocking_check();
        assert!(!result.ok);
        assert!(result.message.contains(expected), "{}", result.message);
        assert_eq!(server.requests().len(), 1, "no second try");
    }

    let nobody = format!("http://{}", closed_port());
    let program = Program::start(dir.path(), |builder| builder.endpoint(nobody.as_str()));
    let result = program.client.blocking_check();
    assert!(!result.ok);
    assert!(result.message.contains(&nobody), "{}", result.message);
}

#[test]
fn without_an_address_the_spool_is_tried() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| builder);
    let result = program.client.blocking_check();
    assert!(result.ok, "{result:?}");
    assert_eq!(result.accepted, 3);
    let place = dir.path().to_str().unwrap();
    assert!(result.message.contains(place), "{}", result.message);

    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "in the way").unwrap();
    let program = Program::start(&blocked, |builder| builder);
    let result = program.client.blocking_check();
    assert!(!result.ok);
    assert!(result.message.contains("ROLLOUT_DIR"), "{}", result.message);

    let program = Program::start(dir.path(), |builder| builder.spool(SpoolKind::Memory));
    assert!(program.client.blocking_check().ok);
}
