//! Programs of every flavour: flush, shutdown and the guard's drop return, and everything arrives, in the spool and
//! at a server.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rollout_tests::events::{ids, in_memory, of_type, spooled, text};
use rollout_tests::ingest::{Answer, IngestServer};
use rollout_tests::program::{Ended, Program, command};
use serde_json::Value;

/// What came of a program.
struct Run {
    ended: Ended,
    spool: Vec<Value>,
    delivered: Vec<Value>,
}

/// The program of a flavour, with its spool and a server.
fn host(flavour: &str, dir: &Path, server: &IngestServer) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_host"), dir);
    command
        .arg(flavour)
        .env("ROLLOUT_EXPORTERS", "local,http")
        .env("ROLLOUT_ENDPOINT", server.url());
    command
}

fn run(flavour: &str) -> Run {
    let server = IngestServer::start(Answer::Accept);
    let dir = tempfile::tempdir().expect("a folder");
    let ended = Program::start(&mut host(flavour, dir.path(), &server)).end();
    Run {
        ended,
        spool: spooled(dir.path()),
        delivered: server.events(),
    }
}

/// Name, status and number of the traces that a program must have left.
type Expected<'a> = &'a [(&'a str, &'a str, usize)];

#[track_caller]
fn traces_are_whole(flavour: &str, events: &[Value], expected: Expected<'_>) {
    let mut traces: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in events {
        traces
            .entry(text(event, "/trace_id"))
            .or_default()
            .push(event);
    }
    for events in traces.values() {
        let types: Vec<_> = events.iter().map(|e| text(e, "/event_type")).collect();
        let order = [
            "trace.start",
            "span.start",
            "tool.call",
            "tool.result",
            "span.end",
            "trace.end",
        ];
        assert_eq!(types, order, "{flavour}");
    }
    let mut found: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for end in of_type(events, "trace.end") {
        *found
            .entry((text(end, "/name"), text(end, "/status")))
            .or_default() += 1;
    }
    let expected = expected
        .iter()
        .map(|(name, status, count)| ((*name, *status), *count))
        .collect();
    assert_eq!(found, expected, "{flavour}");
}

#[track_caller]
fn everything_arrives(flavour: &str, code: i32, expected: Expected<'_>) -> Vec<Value> {
    let run = run(flavour);
    assert_eq!(
        run.ended.status.code(),
        Some(code),
        "{flavour}: {}",
        run.ended.stderr
    );
    traces_are_whole(flavour, &run.spool, expected);
    assert!(
        ids(&run.spool).values().all(|count| *count == 1),
        "{flavour}"
    );
    assert_eq!(
        ids(&run.delivered),
        ids(&run.spool),
        "{flavour}: at the server once what is in the spool"
    );
    run.spool
}

const ENDS: [&str; 5] = [
    "guard",
    "flush",
    "blocking_flush",
    "shutdown",
    "blocking_shutdown",
];

#[track_caller]
fn with_every_end(host: &str) {
    for end in ENDS {
        everything_arrives(&format!("{host}/{end}"), 0, &[("async_agent", "ok", 3)]);
    }
}

/// An agent that has ended, and two starts of what has not: nothing of it was flushed by the program.
#[track_caller]
fn nothing_is_left_behind(flavour: &str, server: &IngestServer, dir: &Path) {
    let events = spooled(dir);
    assert_eq!(events.len(), 8, "{flavour}");
    assert_eq!(ids(&events), ids(&server.events()), "{flavour}");
    assert_eq!(of_type(&events, "trace.end").len(), 1, "{flavour}");
}

#[test]
fn an_exit_drains_first() {
    let server = IngestServer::start(Answer::Accept);
    let dir = tempfile::tempdir().expect("a folder");
    let ended = Program::start(&mut host("exit", dir.path(), &server)).end();
    assert_eq!(ended.status.code(), Some(3), "{}", ended.stderr);
    nothing_is_left_behind("exit", &server, dir.path());
}

#[cfg(unix)]
#[test]
fn signals_drain_first_where_that_is_wanted() {
    use std::io::{BufRead as _, BufReader};

    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let server = IngestServer::start(Answer::Accept);
        let dir = tempfile::tempdir().expect("a folder");
        let mut command = host("signal", dir.path(), &server);
        command.env("ROLLOUT_DRAIN_ON_SIGNALS", "true");
        let mut program = Program::start(command.stdout(std::process::Stdio::piped()));
        let stdout = program.child().stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("text");
        assert_eq!(line, "recorded\n");
        let id = program.child().id().to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &id])
            .status();
        assert!(sent.expect("a command").success());
        let ended = program.end();
        assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
        nothing_is_left_behind(signal, &server, dir.path());
    }
}

#[test]
fn no_runtime() {
    for end in ["guard", "blocking_flush", "blocking_shutdown"] {
        everything_arrives(&format!("none/{end}"), 0, &[("sync_agent", "ok", 3)]);
    }
}

#[test]
fn an_executor_that_is_no_runtime() {
    with_every_end("executor");
}

#[test]
fn a_runtime_on_one_thread() {
    with_every_end("current_thread");
}

#[test]
fn a_runtime_with_one_worker() {
    with_every_end("one_worker");
}

#[test]
fn a_runtime_with_many_workers() {
    with_every_end("many_workers");
}

#[test]
fn a_task_on_the_only_worker() {
    with_every_end("inside_task");
}

#[test]
fn inside_drop() {
    for place in ["current_thread", "task", "runtime", "unwinding"] {
        everything_arrives(&format!("drop/{place}"), 0, &[("sync_agent", "ok", 1)]);
    }
}

#[test]
fn after_the_runtime_is_gone() {
    everything_arrives(
        "after_runtime",
        0,
        &[("sync_agent", "ok", 2), ("async_agent", "ok", 2)],
    );
}

#[test]
fn threads_that_come_and_go() {
    everything_arrives("threads", 0, &[("sync_agent", "ok", 16)]);
}

#[test]
fn a_blocking_task_of_a_runtime_on_one_thread() {
    everything_arrives(
        "spawn_blocking",
        0,
        &[("sync_agent", "ok", 1), ("async_agent", "ok", 1)],
    );
}

#[test]
fn destructors_of_thread_locals() {
    everything_arrives("thread_locals", 0, &[("sync_agent", "ok", 4)]);
}

#[test]
fn a_future_that_is_dropped() {
    let events = everything_arrives("dropped_future", 0, &[("endless_agent", "cancelled", 2)]);
    for end in of_type(&events, "span.end") {
        assert_eq!(end["status"], "cancelled");
    }
}

#[test]
fn a_panic() {
    for (flavour, name) in [
        ("panic_in_main", "panicking_agent"),
        ("panic_in_async_main", "panicking_async_agent"),
    ] {
        let events = everything_arrives(flavour, 101, &[(name, "error", 1)]);
        for event_type in ["span.end", "trace.end"] {
            let ends = of_type(&events, event_type);
            assert_eq!(ends.len(), 1);
            assert_eq!(ends[0]["error"]["type"], "panic", "{flavour} {event_type}");
        }
    }
}

#[test]
fn a_panic_of_a_task() {
    everything_arrives(
        "panic_in_task",
        0,
        &[
            ("panicking_async_agent", "error", 1),
            ("async_agent", "ok", 2),
        ],
    );
}

#[test]
fn any_timeout_will_do() {
    let (client, memory) = in_memory(|builder| builder);
    client.trace("trace").in_scope(|_| ());
    let report = client.blocking_flush(Duration::MAX).expect("a report");
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(memory.events().len(), 2);
    let report = client.blocking_flush(Duration::ZERO).expect("a report");
    assert_eq!(report.lost, 0);
    assert!(client.blocking_shutdown(Duration::MAX).is_ok());
}

/// Nothing is flushed by hand and no guard is dropped: an agent's trace is in the spool when it returns.
#[test]
fn an_exit_right_after_an_agent() {
    for (kind, name) in [("sync", "sync_agent"), ("async", "async_agent")] {
        let flavour = format!("exit_at_once/{kind}");
        let run = run(&flavour);
        assert!(run.ended.status.success(), "{}", run.ended.stderr);
        traces_are_whole(&flavour, &run.spool, &[(name, "ok", 1)]);
    }
}
