//! What is in the store, held against what is in the spool.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rollout_server::open_store;
use rollout_server::query::{FeedbackRow, SpanRow, TraceDetail, TraceQuery};
use rollout_server::store::Store;
use rollout_tests::events::{segments, spooled, text};
use serde_json::Value;

/// Everything that was found.
#[derive(Default)]
pub(crate) struct Found {
    events: usize,
    laps_reported: usize,
    laps: usize,
    spans: usize,
    traces: usize,
    interrupted: usize,
    open_spans: usize,
    torn_tails: usize,
    /// What is not as it should be.
    pub(crate) faults: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events accepted by the spool, {} laps of them reported; in the store {} traces ({} interrupted), \
             {} spans ({} interrupted), {} laps; {} torn tails; {} faults",
            self.events,
            self.laps_reported,
            self.traces,
            self.interrupted,
            self.spans,
            self.open_spans,
            self.laps,
            self.torn_tails,
            self.faults.len()
        )
    }
}

/// What the spool says of one trace.
#[derive(Default)]
struct Expected {
    /// Names of the spans, and whether they have ended.
    spans: BTreeMap<String, (String, bool)>,
    signals: Vec<u64>,
}

/// Compares. `reported` are the laps of every run that were accepted.
pub(crate) fn compare(
    programs: &Path,
    server: &Path,
    reported: &BTreeMap<u32, BTreeSet<u64>>,
) -> Found {
    let mut found = Found {
        torn_tails: torn_tails(programs),
        ..Found::default()
    };
    let expected = expected(programs, &mut found);
    let store = open_store(server).expect("a store that opens after its server was killed");
    let stored = stored(&store);
    found.traces = stored.len();
    for id in stored.keys().filter(|id| !expected.contains_key(*id)) {
        found.faults.push(format!("trace {id} comes from nowhere"));
    }
    for (id, expected) in &expected {
        match stored.get(id) {
            Some(trace) => look_at(id, expected, trace, &mut found),
            None => found.faults.push(format!("trace {id} is missing")),
        }
    }
    let laps: HashMap<u32, BTreeSet<u64>> = stored
        .values()
        .map(|(trace, _)| (run(trace), trace.signals.iter().map(lap).collect()))
        .collect();
    let none = BTreeSet::new();
    for (run, reported) in reported {
        found.laps_reported += reported.len();
        for lap in reported.difference(laps.get(run).unwrap_or(&none)) {
            found.faults.push(format!(
                "lap {lap} of run {run} was accepted and is missing"
            ));
        }
    }
    found
}

/// The number of the run that a trace is of.
fn run(trace: &TraceDetail) -> u32 {
    let input = trace.input.as_ref().expect("an input").as_str();
    let input: Value = serde_json::from_str(input).expect("JSON");
    text(&input, "/run").parse().expect("a number")
}

/// The number of a lap.
fn lap(signal: &FeedbackRow) -> u64 {
    let value = signal.value.as_ref().expect("a value").as_str();
    value.parse().expect("a number")
}

fn torn_tails(dir: &Path) -> usize {
    let is_torn = |path: &PathBuf| {
        let text = fs::read(path).expect("a segment");
        text.last().is_some_and(|byte| *byte != b'\n')
    };
    segments(dir).iter().filter(|path| is_torn(path)).count()
}

fn expected(dir: &Path, found: &mut Found) -> BTreeMap<String, Expected> {
    let mut traces: BTreeMap<String, Expected> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in spooled(dir) {
        found.events += 1;
        if !ids.insert(text(&event, "/event_id").to_owned()) {
            found.faults.push("an event is in the spool twice".into());
        }
        let trace = traces
            .entry(text(&event, "/trace_id").to_owned())
            .or_default();
        let span = text(&event, "/span_id").to_owned();
        let name = text(&event, "/name").to_owned();
        match text(&event, "/event_type") {
            "span.start" | "tool.call" => {
                trace.spans.entry(span).or_insert((name, false));
            }
            "span.end" | "tool.result" => {
                trace.spans.insert(span, (name, true));
            }
            "user.signal" => {
                let value = event.pointer("/attributes/value").and_then(Value::as_u64);
                trace.signals.push(value.expect("the number of a lap"));
            }
            _ => {}
        }
    }
    traces
}

type Stored = BTreeMap<String, (TraceDetail, Vec<SpanRow>)>;

fn stored(store: &Arc<dyn Store>) -> Stored {
    let mut all = BTreeMap::new();
    let mut query = TraceQuery {
        limit: 500,
        ..TraceQuery::default()
    };
    loop {
        let page = store.traces(&query).expect("the traces");
        for trace in page.traces {
            let id = trace.trace_id;
            let detail = store.trace(&id).expect("a trace").expect("it is listed");
            let mut spans = Vec::new();
            loop {
                let page = store
                    .spans(&id, spans.len() as u64, 10_000)
                    .expect("the spans")
                    .expect("it is listed");
                spans.extend(page.spans);
                if spans.len() as u64 >= page.total {
                    break;
                }
            }
            all.insert(id, (detail, spans));
        }
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return all;
        }
    }
}

fn look_at(id: &str, expected: &Expected, stored: &(TraceDetail, Vec<SpanRow>), found: &mut Found) {
    let (trace, spans) = stored;
    found.spans += spans.len();
    found.laps += trace.signals.len();
    if trace.summary.status == "interrupted" {
        found.interrupted += 1;
    } else {
        let status = &trace.summary.status;
        found
            .faults
            .push(format!("trace {id} is {status}, and its program is dead"));
    }
    let signals: Vec<_> = trace.signals.iter().map(lap).collect();
    if signals != expected.signals {
        found.faults.push(format!(
            "trace {id} has {} signals of {}, or has them in another order",
            signals.len(),
            expected.signals.len()
        ));
    }
    if trace.summary.span_count != spans.len() as u64 {
        found.faults.push(format!("trace {id} counts wrongly"));
    }
    let mut unseen = expected.spans.clone();
    for span in spans {
        let Some((name, ended)) = unseen.remove(&span.span_id) else {
            found.faults.push(format!(
                "span {} of trace {id} comes from nowhere",
                span.span_id
            ));
            continue;
        };
        let status = if ended { "ok" } else { "interrupted" };
        if !ended {
            found.open_spans += 1;
        }
        if span.status != status || span.name.as_deref() != Some(&*name) {
            found.faults.push(format!(
                "span {name} of trace {id} is {} and should be {status}",
                span.status
            ));
        }
    }
    for (span, (name, _)) in unseen {
        found
            .faults
            .push(format!("span {span}, {name}, of trace {id} is missing"));
    }
}
