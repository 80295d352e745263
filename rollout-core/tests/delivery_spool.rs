//! The spool: what is on disk, what the next process takes over, what its bounds cost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that the tests share are tests too"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rollout_core::{ExporterKind, SpoolKind};
use support::PATIENCE;
use support::program::Program;
use support::server::{Answer, Server, closed_port};
use support::wait_until;

const AT_ONCE: Duration = Duration::from_millis(1);

/// The folders of writers, oldest first.
fn writers(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir.join("spool")) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// The files of a writer with this ending, in order.
fn files(writer: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(writer)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    found.sort();
    found
}

/// The names of the events of all writers, in order.
fn spooled(dir: &Path) -> Vec<String> {
    writers(dir)
        .iter()
        .flat_map(|writer| files(writer, "ndjson"))
        .flat_map(|segment| {
            let text = fs::read_to_string(segment).unwrap();
            text.lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .map(|event| event["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn is_alive(writer: &Path) -> bool {
    let lock = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(writer.join("lock"))
        .unwrap();
    lock.try_lock().is_err()
}

#[test]
fn with_no_address_the_spool_is_the_trace() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join(".rollout");
    let program = Program::start(&dir, |builder| builder);
    let names = program.record(30);
    let report = program.flush(PATIENCE);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.delivered, 30);
    assert_eq!(spooled(&dir), names);
    assert_eq!(fs::read_to_string(dir.join(".gitignore")).unwrap(), "*\n");
    let writer = writers(&dir).remove(0);
    assert!(is_alive(&writer));
    assert!(files(&writer, "cursor").is_empty());
    program.stop(PATIENCE);
    assert!(!is_alive(&writer));
    assert_eq!(spooled(&dir), names, "kept");
}

#[test]
fn a_folder_that_was_there_before_is_not_hidden_from_git() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| builder);
    program.record(1);
    program.stop(PATIENCE);
    assert!(!dir.path().join(".gitignore").exists());
    assert!(dir.path().join("spool/.gitignore").exists());
}

#[test]
fn what_is_delivered_is_removed_unless_local_keeps_it() {
    let server = Server::start(|_| Answer::Accept);
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
    program.record(10);
    assert!(program.stop(PATIENCE).is_complete());
    assert!(writers(dir.path()).is_empty());

    let program = Program::start(dir.path(), |builder| {
        builder
            .endpoint(server.url())
            .exporters([ExporterKind::Local, ExporterKind::Http])
    });
    let names = program.record(10);
    assert!(program.stop(PATIENCE).is_complete());
    assert_eq!(spooled(dir.path()), names);
    assert_eq!(server.stored().len(), 20);

    // What local keeps is not sent again by the next process.
    let program = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
    program.stop(PATIENCE);
    assert_eq!(server.stored().len(), 20);
    assert_eq!(spooled(dir.path()), names);
}

/// Whoever sends what a dead process has left leaves it where that process wanted it to stay.
#[test]
fn what_local_keeps_outlives_its_delivery_by_others() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = format!("http://{}", closed_port());
    let first = Program::start(dir.path(), |builder| {
        builder
            .endpoint(nobody)
            .exporters([ExporterKind::Local, ExporterKind::Http])
    });
    let names = first.record(10);
    first.stop(AT_ONCE);
    let server = Server::start(|_| Answer::Accept);
    Program::start(dir.path(), |builder| builder.endpoint(server.url())).stop(PATIENCE);
    assert!(server.has_once(&names));
    assert_eq!(spooled(dir.path()), names);
}

#[test]
fn a_client_that_records_nothing_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| builder);
    program.stop(PATIENCE);
    assert!(writers(dir.path()).is_empty());
}

#[test]
fn segments_rotate_and_go_as_they_are_delivered() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let server = Server::start(move |_| Answer::AcceptWhen(gate.clone()));
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| {
        builder.endpoint(server.url()).max_spool_bytes(1 << 20)
    });
    // Segments of 128 KiB.
    let names = program.record(4_000);
    wait_until("all is spooled", || program.stats().spooled == 4_000);
    let writer = writers(dir.path()).remove(0);
    assert!(files(&writer, "ndjson").len() > 2);
    assert_eq!(spooled(dir.path()), names);
    open.send(true).unwrap();
    assert!(program.flush(PATIENCE).is_complete());
    assert_eq!(files(&writer, "ndjson").len(), 1);
    assert!(server.has_once(&names));
}

#[test]
fn the_next_process_sends_what_one_has_left() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = format!("http://{}", closed_port());
    let first = Program::named("first", dir.path(), |builder| {
        builder.endpoint(nobody.as_str())
    });
    let mut names = first.record(700);
    let report = first.stop(AT_ONCE);
    assert_eq!(report.spooled, 700);
    assert!(report.timed_out);
    let left = writers(dir.path()).remove(0);
    assert_eq!(files(&left, "cursor").len(), 1);

    // The tail of a line that a crash has torn.
    let segment = files(&left, "ndjson").pop().unwrap();
    let mut text = fs::read(&segment).unwrap();
    text.extend_from_slice(br#"{"event_id":"evt_torn","event_ty"#);
    fs::write(&segment, text).unwrap();

    let server = Server::start(|_| Answer::Accept);
    let second = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
    names.extend(second.record(5));
    let report = second.stop(PATIENCE);
    assert!(!report.timed_out);
    assert_eq!(report.delivered, 5, "what it delivered of its own");
    assert!(server.has_once(&names));
    assert!(writers(dir.path()).is_empty());
}

#[test]
fn what_another_has_left_does_not_hold_up_our_own() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = format!("http://{}", closed_port());
    let first = Program::named("first", dir.path(), |builder| {
        builder.endpoint(nobody.as_str())
    });
    let mut names = first.record(5_000);
    first.stop(AT_ONCE);

    // Hundreds of requests for what is left; ours are due after 20 ms, with no full batch.
    let server = Server::start(|_| Answer::Accept);
    let second = Program::named("second", dir.path(), |builder| {
        builder.endpoint(server.url()).flush_at(10)
    });
    let ours = second.record(3);
    names.extend(ours.clone());
    wait_until("all is there", || server.stored().len() == 5_003);
    assert!(server.has_once(&names));
    assert_ne!(server.stored().last(), ours.last());
}

#[test]
fn a_process_goes_on_from_the_cursor_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|request| match request.number {
        0 => Answer::Accept,
        _ => Answer::Status(503, "", ""),
    });
    let first = Program::start(dir.path(), |builder| {
        builder
            .endpoint(server.url())
            .flush_at(10)
            .flush_interval(PATIENCE)
    });
    let names = first.record(25);
    wait_until("one batch is taken", || server.stored().len() == 10);
    let report = first.stop(Duration::from_millis(100));
    assert_eq!((report.delivered, report.spooled), (10, 15));

    let server = Server::start(|_| Answer::Accept);
    Program::start(dir.path(), |builder| builder.endpoint(server.url())).stop(PATIENCE);
    assert_eq!(server.stored(), names[10..]);
}

#[test]
fn the_folder_of_a_living_process_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = format!("http://{}", closed_port());
    let first = Program::start(dir.path(), |builder| builder.endpoint(nobody));
    let names = first.record(10);
    wait_until("all is spooled", || first.stats().spooled == 10);

    let server = Server::start(|_| Answer::Accept);
    let second = Program::start(dir.path(), |builder| builder.endpoint(server.url()));
    second.stop(PATIENCE);
    assert!(server.stored().is_empty());
    assert_eq!(spooled(dir.path()), names);
    first.stop(AT_ONCE);
}

#[test]
fn what_local_alone_has_kept_is_not_sent_later() {
    let dir = tempfile::tempdir().unwrap();
    let first = Program::start(dir.path(), |builder| builder);
    let names = first.record(10);
    first.stop(PATIENCE);
    let server = Server::start(|_| Answer::Accept);
    Program::start(dir.path(), |builder| builder.endpoint(server.url())).stop(PATIENCE);
    assert!(server.stored().is_empty());
    assert_eq!(spooled(dir.path()), names);
}

#[test]
fn the_oldest_goes_when_the_spool_is_full_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let program = Program::start(dir.path(), |builder| {
        builder
            .endpoint(format!("http://{address}"))
            .max_spool_bytes(256 << 10)
    });
    let names = program.record(10_000);
    let report = program.flush(AT_ONCE);
    let bytes: u64 = writers(dir.path())
        .iter()
        .flat_map(|writer| files(writer, "ndjson"))
        .map(|segment| fs::metadata(segment).unwrap().len())
        .sum();
    assert!(bytes <= 256 << 10, "{bytes}");
    assert!(report.lost > 0);
    assert_eq!(report.spooled + report.lost, 10_000);
    assert_eq!(program.stats().events_lost(), report.lost);

    let server = Server::start_at(address, |_| Answer::Accept);
    wait_until("the rest arrives", || program.flush(PATIENCE).spooled == 0);
    let report = program.flush(PATIENCE);
    assert_eq!(report.delivered, 10_000 - report.lost);
    let stored = server.stored();
    assert_eq!(stored.len() as u64, report.delivered);
    assert_eq!(stored.last(), names.last(), "the newest is kept");
    assert!(program.stats().warnings > 0);
}

#[test]
fn a_dead_writers_events_go_before_ours() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = format!("http://{}", closed_port());
    let first = Program::named("first", dir.path(), |builder| {
        builder.endpoint(nobody.as_str()).max_spool_bytes(512 << 10)
    });
    first.record(2_000);
    assert_eq!(first.stop(AT_ONCE).spooled, 2_000);
    let second = Program::named("second", dir.path(), |builder| {
        builder.endpoint(nobody.as_str()).max_spool_bytes(512 << 10)
    });
    let names = second.record(1_500);
    let report = second.flush(AT_ONCE);
    assert_eq!((report.spooled, report.lost), (1_500, 0), "of its own");
    let lost = second.stats().events_lost();
    assert!(lost > 0, "of the other's");
    let spooled = spooled(dir.path());
    assert_eq!(spooled.len() as u64, 3_500 - lost);
    assert_eq!(spooled[spooled.len() - 1_500..], names);
    second.stop(AT_ONCE);
}

#[test]
fn where_no_disk_can_be_written_memory_holds_the_events() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    fs::write(&blocked, "in the way").unwrap();
    let address = closed_port();
    let program = Program::start(&blocked, |builder| {
        builder.endpoint(format!("http://{address}"))
    });
    let names = program.record(100);
    let report = program.flush(AT_ONCE);
    assert_eq!((report.spooled, report.lost), (100, 0));
    let server = Server::start_at(address, |_| Answer::Accept);
    wait_until("all is sent", || program.flush(PATIENCE).is_complete());
    assert!(server.has_once(&names));
    assert!(program.stats().warnings >= 1);
}

#[test]
fn a_disk_that_is_back_is_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    fs::write(&blocked, "in the way").unwrap();
    let program = Program::start(&blocked, |builder| builder);
    let mut names = program.record(10);
    wait_until("all is spooled", || program.stats().spooled == 10);
    fs::remove_file(&blocked).unwrap();
    wait_until("the disk is used", || {
        names.extend(program.record(1));
        program.flush(PATIENCE);
        !writers(&blocked).is_empty()
    });
    names.extend(program.record(1));
    program.flush(PATIENCE);
    assert_eq!(spooled(&blocked), names, "with what was in memory");
}

#[test]
fn a_folder_removed_under_a_program_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), |builder| builder);
    program.record(10);
    program.flush(PATIENCE);
    fs::remove_dir_all(dir.path().join("spool")).unwrap();
    wait_until("there is a folder again", || {
        program.record(1);
        program.flush(PATIENCE);
        !spooled(dir.path()).is_empty()
    });
}

#[test]
fn memory_is_bounded_and_what_it_costs_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let address = closed_port();
    let program = Program::start(dir.path(), |builder| {
        builder
            .spool(SpoolKind::Memory)
            .endpoint(format!("http://{address}"))
            .max_queue_bytes(256 << 10)
    });
    program.record(10_000);
    let report = program.flush(AT_ONCE);
    assert!(report.lost > 0);
    assert_eq!(report.spooled + report.lost, 10_000);
    assert!(writers(dir.path()).is_empty());
    let server = Server::start_at(address, |_| Answer::Accept);
    wait_until("the rest arrives", || program.flush(PATIENCE).spooled == 0);
    assert_eq!(server.stored().len() as u64, 10_000 - report.lost);
}

#[test]
#[ignore = "run by the test of a killed process"]
fn child_that_is_killed() {
    let program = Program::start(Path::new("."), |builder| builder);
    program.record(200);
    wait_until("all is spooled", || program.stats().spooled == 200);
    println!("SPOOLED");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_process_leaves_what_it_had_spooled() {
    use std::io::{BufRead as _, BufReader};

    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child_that_is_killed", "--ignored", "--nocapture"])
        .env("ROLLOUT_ENDPOINT", format!("http://{}", closed_port()))
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("SPOOLED")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!is_alive(&writers(dir.path())[0]));
    let names = spooled(dir.path());
    assert_eq!(names.len(), 200);

    let server = Server::start(|_| Answer::Accept);
    Program::start(dir.path(), |builder| builder.endpoint(server.url())).stop(PATIENCE);
    assert!(server.has_once(&names));
}
