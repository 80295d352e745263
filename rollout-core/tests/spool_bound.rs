//! A spool over its bound: whole traces go, the oldest first, and what is missing is counted and said.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that the tests share are tests too"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rollout_core::{Client, DropReason, FlushError, FlushReport, MemoryExporter, SpoolKind};
use serde_json::{Value, json};
use support::server::{Answer, Server, closed_port};
use support::{PATIENCE, wait_until};

const BOUND: u64 = 256 << 10;

fn client(dir: &Path, endpoint: &str, bound: u64) -> Client {
    Client::builder()
        .dir(dir)
        .endpoint(endpoint)
        .max_spool_bytes(bound)
        .flush_at(10)
        .flush_interval(Duration::from_millis(20))
        .build()
        .unwrap()
}

/// Waits until all is in the spool, and for no server.
fn spool(client: &Client) -> FlushReport {
    loop {
        match client.blocking_flush(Duration::ZERO) {
            // A machine with much to do.
            Err(FlushError::Busy) => {}
            report => return report.unwrap(),
        }
    }
}

fn nowhere() -> String {
    format!("http://{}", closed_port())
}

/// A trace of four events with some text in it.
fn trace(client: &Client, number: usize) -> String {
    let trace = client.trace(format!("trace {number}")).start();
    trace.span("task").name("work").in_scope(|span| {
        span.record_output("x".repeat(300).as_str());
    });
    let id = trace.id().unwrap().to_string();
    trace.end();
    id
}

/// The lines of all writers, in order.
fn spooled(dir: &Path) -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(dir.join("spool"))
        .into_iter()
        .flatten()
        .filter_map(|writer| fs::read_dir(writer.unwrap().path()).ok())
        .flatten()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "ndjson"))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let lines: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            lines
        })
        .collect()
}

fn bytes(dir: &Path) -> u64 {
    let writers = fs::read_dir(dir.join("spool")).into_iter().flatten();
    writers
        .filter_map(|writer| fs::read_dir(writer.ok()?.path()).ok())
        .flatten()
        .filter_map(|file| {
            let file = file.ok()?;
            let is_segment = file.path().extension()? == "ndjson";
            is_segment.then(|| file.metadata().map_or(0, |data| data.len()))
        })
        .sum()
}

/// How many events of each trace there are, in the order of the traces' first ones, and how many are said to be lost.
fn by_trace(events: &[Value]) -> (Vec<(String, u64)>, BTreeMap<String, u64>) {
    let (mut there, mut lost) = (Vec::<(String, u64)>::new(), BTreeMap::new());
    for event in events {
        let id = event["trace_id"].as_str().unwrap().to_owned();
        if let Some(count) = event["attributes"]["rollout.dropped"]["spool_full"].as_u64() {
            *lost.entry(id).or_default() += count;
            continue;
        }
        match there.iter_mut().find(|(known, _)| *known == id) {
            Some((_, count)) => *count += 1,
            None => there.push((id, 1)),
        }
    }
    (there, lost)
}

#[test]
fn whole_traces_go_the_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let client = client(dir.path(), &nowhere(), BOUND);
    let ids: Vec<String> = (0..600).map(|number| trace(&client, number)).collect();
    let report = spool(&client);
    assert_eq!(report.spooled + report.lost, 600 * 4);
    assert_eq!(client.stats().dropped(DropReason::SpoolFull), report.lost);
    assert!(bytes(dir.path()) <= BOUND);
    let (there, lost) = by_trace(&spooled(dir.path()));
    assert!(there.iter().all(|(_, events)| *events == 4), "{there:?}");
    assert!(lost.is_empty(), "nothing is left to be marked: {lost:?}");
    // What the exporter has in its hands stays, three traces at most; of the rest, the newest.
    let newest = &ids[ids.len() - (there.len() - 3)..];
    let mut kept = there.iter().map(|(id, _)| id);
    assert!(newest.iter().all(|id| kept.any(|kept| kept == id)));
    assert!(there.len() > 50, "{}", there.len());
    // The exporter's, and one of what is lost.
    assert_eq!(client.stats().warnings, 2);
    end(&client);
}

/// Without waiting for a server that is not there.
fn end(client: &Client) {
    client.blocking_shutdown(Duration::from_millis(1)).unwrap();
}

#[test]
fn a_trace_of_which_part_is_lost_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let client = client(dir.path(), &format!("http://{address}"), BOUND);
    // Several run at once; all lines of the oldest go, however far apart they are.
    let running: Vec<_> = (0..8)
        .map(|number| client.trace(format!("long {number}")).start())
        .collect();
    for _ in 0..120 {
        for trace in &running {
            trace.span("task").name("step").in_scope(|span| {
                span.record_output("x".repeat(200).as_str());
            });
        }
        spool(&client);
    }
    let ids: Vec<String> = running
        .iter()
        .map(|trace| trace.id().unwrap().to_string())
        .collect();
    for trace in running {
        trace.end();
    }
    let recorded = 8 * (2 + 2 * 120);
    spool(&client);
    let lost = client.stats().dropped(DropReason::SpoolFull);
    assert!(lost > 0);
    assert!(bytes(dir.path()) <= BOUND);

    let taken = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = std::sync::Arc::clone(&taken);
    let _server = Server::start_at(address, move |request| {
        into.lock().unwrap().extend(request.events());
        Answer::Accept
    });
    wait_until("the rest arrives", || {
        let report = client.blocking_flush(PATIENCE).unwrap();
        report.spooled == 0 && report.delivered + report.lost == recorded
    });
    let (there, said) = by_trace(&taken.lock().unwrap());
    assert!(there.iter().any(|(_, events)| *events == 242), "{there:?}");
    let mut missing = 0;
    for id in &ids {
        let got = there.iter().find(|(known, _)| known == id);
        let got = got.map_or(0, |(_, events)| *events);
        missing += 242 - got;
        if got > 0 && got < 242 {
            assert_eq!(said.get(id), Some(&(242 - got)), "{id} of {ids:?}");
        }
    }
    assert_eq!(missing, lost);
}

#[test]
fn a_trace_that_fills_the_spool_alone_loses_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let client = client(dir.path(), &nowhere(), BOUND);
    let trace = client.trace("endless").start();
    for number in 0..1000 {
        trace
            .span("task")
            .name(format!("step {number}"))
            .in_scope(|span| span.record_output("x".repeat(200).as_str()));
    }
    spool(&client);
    let lost = client.stats().dropped(DropReason::SpoolFull);
    let lines = spooled(dir.path());
    assert!(bytes(dir.path()) <= BOUND);
    assert!(bytes(dir.path()) > BOUND / 2);
    let (there, said) = by_trace(&lines);
    assert_eq!((there[0].1 + lost, said.len()), (2001, 1));
    assert_eq!(said[&trace.id().unwrap().to_string()], lost);
    assert_eq!(lines.last().unwrap()["name"], "step 999");
    end(&client);
}

#[test]
fn one_bound_holds_for_all_that_live() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = nowhere();
    let clients: Vec<_> = (0..4)
        .map(|_| client(dir.path(), &nowhere, 4 * BOUND))
        .collect();
    for round in 0..60 {
        for client in &clients {
            for number in 0..20 {
                trace(client, round * 100 + number);
            }
            spool(client);
        }
        let all = bytes(dir.path());
        assert!(all <= 4 * BOUND, "{all} after round {round}");
    }
    // They may still be at it: files come and go while they are read here.
    wait_until("all is there or counted", || {
        let (there, said) = by_trace(&spooled(dir.path()));
        let left: u64 = there.iter().map(|(_, events)| *events).sum();
        let lost: u64 = clients.iter().map(|c| c.stats().events_lost()).sum();
        // One that has only what its exporter has in its hands gives up the rest of these traces.
        let whole = there
            .iter()
            .all(|(id, events)| events + said.get(id).unwrap_or(&0) == 4);
        whole && lost > 0 && left + lost == 4 * 60 * 20 * 4
    });
    clients.iter().for_each(end);
}

/// The one with the oldest traces makes room for the one that writes.
#[test]
fn the_oldest_go_whoever_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = nowhere();
    let old = client(dir.path(), &nowhere, 4 * BOUND);
    for number in 0..480 {
        trace(&old, number);
    }
    spool(&old);
    assert_eq!(old.stats().events_lost(), 0);
    let young = client(dir.path(), &nowhere, 4 * BOUND);
    // Nearly all that there is room for; more would cost the young one.
    let mut number = 0;
    while number == 0 || bytes(dir.path()) < 4 * BOUND * 83 / 100 {
        trace(&young, number);
        number += 1;
        spool(&young);
    }
    wait_until("the old one has made room", || {
        old.stats().events_lost() > 0
    });
    assert_eq!(young.stats().events_lost(), 0);
    end(&young);
    end(&old);
}

#[test]
fn what_stays_of_a_dead_writer_is_sent_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let dead = client(dir.path(), &nowhere(), 4 * BOUND);
    for number in 0..400 {
        trace(&dead, number);
    }
    dead.blocking_shutdown(Duration::from_millis(1)).unwrap();
    let address = closed_port();
    let next = client(dir.path(), &format!("http://{address}"), 4 * BOUND);
    for number in 0..430 {
        trace(&next, number);
    }
    spool(&next);
    let lost = next.stats().events_lost();
    assert!((1..1600).contains(&lost), "{lost}");
    let server = Server::start_at(address, |_| Answer::Accept);
    wait_until("all is sent", || {
        next.blocking_flush(PATIENCE).unwrap();
        server.stored().len() as u64 >= 830 * 4 - lost
    });
    let report = next.blocking_shutdown(PATIENCE).unwrap();
    assert_eq!((report.spooled, report.lost), (0, 0), "of its own");
    let requests = server.requests();
    let events: Vec<Value> = requests
        .iter()
        .flat_map(support::server::Request::events)
        .collect();
    let (there, said) = by_trace(&events);
    assert!(there.iter().all(|(_, events)| *events == 4), "{there:?}");
    assert_eq!((there.len() as u64 * 4 + lost, said.len()), (830 * 4, 0));
}

#[test]
fn memory_is_bounded_in_whole_traces_too() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let server = Server::start(move |_| Answer::AcceptWhen(gate.clone()));
    let client = Client::builder()
        .spool(SpoolKind::Memory)
        .endpoint(server.url())
        .max_queue_bytes(BOUND)
        .flush_at(10)
        .build()
        .unwrap();
    for number in 0..600 {
        trace(&client, number);
        spool(&client);
    }
    let lost = client.stats().dropped(DropReason::SpoolFull);
    assert!(lost > 0);
    open.send(true).unwrap();
    wait_until("the rest is sent", || {
        client.blocking_flush(PATIENCE).unwrap().spooled == 0
    });
    let requests = server.requests();
    let events: Vec<Value> = requests
        .iter()
        .flat_map(support::server::Request::events)
        .collect();
    let (there, said) = by_trace(&events);
    assert!(there.iter().all(|(_, events)| *events == 4), "{there:?}");
    assert_eq!((said.len(), there.len() as u64 * 4 + lost), (0, 2400));
}

#[test]
fn what_has_no_trace_goes_event_by_event() {
    let dir = tempfile::tempdir().unwrap();
    let client = client(dir.path(), &nowhere(), BOUND);
    let fields = |number: usize| json!({ "external_trace_id": "e", "name": number.to_string() });
    for number in 0..3000 {
        client.capture_event(rollout_core::EventType::Metric, &fields(number));
    }
    spool(&client);
    let lines = spooled(dir.path());
    let lost = client.stats().dropped(DropReason::SpoolFull);
    assert_eq!(lines.len() as u64 + lost, 3000);
    assert_eq!(lines.last().unwrap()["name"], "2999");
    end(&client);
}

/// A reader that keeps up misses nothing while another one is stuck.
#[test]
fn who_keeps_up_gets_all() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryExporter::new();
    let client = Client::builder()
        .dir(dir.path())
        .endpoint(nowhere())
        .exporter(Box::new(memory.clone()))
        .max_spool_bytes(BOUND)
        .flush_interval(Duration::from_millis(5))
        .build()
        .unwrap();
    for number in 0..600 {
        trace(&client, number);
        if number % 10 == 0 {
            wait_until("it has all", || memory.events().len() == 4 * (number + 1));
        }
    }
    assert!(client.stats().dropped(DropReason::SpoolFull) > 0);
    wait_until("it has all", || memory.events().len() == 2400);
    end(&client);
}
