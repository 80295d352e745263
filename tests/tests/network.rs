//! Networks that do what networks do, between annotated calls and a server that stores: whatever it is, when it is
//! over every event is in the store, once, and the calls were not slowed by it.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so and fails, and this one has figures to show"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rollout::{Client, ExporterKind, Trace, task, tool};
use rollout_tests::events::builder;
use rollout_tests::proxy::{Fault, Proxy};
use rollout_tests::server::TestServer;
use rollout_tests::{DEADLINE, wait_until};

/// Calls of one round. Each is a task, a tool inside it and a signal: five events.
const ROUND: u32 = 40;

/// Rounds whose best tells how long the calls take.
const ROUNDS: u32 = 12;

/// How much slower calls may be while the network is at fault. A caller that waits for anything of it is slower by
/// orders of magnitude; one whose processor is taken by others is measured again.
const RATIO: f64 = 3.0;

/// How often it is measured again.
const MEASURED: u32 = 20;

#[tool]
fn look_up(number: u32) -> u32 {
    number + 1
}

#[task]
fn call(number: u32) -> u32 {
    rollout::signal("called", &number);
    look_up(number)
}

/// A program that calls in one trace, and counts how often.
struct Calls {
    client: Client,
    trace: Trace,
    made: u32,
}

impl Calls {
    /// The best of some rounds.
    fn best(&mut self) -> Duration {
        (0..ROUNDS)
            .map(|_| self.round())
            .min()
            .expect("there are some")
    }

    fn round(&mut self) -> Duration {
        let (from, to) = (self.made, self.made + ROUND);
        self.made = to;
        self.trace.in_scope(|| {
            let began = Instant::now();
            for number in from..to {
                assert_eq!(call(number), number + 1);
            }
            began.elapsed()
        })
    }
}

/// Calls while there is this fault, after it was met so many times; then it is lifted.
#[track_caller]
fn survives(fault: Fault, hits: u64) {
    let server = TestServer::start();
    let proxy = Proxy::start(server.addr());
    let dir = tempfile::tempdir().expect("a folder");
    let client = builder()
        .dir(dir.path())
        .endpoint(proxy.url())
        .exporters([ExporterKind::Http])
        .flush_interval(Duration::from_millis(10))
        .build()
        .expect("a client");
    let trace = client.trace("calls").start();
    let mut calls = Calls {
        client,
        trace,
        made: 0,
    };
    calls.round();
    let mut without = calls.best();
    let name = fault.name();
    proxy.inject(fault);
    let mut with = calls.best();
    wait_until("the fault is met", || {
        with = with.min(calls.round());
        (proxy.hits() >= hits).then_some(())
    });
    let mut ratio = f64::INFINITY;
    for _ in 0..MEASURED {
        with = with.min(calls.best());
        ratio = with.as_secs_f64() / without.as_secs_f64();
        if ratio <= RATIO {
            break;
        }
    }
    assert!(ratio <= RATIO, "{without:?} without, {with:?} with it");
    proxy.inject(Fault::None);
    without = without.min(calls.best());
    println!(
        "{name}: {} calls, a round of {ROUND} in {without:?} without it and {with:?} with it, {} attempts failed",
        calls.made,
        calls.client.stats().exporters["http"].retries
    );
    is_stored_once(calls, &server);
}

/// Every event is in the store, whole and once.
#[track_caller]
fn is_stored_once(calls: Calls, server: &TestServer) {
    let Calls {
        client,
        trace,
        made,
    } = calls;
    let id = trace.id().expect("it is recorded").to_string();
    trace.end();
    let report = client.blocking_shutdown(DEADLINE).expect("a report");
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.delivered, u64::from(made) * 5 + 2);
    assert_eq!(client.stats().events_lost(), 0);
    assert_eq!(server.trace_ids(), [id.as_str()]);
    let detail = server.get_json(&format!("/api/v1/traces/{id}"));
    assert_eq!(detail["status"], "ok");
    assert_eq!(detail["span_count"], made * 2);
    let signals = detail["signals"].as_array().expect("a list");
    let values: Vec<_> = signals
        .iter()
        .map(|row| row["value"].as_u64().expect("a number"))
        .collect();
    assert!(
        values.iter().copied().eq(0..u64::from(made)),
        "{} signals of {made}, in this order or another one",
        values.len()
    );
    let mut spans = BTreeMap::new();
    for offset in (0..made * 2).step_by(1000) {
        let path = format!("/api/v1/traces/{id}/spans?limit=1000&offset={offset}");
        for span in server.get_json(&path)["spans"].as_array().expect("a list") {
            assert_eq!(span["status"], "ok");
            assert!(span["started_at"].is_string() && span["duration_ms"].is_number());
            let id = span["span_id"].as_str().expect("an id").to_owned();
            let name = span["name"].as_str().expect("a name").to_owned();
            assert_eq!(spans.insert(id, name), None);
        }
    }
    let named = |name: &str| spans.values().filter(|found| *found == name).count();
    assert_eq!(
        (named("call"), named("look_up")),
        (made as usize, made as usize)
    );
}

#[test]
fn no_fault() {
    survives(Fault::None, 0);
}

#[test]
fn latency() {
    survives(Fault::Latency(Duration::from_millis(300)), 1);
}

#[test]
fn a_trickle() {
    survives(Fault::Bandwidth(1024), 1);
}

#[test]
fn connections_that_are_refused() {
    survives(Fault::Refuse, 3);
}

#[test]
fn requests_that_are_reset() {
    survives(Fault::ResetRequest(100), 3);
    survives(Fault::ResetRequest(4000), 3);
}

#[test]
fn answers_that_are_reset() {
    survives(Fault::ResetAnswer, 3);
}

#[test]
fn a_half_that_is_closed() {
    survives(Fault::HalfClose, 3);
}

#[test]
fn answers_that_are_cut() {
    survives(Fault::Truncate(8), 2);
    survives(Fault::Truncate(100), 2);
}

/// The head says more than there is.
#[test]
fn answers_that_end_early() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"accepted\":";
    let answer = answer.as_bytes().to_vec();
    // Nothing more comes, and the connection stays: only time can tell, so little of it is met.
    survives(Fault::Replace(answer), 1);
}

#[test]
fn a_storm_of_503() {
    survives(Fault::status(503, None), 3);
}

#[test]
fn a_storm_of_503_with_a_wish() {
    survives(Fault::status(503, Some(1)), 2);
}

#[test]
fn a_storm_of_429_with_a_wish() {
    survives(Fault::status(429, Some(1)), 2);
}

#[test]
fn garbage() {
    for answer in [
        "\0\u{1}\u{2}nonsense that is no HTTP\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n<html>sign in here</html>",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        survives(Fault::Replace(answer.as_bytes().to_vec()), 2);
        survives(Fault::Answer(answer.as_bytes().to_vec()), 2);
    }
}

/// A firewall that swallows everything.
#[test]
fn silence() {
    survives(Fault::Stall, 1);
}
