//! How spans go out by OTLP: what is tried again and what is not, when a span goes, and what becomes of what is open.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use rollout::{
    Batch, Builder, Client, ExportError, Exporter as _, ExporterKind, Message, OtlpExporter,
    Receipt, SpanContext,
};
use rollout_tests::collector::{Collector, Received, Reply, Sent, sent};
use rollout_tests::events::{builder, flushed, in_memory};
use rollout_tests::program::{Program, command};
use rollout_tests::{DEADLINE, wait_until};
use serde_json::{Value, json};

fn client(dir: &std::path::Path, collector: &Collector) -> Client {
    configured(dir, collector, |builder| builder)
}

fn configured(
    dir: &std::path::Path,
    collector: &Collector,
    change: impl FnOnce(Builder) -> Builder,
) -> Client {
    let builder = builder().dir(dir).otlp_endpoint(collector.url());
    change(builder).build().unwrap()
}

#[track_caller]
fn flush(client: &Client) {
    let report = client.blocking_flush(DEADLINE).unwrap();
    assert!(report.is_complete(), "{report:?}");
}

/// The events of a trace with spans of these names.
fn events(names: &[&str]) -> Vec<Value> {
    let (client, memory) = in_memory(|builder| builder);
    client.trace("trace").in_scope(|trace| {
        for name in names {
            trace.span("task").name(*name).start().end();
        }
    });
    flushed(&client, &memory)
}

fn batch(events: &[Value]) -> Batch {
    let lines = events.iter().map(|event| format!("{event}\n"));
    let lines = lines.collect::<Vec<_>>().concat();
    Batch::from_lines(lines.as_bytes())
}

/// What an exporter makes of a batch, with a receiver that answers so.
fn exported(
    collector: &Collector,
    events: &[Value],
    change: impl FnOnce(Builder) -> Builder,
) -> Result<Receipt, ExportError> {
    let config = change(builder().otlp_endpoint(collector.url()))
        .config()
        .unwrap();
    let mut exporter = OtlpExporter::new(&config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let batch = batch(events);
    runtime.block_on(exporter.export(&batch))
}

fn answered(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> Result<Receipt, ExportError> {
    let collector = Collector::scripted(move |_| Reply::Status(status, headers, body));
    exported(&collector, &events(&["a"]), |builder| builder)
}

#[test]
fn these_statuses_are_tried_again_and_no_others() {
    for status in [429, 502, 503, 504] {
        let error = answered(status, &[("retry-after", "7")], "busy").unwrap_err();
        let ExportError::Retry { after, reason } = error else {
            panic!("{status}: {error:?}");
        };
        assert_eq!(after, Some(Duration::from_secs(7)));
        assert!(reason.ends_with(": busy"), "{reason}");
    }
    for status in [402, 404, 408, 415, 500, 501] {
        let receipt = answered(status, &[], "no").unwrap();
        assert!(!receipt.retryable);
        // The span, and the trace as another one.
        let codes: Vec<_> = receipt.rejected.iter().map(|r| r.code.as_str()).collect();
        let code = format!("http_{status}");
        assert_eq!(codes, [code.as_str(); 2]);
    }
}

#[test]
fn whatever_a_success_says_it_is_one() {
    for body in [
        "{\"status\":\"ok\",\"file_key\":\"x\"}",
        "{}",
        "",
        "\u{8}\u{1}nonsense",
    ] {
        assert_eq!(
            answered(200, &[("content-type", "application/json")], body).unwrap(),
            Receipt::all()
        );
        assert_eq!(answered(202, &[], body).unwrap(), Receipt::all());
    }
}

#[test]
fn a_partial_success_is_counted_and_not_tried_again() {
    let collector = Collector::scripted(|_| Reply::Partial(1, "too old"));
    let receipt = exported(&collector, &events(&["a", "b"]), |builder| builder).unwrap();
    assert!(!receipt.retryable);
    let [rejection] = &receipt.rejected[..] else {
        panic!("{receipt:?}");
    };
    assert_eq!(
        (rejection.code.as_str(), rejection.message.as_str()),
        ("partial_success", "too old")
    );
    assert_eq!(collector.received().len(), 1);

    let dir = tempfile::tempdir().unwrap();
    let program = client(dir.path(), &collector);
    program.trace("t").in_scope(|_| ());
    program.blocking_flush(DEADLINE).unwrap();
    let counts = program.stats().exporters.remove("otlp").unwrap();
    assert_eq!((counts.rejected, counts.retries), (1, 0));
    program.blocking_shutdown(DEADLINE).unwrap();
}

#[test]
fn too_much_goes_in_halves() {
    let collector = Collector::scripted(|received| match sent(&received.request).len() {
        1 => Reply::Ok,
        _ => Reply::Status(413, &[], "too large"),
    });
    let receipt = exported(&collector, &events(&["a", "b", "c"]), |builder| builder).unwrap();
    assert_eq!(receipt, Receipt::all());
    assert_eq!(collector.names(), ["a", "b", "c", "trace"]);
    let never = Collector::scripted(|_| Reply::Status(413, &[], "too large"));
    let receipt = exported(&never, &events(&["a"]), |builder| builder).unwrap();
    assert!(
        receipt
            .rejected
            .iter()
            .all(|rejection| rejection.code == "too_large")
    );
    assert_eq!(receipt.rejected.len(), 2);
}

#[test]
fn a_bad_span_does_not_spoil_the_others() {
    let is_bad = |received: &Received| {
        sent(&received.request)
            .iter()
            .any(|span| span.name() == "bad")
    };
    let collector = Collector::scripted(move |received| {
        if is_bad(received) {
            Reply::Status(400, &[], "bad id")
        } else {
            Reply::Ok
        }
    });
    let events = events(&["a", "bad", "c", "d"]);
    let receipt = exported(&collector, &events, |builder| builder).unwrap();
    assert_eq!(collector.names(), ["a", "c", "d", "trace"]);
    let [rejection] = &receipt.rejected[..] else {
        panic!("{receipt:?}");
    };
    assert_eq!(
        (rejection.code.as_str(), rejection.message.as_str()),
        ("http_400", "400 Bad Request: bad id")
    );
    let ended = events
        .iter()
        .position(|event| event["event_type"] == "span.end" && event["name"] == "bad");
    assert_eq!(Some(rejection.index), ended);
}

#[test]
fn a_wrong_key_stops_the_exporter_and_is_not_shown() {
    let collector = Collector::scripted(|_| Reply::Status(401, &[], "who is sk-very-secret?"));
    let error = exported(&collector, &events(&["a"]), |builder| {
        builder.otlp_headers([
            ("authorization", "Bearer sk-very-secret"),
            ("x-key", "sk-very-secret"),
        ])
    })
    .unwrap_err();
    assert!(matches!(error, ExportError::Stop { .. }));
    let text = error.to_string();
    assert!(!text.contains("very-secret"), "{text}");
    assert!(text.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{text}");
    let config = builder()
        .otlp_headers([("x-key", "sk-very-secret")])
        .config()
        .unwrap();
    assert!(!format!("{config:?}").contains("very-secret"));
}

#[test]
fn bodies_are_compressed_unless_that_is_unwanted() {
    let collector = Collector::start();
    let events = events(&["a"]);
    exported(&collector, &events, |builder| builder).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = rollout::Config::from_toml(&format!(
        "otlp_traces_endpoint = \"{}/as/it/is/\"\notlp_compression = \"none\"\ndir = {:?}",
        collector.url(),
        directory.path(),
    ))
    .unwrap();
    let mut exporter = OtlpExporter::new(&config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(exporter.export(&batch(&events))).unwrap();
    let [first, second] = &collector.received()[..] else {
        panic!("two requests");
    };
    assert_eq!(first.headers["content-encoding"], "gzip");
    assert_eq!(first.path, "/v1/traces");
    assert!(!second.headers.contains_key("content-encoding"));
    assert_eq!(second.path, "/as/it/is/");
    assert_eq!(first.headers["content-type"], "application/x-protobuf");
}

#[test]
fn what_is_tried_again_is_the_same_bytes() {
    let collector = Collector::scripted(|received| match received.number {
        0 => Reply::Status(503, &[], ""),
        1 => Reply::Status(429, &[("retry-after", "0")], ""),
        _ => Reply::Ok,
    });
    let dir = tempfile::tempdir().unwrap();
    let program = client(dir.path(), &collector);
    program
        .trace("t")
        .in_scope(|trace| trace.span("task").name("a").start().end());
    flush(&program);
    let received = collector.received();
    assert!(received.len() >= 3);
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(received[1].body, received[2].body);
    let mut names = collector.names();
    names.sort();
    assert_eq!(names, ["a", "t"]);
    let counts = program.stats().exporters.remove("otlp").unwrap();
    assert_eq!((counts.retries, counts.rejected), (2, 0));
    program.blocking_shutdown(DEADLINE).unwrap();
}

#[test]
fn a_span_goes_when_it_ends_whatever_is_open_around_it() {
    let collector = Collector::start();
    let dir = tempfile::tempdir().unwrap();
    let program = client(dir.path(), &collector);
    let trace = program.trace("long").user_id("bob").start();
    let outer = trace.span("task").name("outer").start();
    outer.span("task").name("inner").start().end();
    flush(&program);
    assert_eq!(collector.names(), ["inner"]);
    outer.end();
    trace.end();
    flush(&program);
    assert_eq!(collector.names(), ["inner", "outer", "long"]);
    let (inner, outer, long) = (
        collector.span("inner"),
        collector.span("outer"),
        collector.span("long"),
    );
    assert_eq!(
        (inner.parent(), outer.parent(), long.parent()),
        (outer.id(), long.id(), String::new())
    );
    assert_eq!(inner.get("user.id"), "bob");
    // What stands for a trace has an id that other processes know.
    assert_eq!(long.id(), long.trace()[16..]);
    program.blocking_shutdown(DEADLINE).unwrap();
}

#[test]
fn what_is_open_when_the_program_stops_is_said_to_be_interrupted() {
    let collector = Collector::start();
    let dir = tempfile::tempdir().unwrap();
    let program = client(dir.path(), &collector);
    let trace = program.trace("t").start();
    let span = trace.tool("search").arguments(json!({ "q": 1 })).start();
    flush(&program);
    assert!(collector.spans().is_empty());
    std::mem::forget((trace, span));
    program.blocking_shutdown(DEADLINE).unwrap();
    for name in ["execute_tool search", "t"] {
        let span = collector.span(name);
        assert_eq!(span.status().0, 2);
        assert_eq!(span.get("error.type"), "interrupted");
        assert_eq!(span.get("rollout.status"), "interrupted");
        assert!(span.span.end_time_unix_nano >= span.span.start_time_unix_nano);
    }
    assert_eq!(
        collector.span("execute_tool search").get("input.value"),
        "{\"q\":1}"
    );
    let left = std::fs::read_dir(dir.path().join("spool")).unwrap().count();
    assert_eq!(left, 1, "only .gitignore");
}

/// A program that is killed, and the next one in its folder.
#[cfg(unix)]
#[test]
fn what_a_killed_process_had_open_is_sent_by_the_next_one() {
    let collector = Collector::start();
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(env!("CARGO_BIN_EXE_marathon"), dir.path());
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .env("ROLLOUT_FLUSH_INTERVAL", "0.02")
        .stdout(Stdio::piped());
    let mut program = Program::start(&mut command);
    let output = program.child().stdout.take().unwrap();
    let mut laps = 0;
    for line in BufReader::new(output).lines() {
        let line = line.unwrap();
        laps += u64::from(line.starts_with("lap"));
        if laps >= 200 && collector.spans().len() >= 100 {
            break;
        }
    }
    program.child().kill().unwrap();
    program.end();
    let before = collector.spans();
    assert!(before.iter().all(|span| !span.name().contains("marathon")));

    let next = client(dir.path(), &collector);
    let report = next.blocking_shutdown(DEADLINE).unwrap();
    assert!(report.is_complete(), "{report:?}");
    let agent = collector.span("invoke_agent marathon");
    assert_eq!(
        (agent.status().0, agent.get("error.type")),
        (2, json!("interrupted"))
    );
    let mut times: BTreeMap<String, (usize, Sent)> = BTreeMap::new();
    for span in collector.spans() {
        times.entry(span.id()).or_insert((0, span)).0 += 1;
    }
    // What the dead process was told to have arrived is not sent again; its last request may be.
    let twice = times.values().filter(|(times, _)| *times > 1).count();
    assert!(twice < before.len(), "{twice} of {}", before.len());
    for (_, span) in times.values() {
        assert_eq!(span.trace(), agent.trace());
        assert_eq!(
            span.get("rollout.incomplete"),
            Value::Null,
            "{}",
            span.name()
        );
        if span.name() == "lap" {
            assert_eq!(span.parent(), agent.id());
        }
    }
    assert!(
        times
            .values()
            .filter(|(_, span)| span.name() == "lap")
            .count()
            >= 100
    );
    let resource = |span: &Sent| span.resource["service.instance.id"].clone();
    assert!(
        collector
            .spans()
            .iter()
            .all(|span| resource(span) == resource(&agent))
    );
}

#[test]
fn what_is_said_when_all_is_over_is_a_span_of_no_length() {
    let collector = Collector::start();
    let dir = tempfile::tempdir().unwrap();
    let program = client(dir.path(), &collector);
    let trace = program.trace("t").start();
    trace.end();
    flush(&program);
    trace.feedback("rating", &"good");
    trace.message(Message::user("One more thing."));
    flush(&program);
    let root = collector.span("t");
    let rating = collector.span("rating");
    assert_eq!((rating.parent(), rating.trace()), (root.id(), root.trace()));
    assert_eq!(
        rating.span.start_time_unix_nano,
        rating.span.end_time_unix_nano
    );
    let (name, said) = rating.events().remove(0);
    assert_eq!(name, "gen_ai.evaluation.result");
    assert_eq!(said["gen_ai.evaluation.score.label"], "good");
    let message = collector.span("message");
    assert_eq!(
        message.json("gen_ai.input.messages")[0]["parts"][0]["content"],
        "One more thing."
    );

    // Nothing says of which trace this is, and it is not lost in silence.
    let fields = json!({ "external_trace_id": "elsewhere", "name": "n" });
    program.capture_event(rollout::EventType::Metric, &fields);
    program.blocking_flush(DEADLINE).unwrap();
    let counts = program.stats().exporters.remove("otlp").unwrap();
    assert_eq!(counts.rejected_by_code["no_trace"], 1);
    program.blocking_shutdown(DEADLINE).unwrap();
}

#[test]
fn a_trace_of_another_process_goes_on_below_its_span() {
    let collector = Collector::start();
    let dir = tempfile::tempdir().unwrap();
    let program = client(dir.path(), &collector);
    let parent: SpanContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        .parse()
        .unwrap();
    program.trace("served").parent(parent).in_scope(|trace| {
        trace.span("task").name("work").start().end();
        trace.message(Message::user("Hello."));
    });
    flush(&program);
    let (served, work) = (collector.span("served"), collector.span("work"));
    assert_eq!(served.parent(), "00f067aa0ba902b7");
    assert_eq!(served.span.flags, 0x301);
    assert_eq!((work.parent(), work.span.flags), (served.id(), 0x101));
    assert_eq!(served.trace(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        served.json("gen_ai.input.messages")[0]["parts"][0]["content"],
        "Hello."
    );
    assert_eq!(collector.spans().len(), 2, "no more is kept");
    program.blocking_shutdown(DEADLINE).unwrap();
    assert_eq!(collector.spans().len(), 2, "nothing was open");
}

#[test]
fn an_end_without_a_beginning_says_what_it_knows() {
    let collector = Collector::start();
    let all = events(&["a"]);
    let ends: Vec<Value> = all
        .iter()
        .filter(|event| event["event_type"] == "span.end")
        .cloned()
        .collect();
    exported(&collector, &ends, |builder| builder).unwrap();
    let span = collector.span("a");
    assert_eq!(span.get("rollout.incomplete"), json!(true));
    assert_eq!(span.get("openinference.span.kind"), "CHAIN");
    assert!(span.span.start_time_unix_nano < span.span.end_time_unix_nano);
}

#[test]
fn several_routes_at_once_do_not_wait_for_each_other() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let slow = Collector::scripted(move |_| Reply::OkWhen(gate.clone()));
    let quick = Collector::start();
    let dir = tempfile::tempdir().unwrap();
    let program = configured(dir.path(), &slow, |builder| {
        builder
            .exporters([ExporterKind::Otlp, ExporterKind::Langfuse])
            .langfuse("pk", "sk")
            .langfuse_host(quick.url())
    });
    program.trace("t").in_scope(|_| ());
    wait_until("the quick one has it", || {
        (!quick.spans().is_empty() && !slow.received().is_empty()).then_some(())
    });
    assert!(slow.spans().is_empty());
    open.send(true).unwrap();
    flush(&program);
    assert_eq!(slow.names(), ["t"]);
    program.blocking_shutdown(DEADLINE).unwrap();
}
