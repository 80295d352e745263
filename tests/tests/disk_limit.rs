//! A program whose files may not grow: to it, that is a disk that is full, and it takes no root to make one.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use rollout_tests::events::{segments, spooled};
use rollout_tests::ingest::{Answer, IngestServer};
use rollout_tests::program::command;
use rollout_tests::wait_until;
use serde_json::{Value, json};

struct Recorder {
    child: Child,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Recorder {
    fn start(dir: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = command(env!("CARGO_BIN_EXE_recorder"), dir)
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    fn ask(&mut self, command: &str) -> Value {
        writeln!(self.input, "{command}").unwrap();
        serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The numbers of the events in the spool, in order.
fn numbers(dir: &Path) -> Vec<usize> {
    let events = spooled(dir);
    let names = events.iter().map(|event| event["name"].as_str().unwrap());
    names
        .map(|name| name.strip_prefix("event ").unwrap().parse().unwrap())
        .collect()
}

#[track_caller]
fn said(answer: &Value, lost: u64, warnings: u64) {
    assert_eq!(
        (&answer["lost"], &answer["warnings"]),
        (&json!(lost), &json!(warnings))
    );
}

#[test]
fn a_write_that_breaks_off_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Recorder::start(dir.path(), &[]);
    said(&program.ask("record 100"), 0, 0);
    let segment = segments(dir.path()).remove(0);
    let bytes = fs::metadata(&segment).unwrap().len();
    // A line and a half.
    program.ask(&format!("limit {}", bytes + bytes / 67));
    said(&program.ask("record 400"), 0, 1);
    let kept = fs::metadata(&segment).unwrap().len();
    assert!(
        kept >= bytes && kept < bytes + bytes / 50,
        "{kept} of {bytes}"
    );
    assert!(
        fs::read_to_string(&segment).unwrap().ends_with("}\n"),
        "only whole lines"
    );
    program.ask("limit 0");
    said(&program.ask("record 400"), 0, 1);
    assert!(numbers(dir.path()).into_iter().eq(0..100));
    program.ask("unlimited");
    // Nothing more has to be recorded for it.
    wait_until("what was in memory is on the disk", || {
        (numbers(dir.path()).len() == 900).then_some(())
    });
    said(&program.ask("record 100"), 0, 1);
    assert!(numbers(dir.path()).into_iter().eq(0..1000));
}

#[test]
fn exporters_go_on_meanwhile() {
    let mut server = IngestServer::down(Answer::Accept);
    let dir = tempfile::tempdir().unwrap();
    let url = server.url();
    let settings = [
        ("ROLLOUT_ENDPOINT", url.as_str()),
        ("ROLLOUT_FLUSH_INTERVAL", "0.02"),
    ];
    let mut program = Recorder::start(dir.path(), &settings);
    program.ask("record 100");
    program.ask("limit 0");
    assert_eq!(program.ask("record 200")["waiting"], 300);
    server.come_up();
    wait_until("all is delivered", || {
        (program.ask("flush")["delivered"] == 300).then_some(())
    });
    program.ask("record 100");
    wait_until("what comes then, too", || {
        (program.ask("flush")["delivered"] == 400).then_some(())
    });
    let events = server.events();
    let names = events.iter().map(|event| event["name"].as_str().unwrap());
    assert!(names.eq((0..400).map(|number| format!("event {number}"))));
    assert_eq!(program.ask("flush")["lost"], 0);
}

/// Memory has its bound too: then the oldest go, and that is counted.
#[test]
fn one_that_stays_costs_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Recorder::start(dir.path(), &[("ROLLOUT_MAX_QUEUE_BYTES", "256 KiB")]);
    program.ask("limit 0");
    let mut answer = program.ask("record 500");
    while answer["lost"] == 0 {
        answer = program.ask("record 500");
    }
    // Of the disk, and of what is lost.
    assert_eq!(answer["warnings"], 2);
    let recorded = answer["recorded"].as_u64().unwrap() as usize;
    let lost = answer["lost"].as_u64().unwrap() as usize;
    assert!(numbers(dir.path()).is_empty());
    program.ask("unlimited");
    wait_until("the rest is on the disk", || {
        (numbers(dir.path()).len() == recorded - lost).then_some(())
    });
    assert!(numbers(dir.path()).into_iter().eq(lost..recorded));
}
