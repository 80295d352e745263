//! Disks that fail under a program: full, read-only, taken away. Nothing is lost while memory has room for it, one
//! warning says so, and when the disk is back it is used again.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rollout::{Client, DropReason, EventType, FlushError};
use rollout_tests::events::{segments, spooled};
use rollout_tests::ingest::{Answer, IngestServer};
use rollout_tests::program::command;
use rollout_tests::tmpfs::Tmpfs;
use rollout_tests::wait_until;
use serde_json::{Value, json};

fn client(dir: &Path) -> Client {
    Client::builder().dir(dir).build().unwrap()
}

fn record(client: &Client, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let text = "x".repeat(500);
        let fields = json!({ "external_trace_id": "t", "name": number.to_string(), "text": text });
        client.capture_event(EventType::Metric, &fields);
    }
    while client.blocking_flush(Duration::ZERO) == Err(FlushError::Busy) {
        // A machine with much to do.
    }
}

/// The numbers of the events in the spool, in order.
fn numbers(dir: &Path) -> Vec<usize> {
    let events = spooled(dir);
    let names = events.iter().map(|event| event["name"].as_str().unwrap());
    names.map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_full_disk_costs_nothing_and_is_used_again() {
    let Some(disk) = Tmpfs::mount(4 << 20) else {
        return;
    };
    let client = client(disk.path());
    record(&client, 0..100);
    let filler = disk.fill_but(20_000);
    // Some of it fits, and one of the writes breaks off in the middle.
    for from in (100..1000).step_by(10) {
        record(&client, from..from + 10);
    }
    assert_eq!(client.stats().spooled, 1000);
    assert_eq!(client.stats().warnings, 1);
    let there = numbers(disk.path());
    assert!(there.len() < 1000, "the disk is full");
    assert!(there.iter().copied().eq(0..there.len()), "only whole lines");
    fs::remove_file(filler).unwrap();
    // Nothing more has to be recorded for it.
    wait_until("what was in memory is on the disk", || {
        (numbers(disk.path()).len() == 1000).then_some(())
    });
    record(&client, 1000..1100);
    assert!(numbers(disk.path()).into_iter().eq(0..1100));
    let stats = client.stats();
    assert_eq!((stats.events_lost(), stats.warnings), (0, 1));
}

#[test]
fn exporters_go_on_while_the_disk_is_full() {
    let Some(disk) = Tmpfs::mount(2 << 20) else {
        return;
    };
    let mut server = IngestServer::down(Answer::Accept);
    let client = Client::builder()
        .dir(disk.path())
        .endpoint(server.url())
        .flush_interval(Duration::from_millis(20))
        .build()
        .unwrap();
    record(&client, 0..100);
    disk.fill_but(0);
    record(&client, 100..300);
    server.come_up();
    wait_until("all is delivered", || {
        let report = client.blocking_flush(Duration::from_secs(5)).unwrap();
        report.is_complete().then_some(())
    });
    record(&client, 300..400);
    assert!(
        client
            .blocking_flush(Duration::from_mins(1))
            .unwrap()
            .is_complete()
    );
    let events = server.events();
    let names = events.iter().map(|event| event["name"].as_str().unwrap());
    assert!(names.map(|name| name.parse::<usize>().unwrap()).eq(0..400));
}

/// Memory has its bound too: then the oldest go, and that is counted.
#[test]
fn a_disk_that_stays_full_costs_the_oldest() {
    let Some(disk) = Tmpfs::mount(1 << 20) else {
        return;
    };
    disk.fill_but(0);
    let client = Client::builder()
        .dir(disk.path())
        .max_queue_bytes(256 << 10)
        .build()
        .unwrap();
    // Long enough for the disk to be tried again, in vain.
    let (began, mut count) = (Instant::now(), 0);
    while count < 2000 || began.elapsed() < Duration::from_millis(2500) {
        record(&client, count..count + 10);
        count += 10;
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let stats = client.stats();
    let lost = stats.dropped(DropReason::SpoolFull);
    assert!(lost > 0);
    assert_eq!(stats.events_lost(), lost);
    // Of the disk, and of what is lost.
    assert_eq!(stats.warnings, 2);
    fs::remove_file(disk.path().join("filler")).unwrap();
    wait_until("the rest is on the disk", || {
        (numbers(disk.path()).len() as u64 == count as u64 - lost).then_some(())
    });
    assert!(numbers(disk.path()).into_iter().eq(lost as usize..count));
}

#[test]
fn a_disk_that_is_read_only_at_first_is_used_when_it_can_be_written() {
    let Some(disk) = Tmpfs::mount(4 << 20) else {
        return;
    };
    disk.read_only(true);
    let client = client(disk.path());
    record(&client, 0..200);
    let stats = client.stats();
    assert_eq!((stats.spooled, stats.warnings), (200, 1));
    assert!(segments(disk.path()).is_empty());
    disk.read_only(false);
    wait_until("what was in memory is on the disk", || {
        (numbers(disk.path()).len() == 200).then_some(())
    });
    assert_eq!(client.stats().events_lost(), 0);
}

/// A program that is told what to do.
struct Recorder {
    child: Child,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Recorder {
    /// One that may not do whatever it likes, as root may.
    fn start(dir: &Path) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_recorder"), dir);
        if nix::unistd::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        let mut child = command
            .env("ROLLOUT_MAX_SPOOL_BYTES", "64 KiB")
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

/// Where the program may write can change while it runs: the next segment cannot be begun.
#[test]
fn a_folder_that_becomes_read_only_is_used_again_later() {
    let parent = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(parent.path(), 0o777);
    let mut program = Recorder::start(parent.path());
    assert_eq!(program.ask("record 10")["spooled"], 10);
    let writer = segments(parent.path())[0].parent().unwrap().to_owned();
    mode(&writer, 0o555);
    // Several segments of 8 KiB.
    let answer = program.ask("record 100");
    assert_eq!(
        (&answer["lost"], &answer["warnings"]),
        (&json!(0), &json!(1))
    );
    assert!(spooled(parent.path()).len() < 110);
    mode(&writer, 0o755);
    wait_until("what was in memory is on the disk", || {
        let answer = program.ask("flush");
        assert_eq!(
            (&answer["lost"], &answer["warnings"]),
            (&json!(0), &json!(1))
        );
        (spooled(parent.path()).len() == 110).then_some(())
    });
}

#[test]
fn a_folder_that_is_taken_away_costs_what_was_in_it() {
    let mut server = IngestServer::down(Answer::Accept);
    let dir = tempfile::tempdir().unwrap();
    let client = Client::builder()
        .dir(dir.path())
        .endpoint(server.url())
        .flush_interval(Duration::from_millis(20))
        .build()
        .unwrap();
    record(&client, 0..50);
    let before = segments(dir.path());
    fs::remove_dir_all(dir.path().join("spool")).unwrap();
    let mut count = 50;
    wait_until("there is a folder again", || {
        record(&client, count..count + 1);
        count += 1;
        segments(dir.path())
            .first()
            .filter(|new| !before.contains(new))
            .map(|_| ())
    });
    record(&client, count..count + 10);
    count += 10;
    server.come_up();
    wait_until("what is there is delivered", || {
        let report = client.blocking_flush(Duration::from_secs(5)).unwrap();
        (report.spooled == 0).then_some(())
    });
    // The batch that was on its way is in memory; everything is delivered or counted, and what came last is there.
    let report = client.blocking_flush(Duration::from_mins(1)).unwrap();
    assert_eq!(report.delivered + report.lost, count as u64);
    let lost = client.stats().dropped(DropReason::SpoolDamaged);
    assert_eq!(report.lost, lost);
    let events = server.events();
    assert_eq!(events.len() as u64, report.delivered);
    assert_eq!(events.last().unwrap()["name"], (count - 1).to_string());
}
