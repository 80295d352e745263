//! Programs that fork: parent and child deliver what is theirs, once, and neither holds up the other.

#![cfg(unix)]
#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use rollout_tests::events::text;
use rollout_tests::ingest::{Answer, IngestServer};
use rollout_tests::program::{Program, command};
use rollout_tests::wait_until;
use serde_json::Value;

/// What a program and its children have sent.
#[track_caller]
fn sent(flavour: &str) -> Vec<Value> {
    let server = IngestServer::start(Answer::Accept);
    let dir = tempfile::tempdir().expect("a folder");
    let mut program = command(env!("CARGO_BIN_EXE_forks"), dir.path());
    let program = program.arg(flavour).env("ROLLOUT_ENDPOINT", server.url());
    let ended = Program::start(program).end();
    assert!(ended.status.success(), "{flavour}: {ended:?}");
    let left: Vec<_> = std::fs::read_dir(dir.path().join("spool"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(left.is_empty(), "all is delivered: {left:?}");
    let events = server.events();
    let unique: BTreeSet<&str> = events.iter().map(|e| text(e, "/event_id")).collect();
    assert_eq!(unique.len(), events.len(), "no event is sent twice");
    events
}

/// How many whole traces of an agent there are, by what they were given.
#[track_caller]
fn whole_traces(events: &[Value]) -> BTreeMap<String, usize> {
    let mut traces: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in events {
        traces
            .entry(text(event, "/trace_id"))
            .or_default()
            .push(event);
    }
    let mut found = BTreeMap::new();
    for events in traces.values() {
        let kinds: Vec<_> = events.iter().map(|e| text(e, "/event_type")).collect();
        assert_eq!(
            kinds,
            [
                "trace.start",
                "span.start",
                "tool.call",
                "tool.result",
                "span.end",
                "trace.end"
            ]
        );
        let name = text(events[2], "/raw/arguments/name");
        *found.entry(name.to_owned()).or_default() += 1;
    }
    found
}

fn expected(traces: &[(&str, usize)]) -> BTreeMap<String, usize> {
    let traces = traces.iter();
    traces
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn parent_and_child_send_what_is_theirs_once() {
    let events = sent("both");
    assert_eq!(
        whole_traces(&events),
        expected(&[("after", 20), ("before", 20), ("child", 20)])
    );
}

#[test]
fn what_is_open_when_a_process_forks_ends_in_the_parent() {
    let events = sent("inside");
    let of = |kind: &str| -> Vec<&Value> {
        let of = events.iter().filter(|e| text(e, "/event_type") == kind);
        of.collect()
    };
    let (starts, ends) = (of("span.start"), of("span.end"));
    assert_eq!((starts.len(), ends.len()), (1, 1), "{events:#?}");
    assert_eq!(ends[0]["status"], "ok");
    // The child's call is in the same trace, below what was open.
    let call = of("tool.call")[0];
    assert_eq!(call["trace_id"], starts[0]["trace_id"]);
    assert_eq!(call["parent_span_id"], starts[0]["span_id"]);
    assert_eq!(of("tool.result").len(), 1);
}

#[test]
fn a_child_that_records_nothing_just_ends() {
    let events = sent("silent");
    assert_eq!(
        whole_traces(&events),
        expected(&[("after", 1), ("before", 1)])
    );
}

#[test]
fn children_of_children_start_afresh_too() {
    let events = sent("generations");
    assert_eq!(
        whole_traces(&events),
        expected(&[("before", 1), ("child", 1), ("grandchild", 1)])
    );
}

#[test]
fn children_of_one_moment_have_ids_of_their_own() {
    let events = sent("many");
    assert_eq!(whole_traces(&events), expected(&[("child", 8)]));
}

#[test]
fn a_child_records_by_hand_too() {
    let events = sent("by_hand");
    let kinds: Vec<_> = events.iter().map(|e| text(e, "/event_type")).collect();
    assert_eq!(
        kinds,
        [
            "trace.start",
            "span.start",
            "span.end",
            "user.signal",
            "trace.end",
            "feedback",
            "identity.update"
        ]
    );
}

/// The lock of a folder tells of its owner, and not of the children that have a copy.
#[test]
fn what_a_killed_parent_has_left_is_sent_while_its_child_lives() {
    let mut server = IngestServer::down(Answer::Accept);
    let dir = tempfile::tempdir().expect("a folder");
    let mut orphan = command(env!("CARGO_BIN_EXE_forks"), dir.path());
    orphan
        .arg("orphan")
        .env("ROLLOUT_ENDPOINT", server.url())
        .stdin(Stdio::piped());
    let mut parent = orphan.spawn().expect("the program starts");
    let input = parent.stdin.take();
    wait_until("the child has recorded", || {
        dir.path().join("ready").exists().then_some(())
    });
    parent.kill().expect("it runs");
    parent.wait().expect("a child of ours");
    server.come_up();
    let mut next = command(env!("CARGO_BIN_EXE_forks"), dir.path());
    let next = next.arg("silent").env("ROLLOUT_ENDPOINT", server.url());
    assert!(Program::start(next).end().status.success());
    wait_until("the parent's and the child's are there", || {
        let there = server.events().len() >= 4 * 6;
        there.then_some(())
    });
    assert_eq!(
        whole_traces(&server.events()),
        expected(&[("after", 1), ("before", 2), ("child", 1)])
    );
    drop(input);
}

/// Runs a program that brings an exporter of its own, and gives what that has delivered by then.
#[track_caller]
fn delivered_by_own(flavour: &str, dir: &Path) -> Vec<Value> {
    let mut program = command(env!("CARGO_BIN_EXE_forks"), dir);
    let ended = Program::start(program.arg(flavour)).end();
    assert!(ended.status.success(), "{flavour}: {ended:?}");
    let text = std::fs::read_to_string(dir.join("own")).expect("it has delivered");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Folders of writers that have something left.
fn left(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir.join("spool")).expect("a folder");
    let folders = entries.filter(|entry| entry.as_ref().expect("an entry").path().is_dir());
    folders.count()
}

#[test]
fn what_an_exporter_that_stays_misses_is_sent_by_the_next_process() {
    let dir = tempfile::tempdir().expect("a folder");
    let events = delivered_by_own("stays", dir.path());
    assert_eq!(
        whole_traces(&events),
        expected(&[("after", 1), ("before", 1)])
    );
    assert_eq!(left(dir.path()), 1, "the child's");
    let events = delivered_by_own("own", dir.path());
    assert_eq!(
        whole_traces(&events),
        expected(&[("after", 1), ("before", 2), ("child", 2)])
    );
    assert_eq!(left(dir.path()), 0);
}

#[test]
fn an_exporter_of_the_programs_own_can_follow_into_a_child() {
    let dir = tempfile::tempdir().expect("a folder");
    let events = delivered_by_own("follows", dir.path());
    assert_eq!(
        whole_traces(&events),
        expected(&[("after", 1), ("before", 1), ("child", 1), ("made", 1)])
    );
    assert_eq!(left(dir.path()), 0);
}

#[test]
fn a_future_gives_up_on_a_childs_worker_in_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut program = command(env!("CARGO_BIN_EXE_forks"), dir.path());
    let ended = Program::start(program.arg("patient")).end();
    assert!(ended.status.success(), "{ended:?}");
}
