//! How fast pages come, beside Arize Phoenix on the same machine with the same spans, sent by OTLP: `cargo run --release
//! -p rollout-tests --bin beside_phoenix`, and behind `--` how many traces of ten spans. Prints a table. Phoenix takes in
//! so few spans a second that much data takes hours: a second number is that of traces in a server of ours alone, asked
//! the same beside.
//!
//! Phoenix is asked what its own pages ask, by the queries that are in its scripts; we are asked for our pages and the
//! API. Each question is asked on its own connection of one client, some times without a clock and then with it.
//! Phoenix keeps its spans in SQLite, as we do, and both run with the settings they come with.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::format_collect,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program for a terminal, which may fail loudly"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use rollout_tests::otlp;
use rollout_tests::phoenix;
use rollout_tests::python::environment;
use rollout_tests::server::TestServer;
use rollout_tests::service::Service;
use rollout_tests::{wait_at_most, workspace};
use serde_json::{Value, json};

/// Spans of a trace.
const SPANS: u64 = 10;
/// Traces of a request.
const BATCH: u64 = 100;
/// Questions before the clock runs, and with it.
const WARM: usize = 3;
const ASKED: usize = 25;

/// A word that one trace in a hundred has in its input.
const RARE: &str = "kumquat";

const QUESTIONS: &[&str] = &[
    "Where is my order? It was due on Tuesday and nobody answers the phone.",
    "Can I change the delivery address after the parcel has been sent?",
    "I would like a refund for the blue jacket, the sleeve is torn.",
    "订单什么时候到？我已经等了两个星期了。",
    "How do I reset the password of my account?",
];

/// One of the traces, the newest last, over a day.
fn spans(number: u64, traces: u64, end: Timestamp) -> Vec<Span> {
    let ago = 86_400_000_000_000_u128 * u128::from(traces - number) / u128::from(traces);
    let began = end.as_nanosecond() as u64 - ago as u64;
    let trace_id = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let failed = number % 17 == 3;
    let rare = if number % 100 == 7 { RARE } else { "" };
    let question = format!("{} {rare}", QUESTIONS[number as usize % QUESTIONS.len()]);
    let user = format!("cus_{}", number % 997);
    let session = format!("sess_{}", number / 4);
    (0..SPANS)
        .map(|at| {
            let (kind, name) = match at {
                0 => ("AGENT", "support_agent"),
                1 | 4 | 7 => ("LLM", "chat"),
                2 | 5 => ("TOOL", "lookup_order"),
                3 => ("RETRIEVER", "find_policy"),
                _ => ("CHAIN", "step"),
            };
            let mut said = json!({
                "openinference.span.kind": kind,
                "session.id": session,
                "user.id": user,
                "input.value": json!({ "question": question, "step": at }).to_string(),
                "input.mime_type": "application/json",
                "output.value": format!("It has left the warehouse; step {at} of trace {number}."),
            });
            if kind == "LLM" {
                said["llm.model_name"] =
                    json!(["gpt-4.1-mini", "claude-sonnet-4-5"][number as usize % 2]);
                said["llm.token_count.prompt"] = json!(800 + at);
                said["llm.token_count.completion"] = json!(90);
                said["llm.token_count.total"] = json!(890 + at);
            }
            let id = number * SPANS + at + 1;
            let mut span = otlp::span(
                id,
                if at == 0 { 0 } else { number * SPANS + 1 },
                name,
                &said,
            );
            span.trace_id = trace_id.to_be_bytes().into();
            span.start_time_unix_nano = began + at * 90_000_000;
            let took = if at == 0 { 1_000_000_000 } else { 80_000_000 };
            span.end_time_unix_nano = span.start_time_unix_nano + took;
            if failed && (at == 0 || at == 5) {
                span.status = Some(otlp::failed("connection reset by peer"));
            }
            span
        })
        .collect()
}

/// The requests that send all traces.
fn requests(traces: u64, end: Timestamp) -> impl Iterator<Item = ExportTraceServiceRequest> {
    let resource = json!({ "service.name": "shop", "openinference.project.name": "shop" });
    (0..traces).step_by(BATCH as usize).map(move |first| {
        let some = first..traces.min(first + BATCH);
        otlp::request(
            &resource,
            some.flat_map(|number| spans(number, traces, end)).collect(),
        )
    })
}

/// A query of Phoenix's own pages, by its name, out of its scripts.
fn query(scripts: &str, name: &str) -> String {
    let start = format!("query {name}(");
    let from = scripts
        .find(&start)
        .unwrap_or_else(|| panic!("Phoenix asks no {name}"));
    let rest = &scripts[from..];
    rest[..rest.find('`').unwrap()].to_owned()
}

fn scripts(python: &Path) -> String {
    let library = python.parent().unwrap().parent().unwrap().join("lib");
    let version = fs::read_dir(library)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let assets = version.join("site-packages/phoenix/server/static/assets");
    let mut all = String::new();
    for entry in fs::read_dir(assets).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "js") {
            all += &fs::read_to_string(path).unwrap_or_default();
        }
    }
    all
}

/// How long it takes to answer: the median and the 95th percentile, and how many bytes came.
struct Took {
    median: Duration,
    high: Duration,
    bytes: usize,
}

fn took(mut ask: impl FnMut() -> usize) -> Took {
    let mut bytes = 0;
    for _ in 0..WARM {
        bytes = ask();
    }
    let mut times: Vec<_> = (0..ASKED)
        .map(|_| {
            let begun = Instant::now();
            ask();
            begun.elapsed()
        })
        .collect();
    times.sort();
    Took {
        median: times[ASKED / 2],
        high: times[ASKED * 95 / 100],
        bytes,
    }
}

fn row(what: &str, ours: &Took, theirs: &Took, larger: Option<&Took>) {
    let cell = |took: &Took| {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        format!(
            "{:.1} ms / {:.1} ms ({:.0} KiB)",
            ms(took.median),
            ms(took.high),
            took.bytes as f64 / 1024.0
        )
    };
    let ratio = theirs.median.as_secs_f64() / ours.median.as_secs_f64();
    let larger = larger.map_or_else(String::new, |took| format!(" {} |", cell(took)));
    println!(
        "| {what} | {} | {} | {ratio:.0} × |{larger}",
        cell(ours),
        cell(theirs)
    );
}

/// MiB of memory that a process holds.
fn memory(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// MiB of the files in a folder.
fn disk(dir: &Path) -> f64 {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            bytes += (disk(&path) * 1024.0 * 1024.0) as u64;
        } else {
            bytes += entry.metadata().map_or(0, |meta| meta.len());
        }
    }
    bytes as f64 / 1024.0 / 1024.0
}

/// Asks Phoenix; what it answers must not be an error.
fn ask(service: &Service, query: &str, variables: &Value) -> Value {
    let answer = service.post(
        "/graphql",
        &json!({ "query": query, "variables": variables }),
    );
    assert_eq!(answer.get("errors"), None, "{answer:#}");
    answer
}

fn main() {
    let mut counts = std::env::args()
        .skip(1)
        .map(|count| count.parse::<u64>().unwrap());
    let (traces, more) = (counts.next().unwrap_or(2_000), counts.next());
    let requirements = workspace().join("tests/tests/backends/phoenix.txt");
    let built = workspace().join("target/tmp");
    fs::create_dir_all(&built).unwrap();
    let Some(python) = environment("phoenix", &requirements, &built) else {
        return;
    };
    let queries = scripts(&python);
    let end = Timestamp::now();
    let ours = TestServer::start();
    let theirs = phoenix::start(&python);

    eprintln!("sending {traces} traces of {SPANS} spans to rollout …");
    let begun = Instant::now();
    for request in requests(traces, end) {
        ours.take_spans(&request);
    }
    let our_ingest = begun.elapsed();
    let larger = more.map(|more| {
        let server = TestServer::start();
        for request in requests(more, end) {
            server.take_spans(&request);
        }
        server
    });
    eprintln!("… in {our_ingest:.1?}; to Phoenix …");
    let begun = Instant::now();
    let projects = "query { projects { edges { node { id name traceCount } } } }";
    let stored = || {
        let answer = ask(&theirs, projects, &json!({}));
        let edges = answer["data"]["projects"]["edges"]
            .as_array()
            .unwrap()
            .clone();
        let shop = edges.iter().find(|edge| edge["node"]["name"] == "shop")?;
        let count = shop["node"]["traceCount"].as_u64()?;
        Some((shop["node"]["id"].clone(), count))
    };
    let mut sent = 0;
    for request in requests(traces, end) {
        theirs.send(
            "/v1/traces",
            "application/x-protobuf",
            &otlp::protobuf(&request),
        );
        sent = traces.min(sent + BATCH);
        // It answers before it stores: what waits there is bounded.
        if sent % 1000 == 0 {
            wait_at_most(Duration::from_mins(30), "Phoenix stores", || {
                (stored()?.1 + 1000 > sent).then_some(())
            });
        }
    }
    let project = wait_at_most(Duration::from_hours(2), "Phoenix stores all", || {
        stored().filter(|(_, count)| *count == traces)
    })
    .0;
    let their_ingest = begun.elapsed();
    eprintln!("… in {their_ingest:.1?}; asking …");

    let cores = std::thread::available_parallelism().unwrap();
    println!(
        "{traces} traces, {} spans, over a day; {cores} cores; both in SQLite. Median / 95th percentile of {ASKED} (size of the answer).\n",
        traces * SPANS
    );
    match more {
        Some(more) => println!(
            "| | rollout | Phoenix | Phoenix takes | rollout with {more} traces |\n|---|---:|---:|---:|---:|"
        ),
        None => println!("| | rollout | Phoenix | Phoenix takes |\n|---|---:|---:|---:|"),
    }

    let range = json!({ "start": end.checked_sub(SignedDuration::from_hours(24 * 7)).unwrap().to_string(), "end": end.to_string() });
    let list = query(&queries, "ProjectPageQueriesTracesQuery");
    let listed = |filter: Option<&str>| {
        let variables =
            json!({ "id": project, "timeRange": range, "traceFilterCondition": filter });
        ask(&theirs, &list, &variables)
    };
    let rows = |answer: &Value| {
        answer["data"]["project"]["rootSpans"]["edges"]
            .as_array()
            .unwrap()
            .len()
    };
    let page = |server: &TestServer, path: &str| {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body.len()
    };
    let compared = |what: &str, path: &str, other: &Took| {
        let mine = took(|| page(&ours, path));
        let larger = larger.as_ref().map(|server| took(|| page(server, path)));
        row(what, &mine, other, larger.as_ref());
    };
    // Both are asked for the same number of rows by their APIs; pages have as many as they have.
    let conditions = [
        ("list", "", None),
        (
            "filter: failed",
            "status:error",
            Some("any(span.status_code == \"ERROR\" for span in spans)"),
        ),
        (
            "filter: one user",
            "user:cus_42",
            Some("user.id == 'cus_42'"),
        ),
        (
            "filter: a type of span",
            "type:retrieval",
            Some("any(span.span_kind == 'RETRIEVER' for span in spans)"),
        ),
        (
            "search: a word in 1% of inputs",
            RARE,
            Some("'kumquat' in input"),
        ),
    ];
    for (what, filter, condition) in conditions {
        let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let check = rows(&listed(condition));
        assert!(check > 0, "Phoenix finds nothing by {condition:?}");
        let other = took(|| listed(condition).to_string().len());
        compared(
            &format!("{what}: page"),
            &format!("/?filter={encoded}"),
            &other,
        );
        let path = format!("/api/v1/traces?limit=30&filter={encoded}");
        let found = ours.get_json(&path)["traces"].as_array().unwrap().len();
        assert_eq!(found, check, "{filter} and {condition:?} differ");
        compared(&format!("{what}: 30 rows as JSON"), &path, &other);
    }

    let trace_id = ours.trace_ids().remove(0);
    let details = query(&queries, "TraceDetailsQuery");
    let variables = json!({ "id": project, "traceId": trace_id });
    let answer = ask(&theirs, &details, &variables);
    assert!(
        answer["data"]["project"]["trace"]["id"].is_string(),
        "{answer:#}"
    );
    let other = took(|| ask(&theirs, &details, &variables).to_string().len());
    compared("one trace: page", &format!("/traces/{trace_id}"), &other);

    let count = query(&queries, "TraceCountTimeSeriesQuery");
    let latency = query(&queries, "TraceLatencyPercentilesTimeSeriesQuery");
    let bins = json!({ "projectId": project, "timeRange": range, "timeBinConfig": { "scale": "HOUR", "utcOffsetMinutes": 0 } });
    let other = took(|| {
        ask(&theirs, &count, &bins).to_string().len()
            + ask(&theirs, &latency, &bins).to_string().len()
    });
    compared(
        "charts of count and latency",
        "/api/v1/chart?buckets=60",
        &other,
    );

    let per_second = |time: Duration| (traces * SPANS) as f64 / time.as_secs_f64();
    println!(
        "| taken in, spans/s | {:.0} | {:.0} | |",
        per_second(our_ingest),
        per_second(their_ingest)
    );
    println!(
        "| on disk | {:.0} MiB | {:.0} MiB | |",
        disk(ours.dir()),
        disk(theirs.dir())
    );
    println!(
        "| memory (ours with this program) | {:.0} MiB | {:.0} MiB | |",
        memory(std::process::id()),
        memory(theirs.process())
    );
}
