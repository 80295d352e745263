//! What is lost in the spool, or of what a dead process has left in it, is counted, and said in the traces that have
//! something left.

#![expect(
    clippy::unwrap_used,
    reason = "the functions that the tests share are tests too"
)]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rollout_core::{Client, DropReason, FlushError, SpoolKind, Trace};
use serde_json::Value;
use support::server::{Answer, Request, Server, closed_port};
use support::{PATIENCE, wait_until};

fn client(dir: &Path, address: SocketAddr) -> Client {
    Client::builder()
        .dir(dir)
        .endpoint(format!("http://{address}"))
        .max_spool_bytes(256 << 10)
        .flush_interval(Duration::from_millis(20))
        .build()
        .unwrap()
}

fn start(client: &Client, name: &str) -> (Trace, String) {
    let trace = client.trace(name).start();
    let id = trace.id().unwrap().to_string();
    (trace, id)
}

/// Two events each.
fn steps(trace: &Trace, count: usize) {
    for _ in 0..count {
        trace.span("task").name("step").in_scope(|span| {
            span.record_output("x".repeat(300).as_str());
        });
    }
}

/// Waits until all is in the spool, and for no server.
fn spool(client: &Client) {
    while client.blocking_flush(Duration::ZERO) == Err(FlushError::Busy) {
        // A machine with much to do.
    }
}

/// Ends without waiting for a server that is not there.
fn leave(client: Client) {
    client.blocking_shutdown(Duration::from_millis(1)).unwrap();
}

/// The segments of all writers, in order.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let writers = fs::read_dir(dir.join("spool")).unwrap();
    let mut found: Vec<_> = writers
        .filter_map(|writer| fs::read_dir(writer.unwrap().path()).ok())
        .flatten()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "ndjson"))
        .collect();
    found.sort();
    found
}

/// A trace that is on its way, so that it stays where everything else goes.
fn under_way(client: &Client) {
    let (trace, _) = start(client, "under way");
    trace.end();
    wait_until("it is on its way", || {
        let stats = client.stats();
        stats
            .exporters
            .get("http")
            .is_some_and(|http| http.retries > 0)
    });
}

/// Puts something in the way of whoever wants to write what stays of a segment beside it.
fn block_rewriting(dir: &Path) {
    let writer = segments(dir)[0].parent().unwrap().to_owned();
    for number in (1..200_000).step_by(1000) {
        fs::create_dir(writer.join(format!("{number:08}.next"))).unwrap();
    }
}

fn arrived(server: &Server) -> Vec<Value> {
    let requests = server.requests();
    requests.iter().flat_map(Request::events).collect()
}

/// By trace: events that are there, and those that are said to be lost for this reason, as it was said last.
fn by_trace(events: &[Value], reason: &str) -> BTreeMap<String, (u64, u64)> {
    let mut found = BTreeMap::<String, (u64, u64)>::new();
    for event in events {
        let of_trace = found
            .entry(event["trace_id"].as_str().unwrap().to_owned())
            .or_default();
        if let Some(lost) = event["attributes"]["rollout.dropped"][reason].as_u64() {
            of_trace.1 = lost;
        }
        let is_mark = event["event_id"].as_str().unwrap().starts_with("evt_lost_");
        of_trace.0 += u64::from(!is_mark);
    }
    found
}

#[track_caller]
fn delivered(client: &Client) {
    wait_until("what is there is delivered", || {
        let report = client.blocking_flush(PATIENCE).unwrap();
        report.spooled == 0
    });
}

/// Its traces are told apart, whether or not they go on.
#[test]
fn a_segment_that_somebody_cuts_is_said_in_its_traces() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let client = client(dir.path(), address);
    under_way(&client);
    let (before, before_id) = start(&client, "whole");
    steps(&before, 5);
    before.end();
    let (ended, ended_id) = start(&client, "ends in what is cut");
    steps(&ended, 5);
    let (running, running_id) = start(&client, "goes on");
    steps(&running, 5);
    ended.end();
    let (gone, gone_id) = start(&client, "all of it is cut");
    gone.end();
    spool(&client);
    let segment = segments(dir.path()).remove(0);
    let text = fs::read_to_string(&segment).unwrap();
    // The whole one, three events of the next one and a part of its fourth are left.
    let keep: usize = text
        .split_inclusive('\n')
        .take(2 + 12 + 3)
        .map(str::len)
        .sum();
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    file.set_len(keep as u64 + 20).unwrap();
    let server = Server::start_at(address, |_| Answer::Accept);
    wait_until("it is noticed", || {
        client.blocking_flush(PATIENCE).unwrap().spooled == 0
    });
    let lost = 12 - 3 + 11 + 2;
    assert_eq!(client.stats().dropped(DropReason::SpoolDamaged), lost);
    assert_eq!(client.stats().events_lost(), lost);
    running.end();
    wait_until("it is said in both that have something left", || {
        client.blocking_flush(PATIENCE).unwrap();
        let found = by_trace(&arrived(&server), "spool_damaged");
        found.values().filter(|(_, said)| *said > 0).count() == 2
    });
    let found = by_trace(&arrived(&server), "spool_damaged");
    assert_eq!(found[&before_id], (12, 0));
    assert_eq!(found[&ended_id], (3, 9));
    assert_eq!(found[&running_id], (1, 11));
    assert!(
        !found.contains_key(&gone_id),
        "nothing is left to say it in"
    );
}

#[test]
fn a_folder_that_somebody_removes_is_said_in_the_traces_that_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let client = client(dir.path(), address);
    under_way(&client);
    let (trace, id) = start(&client, "goes on");
    steps(&trace, 5);
    spool(&client);
    fs::remove_dir_all(dir.path().join("spool")).unwrap();
    let server = Server::start_at(address, |_| Answer::Accept);
    delivered(&client);
    assert_eq!(client.stats().dropped(DropReason::SpoolDamaged), 11);
    // It takes a moment until the folder is missed, and what comes until then is lost too.
    let mut recorded = 11;
    wait_until("something comes again, and it is said", || {
        trace.signal("there", &true);
        recorded += 1;
        client.blocking_flush(PATIENCE).unwrap();
        let lost = client.stats().dropped(DropReason::SpoolDamaged);
        let found = by_trace(&arrived(&server), "spool_damaged");
        found.get(&id) == Some(&(recorded - lost, lost))
    });
    trace.end();
    leave(client);
}

/// Where nothing can be written beside them, whole segments go.
#[test]
fn whole_segments_that_go_are_said_in_their_traces() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let client = client(dir.path(), address);
    let (long, long_id) = start(&client, "long");
    spool(&client);
    block_rewriting(dir.path());
    let (mut recorded, mut short) = (1, 0);
    while client.stats().dropped(DropReason::SpoolFull) < 500 {
        steps(&long, 1);
        let (other, _) = start(&client, "short");
        steps(&other, 1);
        other.end();
        recorded += 2;
        short += 4;
        spool(&client);
    }
    let server = Server::start_at(address, |_| Answer::Accept);
    long.end();
    recorded += 1;
    delivered(&client);
    let lost = client.stats().dropped(DropReason::SpoolFull);
    let found = by_trace(&arrived(&server), "spool_full");
    let (there, said) = found[&long_id];
    assert_eq!(there + said, recorded);
    let others = found.iter().filter(|(id, _)| **id != long_id);
    let (mut there_of_others, mut said_of_others) = (0, 0);
    for (id, (there, said)) in others {
        assert!(*there == 4 || there + said == 4, "{id}: {there}, {said}");
        there_of_others += there;
        said_of_others += said;
    }
    assert!(said_of_others < 100, "none of those that went as a whole");
    assert_eq!(there + there_of_others + lost, recorded + short);
}

#[test]
fn whole_segments_of_a_dead_process_are_said_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let first = client(dir.path(), address);
    let (long, long_id) = start(&first, "long");
    spool(&first);
    block_rewriting(dir.path());
    steps(&long, 100);
    spool(&first);
    assert_eq!(first.stats().events_lost(), 0);
    leave(first);
    let second = client(dir.path(), address);
    while second.stats().dropped(DropReason::SpoolFull) == 0 {
        let (trace, _) = start(&second, "of the second");
        steps(&trace, 1);
        trace.end();
        spool(&second);
    }
    let server = Server::start_at(address, |_| Answer::Accept);
    wait_until("what is left is there, and said", || {
        second.blocking_flush(PATIENCE).unwrap();
        let lost = second.stats().dropped(DropReason::SpoolFull);
        let found = by_trace(&arrived(&server), "spool_full");
        found.get(&long_id) == Some(&(201 - lost, lost))
    });
    leave(second);
}

#[test]
fn what_comes_after_its_trace_went_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let client = client(dir.path(), address);
    under_way(&client);
    let (trace, id) = start(&client, "gone");
    let id_of_trace = trace.id().unwrap();
    steps(&trace, 1);
    trace.end();
    let (other, other_id) = start(&client, "stays");
    steps(&other, 300);
    spool(&client);
    assert!(client.stats().dropped(DropReason::SpoolFull) >= 4);
    client.feedback(id_of_trace, "helpful", &true);
    client.feedback(id_of_trace, "helpful", &false);
    spool(&client);
    let server = Server::start_at(address, |_| Answer::Accept);
    delivered(&client);
    let found = by_trace(&arrived(&server), "spool_full");
    assert_eq!(found[&id], (2, 4), "the two, and what went before");
    assert!(found[&other_id].1 > 0);
    other.end();
    leave(client);
}

#[test]
fn what_a_server_refuses_of_a_dead_process_is_said_in_its_trace() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let first = client(dir.path(), address);
    let (trace, id) = start(&first, "of the first");
    trace.span("task").name("bad").in_scope(|_| ());
    trace.end();
    leave(first);
    let server = Server::start_at(address, |request| {
        let refused = request.events().into_iter().enumerate();
        let refused = refused.filter(|(_, event)| event["name"] == "bad");
        Answer::Refuse(refused.map(|(index, _)| index).collect(), "too_bad", false)
    });
    let second = client(dir.path(), address);
    wait_until("it is said", || {
        let found = by_trace(&arrived(&server), "rejected");
        found.get(&id).is_some_and(|(_, said)| *said == 2)
    });
    let report = second.blocking_shutdown(PATIENCE).unwrap();
    assert_eq!((report.lost, report.delivered), (0, 0), "of its own");
    assert_eq!(second.stats().dropped(DropReason::Rejected), 2);
}

/// Zeros where a line was, and the rest of a line before a whole one.
#[test]
fn damaged_lines_of_a_dead_process_cost_nothing_but_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let first = client(dir.path(), address);
    let (trace, id) = start(&first, "damaged");
    steps(&trace, 5);
    trace.end();
    leave(first);
    let segment = segments(dir.path()).remove(0);
    let text = fs::read(&segment).unwrap();
    let mut starts = vec![0];
    starts.extend(
        text.iter()
            .enumerate()
            .filter_map(|(at, byte)| (*byte == b'\n').then_some(at + 1)),
    );
    let mut file = OpenOptions::new().write(true).open(&segment).unwrap();
    // The end of the third line, the whole of the fifth with its line feed, the end of the eighth with its.
    for (from, to) in [
        (starts[3] - 40, starts[3] - 20),
        (starts[4], starts[5]),
        (starts[8] - 30, starts[8]),
    ] {
        file.seek(SeekFrom::Start(from as u64)).unwrap();
        file.write_all(&vec![0; to - from]).unwrap();
    }
    let server = Server::start_at(address, |request| {
        // A body that is no JSON would not have come so far.
        assert!(!request.events().is_empty());
        Answer::Accept
    });
    let second = client(dir.path(), address);
    wait_until("it is said", || {
        by_trace(&arrived(&server), "spool_damaged").get(&id) == Some(&(9, 2))
    });
    // Of what is zeros, nobody knows whose it was.
    assert_eq!(second.stats().dropped(DropReason::SpoolDamaged), 3);
    assert_eq!(second.stats().events_lost(), 3);
    assert_eq!(server.requests().len(), 2, "in one go, and then the mark");
    second.blocking_shutdown(PATIENCE).unwrap();
    assert!(segments(dir.path()).is_empty());
}

/// What cannot be read by this process may be read by another one.
#[test]
fn what_cannot_be_read_stays() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let first = client(dir.path(), address);
    let (trace, id) = start(&first, "not to be read");
    trace.end();
    leave(first);
    let segment = segments(dir.path()).remove(0);
    let aside = dir.path().join("aside");
    fs::rename(&segment, &aside).unwrap();
    fs::create_dir(&segment).unwrap();
    let server = Server::start_at(address, |_| Answer::Accept);
    let second = client(dir.path(), address);
    let report = second.blocking_shutdown(PATIENCE).unwrap();
    assert!(!report.timed_out, "it is not waited for");
    assert_eq!(second.stats().warnings, 1);
    fs::remove_dir(&segment).unwrap();
    fs::rename(&aside, &segment).unwrap();
    let third = client(dir.path(), address);
    third.blocking_shutdown(PATIENCE).unwrap();
    assert_eq!(by_trace(&arrived(&server), "")[&id], (2, 0));
}

/// Memory ends with the process: what waits in it is lost, and not called spooled.
#[test]
fn what_is_in_memory_at_the_end_is_counted_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let client = Client::builder()
        .dir(dir.path())
        .spool(SpoolKind::Memory)
        .endpoint(format!("http://{}", closed_port()))
        .build()
        .unwrap();
    let (trace, _) = start(&client, "nobody gets it");
    trace.end();
    let report = client.blocking_shutdown(Duration::from_millis(1)).unwrap();
    assert_eq!((report.delivered, report.spooled, report.lost), (0, 0, 2));
    assert!(!report.is_complete());
    assert_eq!(client.stats().dropped(DropReason::Undelivered), 2);
}

/// A disk that can be written again at the very end takes it.
#[test]
fn what_is_in_memory_at_the_end_goes_to_a_disk_that_is_back() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("in the way");
    fs::write(&dir, "").unwrap();
    let client = client(&dir, closed_port());
    let (trace, _) = start(&client, "in memory");
    trace.end();
    spool(&client);
    fs::remove_file(&dir).unwrap();
    let report = client.blocking_shutdown(Duration::from_millis(1)).unwrap();
    assert_eq!((report.delivered, report.spooled, report.lost), (0, 2, 0));
    let text = fs::read_to_string(segments(&dir).remove(0)).unwrap();
    assert_eq!(text.lines().count(), 2);
}
