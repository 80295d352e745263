//! Several exporters at once, and exporters of the program's own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that the tests share are tests too"
)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollout_core::{
    Batch, ExportError, ExportFuture, Exporter, ExporterKind, MemoryExporter, Receipt, Rejection,
};
use support::PATIENCE;
use support::program::Program;
use support::server::{Answer, Server, closed_port};
use support::wait_until;

/// Does with each batch what the function says, and remembers the names of the events.
#[derive(Clone)]
struct Scripted {
    seen: Arc<Mutex<Vec<String>>>,
    script: fn(&Batch) -> Result<Receipt, ExportError>,
}

impl Scripted {
    fn new(script: fn(&Batch) -> Result<Receipt, ExportError>) -> Self {
        Self {
            seen: Arc::default(),
            script,
        }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn names(batch: &Batch) -> Vec<String> {
    batch
        .parsed::<serde_json::Value>()
        .map(|event| event.unwrap()["name"].as_str().unwrap().to_owned())
        .collect()
}

impl Exporter for Scripted {
    fn name(&self) -> &'static str {
        "Scripted one"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        Box::pin(async move {
            let answer = (self.script)(batch);
            if answer.is_ok() {
                self.seen.lock().unwrap().extend(names(batch));
            }
            answer
        })
    }
}

/// Takes a batch and never says what has become of it.
struct Stuck;

impl Exporter for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn export<'a>(&'a mut self, _batch: &'a Batch) -> ExportFuture<'a> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_broken_exporter_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryExporter::new();
    let panics = Scripted::new(|_| panic!("on purpose"));
    let stops = Scripted::new(|_| {
        Err(ExportError::Stop {
            reason: "no more".into(),
        })
    });
    let program = Program::start(dir.path(), |builder| {
        builder
            .endpoint(format!("http://{}", closed_port()))
            .exporter(Box::new(Stuck))
            .exporter(Box::new(panics))
            .exporter(Box::new(stops))
            .exporter(Box::new(memory.clone()))
    });
    program.record(2_000);
    wait_until("the one that works has all", || {
        memory.events().len() == 2_000
    });
    let report = program.flush(Duration::from_millis(1));
    assert!(report.timed_out, "the server is down");
    assert_eq!((report.delivered, report.spooled), (0, 2_000));
    assert_eq!(report.stopped["scripted_one"], "the exporter panicked");
    assert_eq!(report.stopped["scripted_one_2"], "no more");
    let stats = program.stats();
    assert_eq!(stats.exporters["memory"].delivered, 2_000);
    assert!(stats.exporters["scripted_one_2"].stopped.is_some());
    program.stop(Duration::from_millis(1));
}

#[test]
fn an_exporter_of_the_programs_own_takes_the_place_of_local() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryExporter::new();
    let program = Program::start(dir.path(), |builder| {
        builder.exporter(Box::new(memory.clone()))
    });
    let names = program.record(100);
    let report = program.stop(PATIENCE);
    assert!(report.is_complete(), "{report:?}");
    let seen: Vec<_> = memory.events().iter().map(|e| e["name"].clone()).collect();
    assert_eq!(seen, names);
    let left = std::fs::read_dir(dir.path().join("spool")).unwrap();
    assert_eq!(
        left.filter(|e| e.as_ref().unwrap().path().is_dir()).count(),
        0
    );
}

#[test]
fn what_an_exporter_answers_decides_what_becomes_of_a_batch() {
    let dir = tempfile::tempdir().unwrap();
    let scripted = Scripted::new(|batch| {
        let names = names(batch);
        if names.len() > 4 {
            return Err(ExportError::TooLarge {
                reason: "more than four".into(),
            });
        }
        if names.iter().any(|name| name == "event_5") {
            return Err(ExportError::Invalid {
                code: "five".into(),
                reason: "no fives".into(),
            });
        }
        let rejected = names
            .iter()
            .enumerate()
            .filter(|(_, name)| *name == "event_9")
            .map(|(index, _)| Rejection {
                index,
                code: "nine".into(),
                message: "no nines".into(),
            });
        Ok(Receipt {
            rejected: rejected.collect(),
            retryable: false,
        })
    });
    let program = Program::start(dir.path(), |builder| {
        builder
            .flush_interval(PATIENCE)
            .exporter(Box::new(scripted.clone()))
    });
    let mut names = program.record(16);
    let report = program.flush(PATIENCE);
    assert_eq!((report.delivered, report.spooled, report.lost), (14, 0, 2));
    names.remove(5);
    // The exporter above has noted the ninth although it has refused it.
    assert_eq!(scripted.seen(), names);
    let stats = program.stats();
    let counts = &stats.exporters["scripted_one"];
    assert_eq!(counts.rejected_by_code["five"], 1);
    assert_eq!(counts.rejected_by_code["nine"], 1);
    assert_eq!(counts.delivered, 14);
}

#[test]
fn local_beside_http_keeps_and_sends() {
    let server = Server::start(|_| Answer::Accept);
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryExporter::new();
    let program = Program::start(dir.path(), |builder| {
        builder
            .endpoint(server.url())
            .exporters([ExporterKind::Local, ExporterKind::Http])
            .exporter(Box::new(memory.clone()))
    });
    let names = program.record(50);
    assert!(program.flush(PATIENCE).is_complete());
    assert!(server.has_once(&names));
    assert_eq!(memory.events().len(), 50);
}

/// Keeps how large its batches were.
struct Large(Arc<Mutex<Vec<usize>>>);

impl Exporter for Large {
    fn name(&self) -> &'static str {
        "large"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        self.0.lock().unwrap().push(batch.len());
        Box::pin(std::future::ready(Ok(Receipt::all())))
    }

    fn batch_scale(&self) -> usize {
        3
    }
}

#[test]
fn an_exporter_may_ask_for_larger_batches() {
    let dir = tempfile::tempdir().unwrap();
    let lengths = Arc::new(Mutex::new(Vec::new()));
    let exporter = Box::new(Large(Arc::clone(&lengths)));
    let program = Program::start(dir.path(), |builder| {
        builder
            .flush_at(10)
            .flush_interval(Duration::from_hours(1))
            .exporter(exporter)
    });
    program.record(95);
    wait_until("three of them are full", || {
        lengths.lock().unwrap().len() == 3
    });
    assert!(program.stop(PATIENCE).is_complete());
    assert_eq!(*lengths.lock().unwrap(), [30, 30, 30, 5]);
}
