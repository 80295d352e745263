//! The exporter `http` against servers that are well, down, slow, busy, strict or wrong.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that the tests share are tests too"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rollout_core::DropReason;
use support::PATIENCE;
use support::program::Program;
use support::server::{Answer, Server, closed_port};
use support::wait_until;

const AT_ONCE: Duration = Duration::from_millis(1);

#[test]
fn a_batch_is_what_the_protocol_says() {
    let server = Server::start(|_| Answer::Accept);
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder
            .endpoint(format!("{}/base/", server.url()))
            .api_key("sk-of-the-test")
    });
    let names = program.record(3);
    let report = program.flush(PATIENCE);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.delivered, 3);
    assert!(server.has_once(&names));

    let requests = server.requests();
    let request = &requests[0];
    assert_eq!(request.path, "/base/v1/events:batch");
    let header = |name: &str| request.headers[name].to_str().unwrap();
    assert_eq!(header("authorization"), "Bearer sk-of-the-test");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("content-encoding"), "gzip");
    assert_eq!(header("accept"), "application/json");
    let batch = request.batch.as_object().unwrap();
    let fields: Vec<_> = batch.keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "batch_id",
            "events",
            "schema_version",
            "sdk",
            "sent_at",
            "source"
        ]
    );
    assert_eq!(batch["schema_version"], "1.0");
    assert_eq!(batch["source"], "sdk_rust");
    assert_eq!(batch["sdk"]["name"], "rollout");
    assert_eq!(batch["sdk"]["language"], "rust");
    let id = batch["batch_id"].as_str().unwrap();
    assert!(id.starts_with("batch_") && id.len() == 6 + 36, "{id}");
    let stats = program.stats();
    assert_eq!(stats.exporters["http"].delivered, 3);
    assert_eq!(stats.events_lost(), 0);
}

#[test]
fn batches_close_at_their_number_of_events() {
    let server = Server::start(|_| Answer::Accept);
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder
            .endpoint(server.url())
            .flush_at(10)
            .flush_interval(PATIENCE)
    });
    let names = program.record(25);
    wait_until("two full batches are there", || server.stored().len() == 20);
    assert!(program.flush(PATIENCE).is_complete());
    assert!(server.has_once(&names));
    let sizes: Vec<_> = server.requests().iter().map(|r| r.events().len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
}

#[test]
fn what_a_server_that_is_down_misses_arrives_when_it_is_back() {
    let address = closed_port();
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder.endpoint(format!("http://{address}"))
    });
    let names = program.record(100);
    let report = program.flush(AT_ONCE);
    assert!(report.timed_out);
    assert_eq!((report.delivered, report.spooled, report.lost), (0, 100, 0));
    wait_until("an attempt has failed", || program.http().retries > 0);
    assert!(program.http().last_error.is_some());

    let server = Server::start_at(address, |_| Answer::Accept);
    let report = program.flush(PATIENCE);
    assert!(report.is_complete(), "{report:?}");
    assert!(server.has_once(&names));
    assert_eq!(program.http().last_error, None);
}

#[test]
fn a_retry_sends_the_same_batch() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let server = Server::start(move |request| match request.number {
            0 | 1 => Answer::Status(status, "", "busy"),
            _ => Answer::Accept,
        });
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
        let names = program.record(2);
        // Each call cuts the back-off short.
        wait_until("all is taken", || program.flush(AT_ONCE).is_complete());
        assert!(server.has_once(&names));
        let requests = server.requests();
        assert_eq!(requests[0].batch, requests[1].batch);
        assert_eq!(requests[0].batch, requests[2].batch);
        assert_eq!(program.http().retries, 2);
    }
}

/// In seconds, or as a time of day.
#[test]
fn retry_after_is_honoured() {
    let statuses = [
        (429, "retry-after: 3600"),
        (503, "retry-after: Fri, 31 Dec 2100 23:59:59 GMT"),
    ];
    for (status, after) in statuses {
        let server = Server::start(move |request| match request.number {
            0 => Answer::Status(status, after, "slow down"),
            _ => Answer::Accept,
        });
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
        program.record(1);
        wait_until("the answer is read", || program.http().retries == 1);
        // A flush cuts a back-off of our own short, not the time that the server asks for.
        for _ in 0..5 {
            let report = program.flush(Duration::from_millis(100));
            assert!(report.timed_out);
            assert_eq!(report.spooled, 1);
        }
        assert_eq!(server.requests().len(), 1);
        program.stop(AT_ONCE);
    }
}

/// A future that waits for delivery tells what it has waited for in vain.
#[test]
fn a_flush_that_gives_up_says_what_is_left() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let server = Server::start(move |request| match request.events().len() {
        10 => Answer::Accept,
        _ => Answer::AcceptWhen(gate.clone()),
    });
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder
            .endpoint(server.url())
            .flush_at(10)
            .flush_interval(PATIENCE)
            .timeout(Duration::from_millis(500))
    });
    let names = program.record(10);
    wait_until("one batch is taken", || program.http().delivered == 10);
    let names = [names, program.record(5)].concat();
    let report = futures::executor::block_on(program.client.flush()).unwrap();
    assert!(report.timed_out && !report.is_complete());
    assert_eq!((report.delivered, report.spooled, report.lost), (10, 5, 0));
    open.send(true).unwrap();
    wait_until("the rest is taken", || {
        program.flush(PATIENCE).is_complete()
    });
    assert!(names.iter().all(|name| server.stored().contains(name)));
}

#[test]
fn a_slow_server_gets_everything_once() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let server = Server::start(move |_| Answer::AcceptWhen(gate.clone()));
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
    let mut names = program.record(50);
    wait_until("a request is on its way", || !server.requests().is_empty());
    names.extend(program.record(500));
    assert!(program.flush(AT_ONCE).timed_out);
    open.send(true).unwrap();
    assert!(program.flush(PATIENCE).is_complete());
    assert!(server.has_once(&names));
}

#[test]
fn a_batch_that_is_too_large_goes_in_halves() {
    let server = Server::start(|request| {
        if request.events().len() > 3 {
            Answer::Status(413, "", "too large")
        } else {
            Answer::Accept
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder.endpoint(server.url()).flush_interval(PATIENCE)
    });
    let names = program.record(21);
    let report = program.flush(PATIENCE);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(server.stored(), names, "in order");
    let sizes: Vec<_> = server.requests().iter().map(|r| r.events().len()).collect();
    assert_eq!(sizes, [21, 10, 5, 2, 3, 5, 2, 3, 11, 5, 2, 3, 6, 3, 3]);
}

#[test]
fn one_event_that_is_too_large_is_counted() {
    let server = Server::start(|request| {
        let bad = request
            .events()
            .iter()
            .any(|event| event["name"] == "event_2");
        if bad {
            Answer::Status(413, "", "")
        } else {
            Answer::Accept
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
    program.record(5);
    let report = program.flush(PATIENCE);
    assert_eq!((report.delivered, report.spooled, report.lost), (4, 0, 1));
    assert_eq!(program.http().rejected_by_code["too_large"], 1);
}

#[test]
fn one_bad_event_does_not_cost_its_batch() {
    for status in [400, 422] {
        let server = Server::start(move |request| {
            let bad = request
                .events()
                .iter()
                .any(|event| event["name"] == "event_7");
            if bad {
                Answer::Status(status, "", "event 7 is bad")
            } else {
                Answer::Accept
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), |builder| {
            builder.endpoint(server.url()).flush_interval(PATIENCE)
        });
        let mut names = program.record(20);
        let report = program.flush(PATIENCE);
        names.remove(7);
        assert_eq!(server.stored(), names, "in order");
        assert_eq!((report.delivered, report.spooled, report.lost), (19, 0, 1));
        let stats = program.stats();
        let code = format!("http_{status}");
        assert_eq!(stats.exporters["http"].rejected_by_code[&code], 1);
        assert_eq!(stats.dropped(DropReason::Rejected), 1);
    }
}

#[test]
fn refused_events_are_counted_by_the_servers_reason() {
    let server = Server::start(|_| Answer::Refuse(vec![1, 3], "unknown_event_type", false));
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder.endpoint(server.url()).flush_interval(PATIENCE)
    });
    program.record(5);
    let report = program.flush(PATIENCE);
    assert_eq!((report.delivered, report.spooled, report.lost), (3, 0, 2));
    let stats = program.stats();
    assert_eq!(
        stats.exporters["http"].rejected_by_code["unknown_event_type"],
        2
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn events_refused_for_now_are_sent_again() {
    let server = Server::start(|request| match request.number {
        0 => Answer::Refuse(vec![0, 2], "busy", true),
        _ => Answer::Accept,
    });
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder.endpoint(server.url()).flush_interval(PATIENCE)
    });
    let names = program.record(4);
    assert!(program.flush(PATIENCE).is_complete());
    assert!(server.has_once(&names));
    assert_eq!(server.requests()[1].events().len(), 2);
}

#[test]
fn a_wrong_key_stops_the_exporter_and_keeps_the_events() {
    for status in [401, 403] {
        let server =
            Server::start(move |_| Answer::Status(status, "", "no such key: sk-of-the-test"));
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), |builder| {
            builder.endpoint(server.url()).api_key("sk-of-the-test")
        });
        program.record(3);
        let report = program.flush(PATIENCE);
        assert!(!report.timed_out, "nobody waits for what cannot come");
        assert_eq!((report.delivered, report.spooled, report.lost), (0, 3, 0));
        let why = &report.stopped["http"];
        assert!(
            why.contains("[redacted]") && !why.contains("sk-of"),
            "{why}"
        );
        program.record(2);
        let report = program.flush(PATIENCE);
        assert_eq!(report.spooled, 5);
        assert_eq!(server.requests().len(), 1);
        assert_eq!(program.stats().warnings, 1);
        program.stop(PATIENCE);

        // With the right key the next process sends them.
        let server = Server::start(|_| Answer::Accept);
        let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
        program.stop(PATIENCE);
        assert_eq!(server.stored().len(), 5);
    }
}

#[test]
fn an_answer_that_is_not_the_protocols_is_no_receipt() {
    let bodies = [
        "",
        "<html>welcome to the hotel</html>",
        "{}",
        r#"{"accepted":2,"rejected":0,"retryable":false,"errors":[],"more":1}"#,
        r#"{"accepted":2,"rejected":0,"retryable":false}"#,
    ];
    for body in bodies {
        let server = Server::start(move |request| match request.number {
            0 => Answer::Garbage(body),
            _ => Answer::Accept,
        });
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
        let names = program.record(2);
        wait_until("the batch is taken", || server.stored().len() == 2);
        assert!(program.flush(PATIENCE).is_complete());
        assert!(server.has_once(&names));
        assert_eq!(program.http().retries, 1);
    }
}

#[test]
fn redirects_and_unknown_statuses_are_refusals() {
    for (status, header) in [(302, "location: http://127.0.0.1:1/"), (404, ""), (418, "")] {
        let server = Server::start(move |_| Answer::Status(status, header, "not here"));
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
        program.record(4);
        let report = program.flush(PATIENCE);
        assert_eq!((report.delivered, report.spooled, report.lost), (0, 0, 4));
        let stats = program.stats();
        let code = format!("http_{status}");
        assert_eq!(stats.exporters["http"].rejected_by_code[&code], 4);
        assert!(stats.warnings > 0);
    }
}

#[test]
fn many_batches_keep_their_order() {
    let fails = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        if fails.fetch_add(1, Ordering::Relaxed) % 3 == 1 {
            Answer::Status(503, "", "")
        } else {
            Answer::Accept
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder.endpoint(server.url()).flush_at(100)
    });
    let mut names = Vec::new();
    for _ in 0..10 {
        names.extend(program.record(137));
        program.flush(AT_ONCE);
    }
    while !program.flush(PATIENCE).is_complete() {}
    assert_eq!(server.stored(), names);
}

#[test]
fn rejections_that_are_not_explained_are_counted_too() {
    let answer = r#"{"accepted":1,"rejected":2,"retryable":false,
                     "errors":[{"index":0,"code":"odd","message":"it is odd"}]}"#;
    let server = Server::start(move |_| Answer::Garbage(answer));
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder.endpoint(server.url()).flush_interval(PATIENCE)
    });
    program.record(3);
    let report = program.flush(PATIENCE);
    assert_eq!((report.delivered, report.spooled, report.lost), (1, 0, 2));
    assert_eq!(program.http().rejected_by_code["odd"], 1);
    assert_eq!(program.http().rejected_by_code["unexplained"], 1);
}
