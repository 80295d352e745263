//! A program that is killed in the middle of a run.

#![cfg(unix)]
#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::sync::Arc;

use rollout_server::ingest::sync_once;
use rollout_server::open_store;
use rollout_server::query::{SpanRow, TraceQuery, TraceSummary};
use rollout_server::store::Store;
use rollout_tests::events::{builder, of_type, spooled};
use rollout_tests::program::{Program, command};
use rollout_tests::server::TestServer;
use rollout_tests::{DEADLINE, wait_until};

/// What may be missing: what happened in the last moments.
const LAST_MOMENTS_US: u64 = 50_000;

/// What the program reports, at microseconds since its start.
enum Report {
    /// The end of a lap.
    Lap(u64),
    /// A thread of it has waked that meant to wait so many microseconds.
    Tick(u64),
}

fn report(line: &str) -> (Report, u64) {
    let words: Vec<_> = line.split(' ').collect();
    let number = |index: usize| words[index].parse().expect("a number");
    let report = match words[0] {
        "lap" => Report::Lap(number(1)),
        _ => Report::Tick(number(1)),
    };
    (report, number(2))
}

struct Marathon {
    program: Program,
    output: BufReader<ChildStdout>,
    reports: Vec<(Report, u64)>,
}

impl Marathon {
    fn start(dir: &Path, endpoint: Option<&str>) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_marathon"), dir);
        if let Some(endpoint) = endpoint {
            command.env("ROLLOUT_ENDPOINT", endpoint);
        }
        let mut program = Program::start(command.stdout(Stdio::piped()));
        let stdout = program.child().stdout.take().expect("a pipe");
        Self {
            program,
            output: BufReader::new(stdout),
            reports: Vec::new(),
        }
    }

    /// Reads on until the program has been running for this long, by its own clock.
    fn run_to(&mut self, until_us: u64) {
        let mut line = String::new();
        while self.reports.last().is_none_or(|(_, at)| *at < until_us) {
            line.clear();
            self.output.read_line(&mut line).expect("a line");
            self.reports.push(report(line.trim_end()));
        }
    }

    /// Kills it, and returns the laps that it had run well before.
    fn kill(mut self) -> BTreeSet<u64> {
        self.program.child().kill().expect("it runs");
        let ended = self.program.end();
        assert_eq!(ended.status.code(), None, "{}", ended.stderr);
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        // The last line may be torn.
        self.reports.extend(
            rest.split_inclusive('\n')
                .filter(|line| line.ends_with('\n'))
                .map(|line| report(line.trim_end())),
        );
        let (_, last) = *self.reports.last().expect("it ran");
        let until = last.saturating_sub(LAST_MOMENTS_US + 2 * lateness(&self.reports, last));
        self.reports
            .iter()
            .filter(|(_, at)| *at <= until)
            .filter_map(|(report, _)| match report {
                Report::Lap(lap) => Some(*lap),
                Report::Tick(_) => None,
            })
            .collect()
    }
}

/// How late the machine let a thread of the program wake, at worst. The worker may be that late twice: to see
/// what there is, and to write it.
fn lateness(reports: &[(Report, u64)], last: u64) -> u64 {
    let mut before = 0;
    let mut worst = 0;
    let mut pause = 0;
    for (report, at) in reports {
        if let Report::Tick(meant) = report {
            pause = *meant;
            worst = worst.max(at.saturating_sub(before + pause));
            before = *at;
        }
    }
    worst.max(last.saturating_sub(before + pause))
}

/// The one trace of a store that has read this spool, once it is there.
fn stored(dir: &Path, store: &Arc<dyn Store>) -> TraceSummary {
    wait_until("a trace in the store", || {
        sync_once(dir, store).expect("it is read");
        let query = TraceQuery {
            limit: 10,
            ..TraceQuery::default()
        };
        let mut page = store.traces(&query).expect("the traces");
        assert!(page.traces.len() < 2);
        page.traces.pop()
    })
}

/// All spans of a trace, in tree order.
fn spans(store: &Arc<dyn Store>, trace: &TraceSummary) -> Vec<SpanRow> {
    let mut all = Vec::new();
    loop {
        let page = store
            .spans(&trace.trace_id, all.len() as u64, 10_000)
            .expect("the spans")
            .expect("the trace is there");
        all.extend(page.spans);
        if all.len() as u64 >= page.total {
            return all;
        }
    }
}

#[test]
fn what_happened_is_in_the_spool_but_for_the_last_moments() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut marathon = Marathon::start(dir.path(), None);
    marathon.run_to(1_000_000);
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

/// The server has never seen the spool: that the program is gone, it hears from the one that takes over.
#[test]
fn the_next_process_tells_a_server_elsewhere() {
    let server = TestServer::start();
    let dir = tempfile::tempdir().expect("a folder");
    let mut marathon = Marathon::start(dir.path(), Some(&server.url("")));
    marathon.run_to(100_000);
    let id = wait_until("a trace at the server", || server.trace_ids().pop());
    let status = || server.get_json(&format!("/api/v1/traces/{id}"))["status"].clone();
    assert_eq!(status(), "running");
    marathon.kill();
    let next = builder()
        .dir(dir.path())
        .endpoint(server.url(""))
        .build()
        .expect("a client");
    let report = next.blocking_shutdown(DEADLINE).expect("a report");
    assert!(!report.timed_out, "{report:?}");
    assert_eq!(status(), "interrupted");
    assert!(server.tree(&id).starts_with("agent marathon interrupted\n"));
    // And nothing is left for a third one to send, or to say.
    assert!(spooled(dir.path()).is_empty());
}

#[test]
fn open_spans_are_running_while_the_process_lives_and_interrupted_once_it_is_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let of_store = tempfile::tempdir().expect("a folder");
    let store = open_store(of_store.path()).expect("a store");
    let mut marathon = Marathon::start(dir.path(), None);
    marathon.run_to(100_000);
    let trace = stored(dir.path(), &store);
    let open = spans(&store, &trace);
    assert_eq!(trace.status, "running");
    assert_eq!(open[0].name.as_deref(), Some("marathon"));
    assert_eq!(open[0].status, "running");
    marathon.run_to(200_000);
    let laps = marathon.kill();
    let trace = stored(dir.path(), &store);
    let spans = spans(&store, &trace);
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
