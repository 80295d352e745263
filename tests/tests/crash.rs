//! A program that is killed in the middle of a run.

#![cfg(unix)]
#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::sync::Arc;

use rollout_server::ingest::sync_once;
use rollout_server::open_store;
use rollout_server::query::{SpanRow, TraceQuery, TraceSummary};
use rollout_server::store::Store;
use rollout_tests::events::{of_type, spooled};
use rollout_tests::program::{Program, command};

/// What may be missing: what happened in the last moments.
const LAST_MOMENTS_US: u64 = 50_000;

/// A lap that the program reported: its number, and when it was over.
fn report(line: &str) -> (u64, u64) {
    let (lap, at) = line.split_once(' ').expect("two numbers");
    (
        lap.parse().expect("a lap"),
        at.parse().expect("microseconds"),
    )
}

struct Marathon {
    program: Program,
    reports: BufReader<ChildStdout>,
    laps: Vec<(u64, u64)>,
}

impl Marathon {
    fn start(dir: &Path) -> Self {
        let mut program =
            Program::start(command(env!("CARGO_BIN_EXE_marathon"), dir).stdout(Stdio::piped()));
        let stdout = program.child().stdout.take().expect("a pipe");
        Self {
            program,
            reports: BufReader::new(stdout),
            laps: Vec::new(),
        }
    }

    /// Reads on until the program has been running for this long, by its own clock.
    fn run_to(&mut self, until_us: u64) {
        let mut line = String::new();
        while self.laps.last().is_none_or(|(_, at)| *at < until_us) {
            line.clear();
            self.reports.read_line(&mut line).expect("a line");
            self.laps.push(report(line.trim_end()));
        }
    }

    /// Kills it, and returns the laps that it had run well before.
    fn kill(mut self) -> BTreeSet<u64> {
        self.program.child().kill().expect("it runs");
        let ended = self.program.end();
        assert_eq!(ended.status.code(), None, "{}", ended.stderr);
        for line in self.reports.lines() {
            self.laps.push(report(&line.expect("a line")));
        }
        let (_, last) = *self.laps.last().expect("it ran");
        self.laps
            .iter()
            .filter(|(_, at)| at + LAST_MOMENTS_US <= last)
            .map(|(lap, _)| *lap)
            .collect()
    }
}

/// The one trace of a store that has read this spool, and its spans.
fn stored(dir: &Path, store: &Arc<dyn Store>) -> (TraceSummary, Vec<SpanRow>) {
    sync_once(dir, store).expect("it is read");
    let mut page = store
        .traces(&TraceQuery {
            limit: 10,
            ..TraceQuery::default()
        })
        .expect("the traces");
    assert_eq!(page.traces.len(), 1);
    let trace = page.traces.remove(0);
    let spans = store
        .spans(&trace.trace_id, 0, 10_000)
        .expect("the spans")
        .expect("the trace is there");
    (trace, spans.spans)
}

#[test]
fn what_happened_is_in_the_spool_but_for_the_last_moments() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut marathon = Marathon::start(dir.path());
    marathon.run_to(300_000);
    let laps = marathon.kill();
    assert!(!laps.is_empty());
    let events = spooled(dir.path());
    assert_eq!(of_type(&events, "trace.start").len(), 1);
    assert_eq!(of_type(&events, "trace.end").len(), 0);
    for (event_type, output) in [("span.end", "/raw/output"), ("tool.result", "/raw/result")] {
        let found: BTreeSet<u64> = of_type(&events, event_type)
            .into_iter()
            .filter_map(|event| event.pointer(output)?.as_u64())
            .collect();
        let missing: Vec<_> = laps.difference(&found).collect();
        assert!(missing.is_empty(), "{event_type} of laps {missing:?}");
    }
}

#[test]
fn open_spans_are_running_while_the_process_lives_and_interrupted_once_it_is_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let of_store = tempfile::tempdir().expect("a folder");
    let store = open_store(of_store.path()).expect("a store");
    let mut marathon = Marathon::start(dir.path());
    marathon.run_to(100_000);
    let (trace, spans) = stored(dir.path(), &store);
    assert_eq!(trace.status, "running");
    assert_eq!(spans[0].name.as_deref(), Some("marathon"));
    assert_eq!(spans[0].status, "running");
    marathon.run_to(200_000);
    let laps = marathon.kill();
    let (trace, spans) = stored(dir.path(), &store);
    assert_eq!(trace.status, "interrupted");
    assert_eq!(spans[0].name.as_deref(), Some("marathon"));
    assert_eq!(spans[0].status, "interrupted");
    assert!(spans.iter().all(|span| span.status != "running"));
    let ended = spans
        .iter()
        .filter(|span| span.name.as_deref() == Some("lap") && span.status == "ok")
        .count();
    assert!(ended >= laps.len(), "{ended} of {}", laps.len());
}
