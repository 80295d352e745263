//! What an exporter still needs when it has got it: the spool keeps it for the next process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that the tests share are tests too"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rollout_core::event::EventType;
use rollout_core::{Batch, ExportFuture, Exporter, Receipt, Rejection};
use serde_json::{Value, json};
use support::PATIENCE;
use support::program::Program;

/// Reports pairs of events, `open NAME` and `close NAME`, when it has both.
#[derive(Clone, Default)]
struct Pairs {
    open: BTreeMap<String, (String, u64)>,
    said: Arc<Mutex<Vec<String>>>,
    /// Whether it says of what will never be closed that it was refused.
    refuses: bool,
}

impl Pairs {
    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    fn take(&mut self, batch: &Batch) {
        let mut said = self.said.lock().unwrap();
        for event in batch.parsed::<Value>() {
            let event = event.unwrap();
            let (what, name) = event["name"].as_str().unwrap().split_once(' ').unwrap();
            let again = if batch.is_again() { " again" } else { "" };
            match what {
                "open" => {
                    let writer = batch.writer().unwrap_or_default().to_owned();
                    self.open.insert(name.to_owned(), (writer, batch.number()));
                }
                "close" if self.open.remove(name).is_some() => said.push(format!("{name}{again}")),
                "close" => said.push(format!("{name} of nothing{again}")),
                _ => {}
            }
        }
    }
}

impl Exporter for Pairs {
    fn name(&self) -> &'static str {
        "pairs"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        Box::pin(async move {
            self.take(batch);
            Ok(Receipt::all())
        })
    }

    fn resumes(&self) -> bool {
        true
    }

    fn needs_from(&self, writer: Option<&str>) -> Option<u64> {
        let of_writer = self
            .open
            .values()
            .filter(|(known, _)| Some(known.as_str()) == writer);
        of_writer.map(|(_, number)| *number).min()
    }

    fn writer_gone<'a>(&'a mut self, writer: &'a str) -> ExportFuture<'a> {
        Box::pin(async move {
            let gone = |(known, _): &(String, u64)| known == writer;
            let left: Vec<_> = self
                .open
                .extract_if(.., |_, place| gone(place))
                .map(|(name, _)| name)
                .collect();
            let mut receipt = Receipt::all();
            for name in left {
                if self.refuses {
                    receipt.rejected.push(Rejection {
                        index: 0,
                        code: "unwanted".into(),
                        message: name.clone(),
                    });
                }
                self.said.lock().unwrap().push(format!("{name} for ever"));
            }
            Ok(receipt)
        })
    }
}

fn start(dir: &Path, pairs: &Pairs) -> Program {
    Program::start(dir, |builder| {
        builder
            .exporter(Box::new(pairs.clone()))
            .max_spool_bytes(512 << 10)
    })
}

fn record(program: &Program, names: &[&str]) {
    for name in names {
        let fields = json!({ "external_trace_id": "of the test", "name": name });
        program.client.capture_event(EventType::Metric, &fields);
    }
    assert!(program.flush(PATIENCE).is_complete());
}

/// What is on the disk at this moment, as the death of the process would leave it.
fn crash(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for writer in fs::read_dir(dir.join("spool")).unwrap() {
        let writer = writer.unwrap();
        if !writer.path().is_dir() {
            continue;
        }
        let to = copy.path().join("spool").join(writer.file_name());
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(writer.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    copy
}

fn bytes(dir: &Path) -> u64 {
    let mut bytes = 0;
    for writer in fs::read_dir(dir.join("spool")).unwrap() {
        let Ok(files) = fs::read_dir(writer.unwrap().path()) else {
            continue;
        };
        bytes += files
            .map(|f| f.unwrap().metadata().unwrap().len())
            .sum::<u64>();
    }
    bytes
}

#[test]
fn what_is_needed_comes_again_in_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = Pairs::default();
    let first = start(dir.path(), &pairs);
    record(&first, &["open early", "close early"]);
    record(&first, &["open long", "open short"]);
    record(&first, &["close short"]);
    // Spooled, and not yet read by anybody who will say so.
    assert_eq!(pairs.said(), ["early", "short"]);
    let left = crash(dir.path());

    let next = Pairs::default();
    let second = start(left.path(), &next);
    let report = second.stop(PATIENCE);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(next.said(), ["short again", "long for ever"]);
    assert_eq!(
        fs::read_dir(left.path().join("spool")).unwrap().count(),
        1,
        "only .gitignore"
    );

    // Where nothing died, nothing comes twice.
    record(&first, &["close long"]);
    assert_eq!(pairs.said(), ["early", "short", "long"]);
    let left = crash(dir.path());
    let next = Pairs::default();
    start(left.path(), &next).stop(PATIENCE);
    assert_eq!(next.said(), Vec::<String>::new());
    first.stop(PATIENCE);
}

#[test]
fn what_comes_again_counts_once_and_is_kept_until_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = Pairs::default();
    let first = start(dir.path(), &pairs);
    record(&first, &["open a"]);
    record(&first, &["metric b", "metric c"]);
    let left = crash(dir.path());
    first.stop(PATIENCE);

    // The end of it was spooled and not handed over.
    let segment = fs::read_dir(left.path().join("spool"))
        .unwrap()
        .map(|writer| writer.unwrap().path().join("00000001.ndjson"))
        .next()
        .unwrap();
    let mut text = fs::read_to_string(&segment).unwrap();
    text.push_str("{\"event_id\":\"evt_end\",\"event_type\":\"metric\",\"name\":\"close a\"}\n");
    fs::write(&segment, text).unwrap();
    let again = crash(left.path());

    for dir in [left.path(), again.path()] {
        let next = Pairs::default();
        let second = start(dir, &next);
        let report = second.client.blocking_shutdown(PATIENCE).unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(next.said(), ["a"]);
        let counts = second.stats().exporters.remove("pairs").unwrap();
        assert_eq!((counts.delivered, counts.adopted), (1, 1));
    }
}

#[test]
fn what_is_open_when_the_client_stops_is_told_then() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = Pairs {
        refuses: true,
        ..Pairs::default()
    };
    let program = start(dir.path(), &pairs);
    record(&program, &["open a", "open b", "close b"]);
    assert_eq!(pairs.said(), ["b"]);
    let client = program.client.clone();
    program.stop(PATIENCE);
    assert_eq!(pairs.said(), ["b", "a for ever"]);
    let counts = client.stats().exporters.remove("pairs").unwrap();
    assert_eq!(counts.rejected_by_code["unwanted"], 1);
    assert_eq!(
        fs::read_dir(dir.path().join("spool")).unwrap().count(),
        1,
        "only .gitignore"
    );
}

#[test]
fn what_is_kept_has_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = Pairs::default();
    let first = start(dir.path(), &pairs);
    record(&first, &["open a"]);
    let filler = format!("metric {}", "x".repeat(280));
    for _ in 0..40 {
        record(&first, &[filler.as_str(); 20]);
    }
    assert_eq!(first.stats().warnings, 1);
    // An eighth of the bound is kept, in segments of as much.
    assert!(bytes(dir.path()) < 192 << 10, "{}", bytes(dir.path()));
    record(&first, &["open b"]);
    let left = crash(dir.path());
    record(&first, &["close a", "close b"]);
    assert_eq!(pairs.said(), ["a", "b"], "the process itself knows all");
    first.stop(PATIENCE);

    let next = Pairs::default();
    start(left.path(), &next).stop(PATIENCE);
    assert_eq!(next.said(), ["b for ever"]);
}
