//! Which traces are recorded, and which of those exporters get.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rollout::{
    Batch, Builder, Client, ExportFuture, Exporter, ExporterKind, Keep, MemoryExporter, SpanUpdate,
    TraceId, TraceRef, Usage, agent, span, tool,
};
use rollout_tests::DEADLINE;
use rollout_tests::events::{builder, flushed, in_memory, of_type, spooled, text, the};
use serde_json::{Value, json};

#[test]
fn processes_agree_on_what_is_recorded() {
    let (begins, of_first) = in_memory(|builder| builder.sample_rate(0.5));
    let (hears, of_second) = in_memory(|builder| builder.sample_rate(0.5));
    let (calls, of_third) = in_memory(|builder| builder.sample_rate(0.0));
    let mut recorded = BTreeSet::new();
    for _ in 0..200 {
        let trace = begins.trace("trace").start();
        let parent: rollout::SpanContext = trace.traceparent().unwrap().parse().unwrap();
        assert_eq!(parent.is_sampled(), trace.id().is_some());
        if parent.is_sampled() {
            recorded.insert(parent.trace_id().to_string());
        }
        // Whoever is called does as its caller does, whatever its own rate.
        calls.span("task").parent(parent.clone()).in_scope(|_| ());
        // Whoever only hears of a trace reckons by its id.
        hears.feedback(TraceRef::Id(parent.trace_id()), "good", &true);
    }
    assert!((50..150).contains(&recorded.len()), "{}", recorded.len());
    for (client, memory) in [(begins, of_first), (hears, of_second), (calls, of_third)] {
        let events = flushed(&client, &memory);
        let traces: BTreeSet<String> = events
            .iter()
            .map(|event| text(event, "/trace_id").to_owned())
            .collect();
        assert_eq!(traces, recorded);
    }
}

/// An exporter that has its own position on disk.
struct Kept(MemoryExporter);

impl Exporter for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        self.0.export(batch)
    }

    fn resumes(&self) -> bool {
        true
    }
}

/// A client with a spool that keeps everything, and an exporter that does not.
fn sampled(dir: &Path, configure: impl FnOnce(Builder) -> Builder) -> (Client, MemoryExporter) {
    let memory = MemoryExporter::new();
    let builder = builder()
        .dir(dir)
        .exporters([ExporterKind::Local])
        .exporter(Box::new(Kept(memory.clone())))
        .export_sample_rate(0.0);
    (configure(builder).build().expect("a client"), memory)
}

fn sampled_out(client: &Client) -> u64 {
    client.stats().exporters["kept"].sampled_out
}

#[tool]
fn look_up(fails: bool) -> Result<u32, String> {
    if fails {
        Err("not found".to_owned())
    } else {
        Ok(1)
    }
}

#[agent]
fn working() -> u32 {
    look_up(false).unwrap_or_default()
}

/// What a function makes of an error is its own business.
#[agent]
fn failing() -> u32 {
    look_up(true).unwrap_or_default()
}

fn ids(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| text(event, "/event_id"))
        .collect()
}

#[test]
fn a_trace_that_failed_goes_as_a_whole_and_the_spool_keeps_all() {
    let dir = tempfile::tempdir().unwrap();
    let (client, memory) = sampled(dir.path(), |builder| builder.export_keep([Keep::Failed]));
    client.trace("around").in_scope(|_| {
        working();
        failing();
        working();
    });
    let exported = flushed(&client, &memory);
    let spooled = spooled(dir.path());
    let id = text(the(&spooled, "trace.start", "failing"), "/trace_id");
    let whole: Vec<Value> = spooled
        .iter()
        .filter(|event| event["trace_id"] == id)
        .cloned()
        .collect();
    // From its first event on, though it was not known then that it would fail.
    assert_eq!(exported, whole);
    assert_eq!(of_type(&exported, "trace.end").len(), 1);
    assert_eq!(
        sampled_out(&client) as usize + exported.len(),
        spooled.len()
    );
    let stats = client.stats();
    assert_eq!(
        (
            stats.events_lost(),
            stats.exporters["kept"].delivered as usize
        ),
        (0, whole.len())
    );
}

#[test]
fn a_share_of_the_others_goes_and_everybody_agrees_which() {
    let (client, memory) = in_memory(|builder| builder.export_sample_rate(0.25).export_keep([]));
    // Told by one client, and by another in its own words.
    let (wide, of_wide) = in_memory(|builder| {
        builder
            .export_sample_rate(0.75)
            .export_keep([Keep::Cost(1e9)])
    });
    for _ in 0..400 {
        client.trace("trace").in_scope(|trace| {
            let parent: rollout::SpanContext = trace.traceparent().unwrap().parse().unwrap();
            wide.span("task").parent(parent).in_scope(|_| ());
        });
    }
    let traces = |events: &[Value]| -> BTreeSet<String> {
        events
            .iter()
            .map(|event| text(event, "/trace_id").to_owned())
            .collect()
    };
    let some = traces(&flushed(&client, &memory));
    let more = traces(&flushed(&wide, &of_wide));
    assert!((50..150).contains(&some.len()), "{}", some.len());
    assert!((250..350).contains(&more.len()), "{}", more.len());
    assert!(some.is_subset(&more));
    let kept = of_type(&memory.events(), "trace.end").len();
    assert_eq!(kept, some.len(), "each of them whole");
}

#[test]
fn each_exporter_has_a_rate_of_its_own() {
    let all = MemoryExporter::new();
    let dir = tempfile::tempdir().unwrap();
    let (client, memory) = sampled(dir.path(), |builder| {
        builder
            .exporter(Box::new(all.clone()))
            .export_sample_rate_of("memory", 1.0)
    });
    client.trace("trace").in_scope(|_| ());
    assert_eq!(flushed(&client, &memory), Vec::<Value>::new());
    assert_eq!(all.events().len(), 2);
    assert_eq!(sampled_out(&client), 2);
}

#[test]
fn what_is_said_after_the_decision_goes_where_the_trace_went() {
    let dir = tempfile::tempdir().unwrap();
    let (client, memory) = sampled(dir.path(), |builder| builder);
    let told = |name: &str, error: bool| {
        let trace = client.trace(name).start();
        let straggler = trace
            .span("task")
            .name(format!("straggler of {name}"))
            .start();
        let id = trace.id().unwrap();
        trace.end_with(rollout::TraceEnd {
            error: error.then(|| "broken".to_owned()),
            ..rollout::TraceEnd::default()
        });
        straggler.end();
        client.feedback(id, "late", &1);
        id
    };
    let failed = told("failed", true);
    told("fine", false);
    // Nobody knows what became of a trace that another process has told of.
    client.feedback(TraceId::from_u128(7).unwrap(), "elsewhere", &1);
    client.feedback(TraceRef::External("ticket".to_owned()), "nowhere", &1);
    let exported = flushed(&client, &memory);
    let names: Vec<&str> = exported.iter().map(|event| text(event, "/name")).collect();
    assert_eq!(
        names,
        [
            "failed",
            "straggler of failed",
            "failed",
            "straggler of failed",
            "late",
            "elsewhere",
            "nowhere"
        ]
    );
    assert_eq!(exported[4]["trace_id"], failed.to_string());
    assert_eq!(sampled_out(&client), 5);
}

#[test]
fn what_was_judged_or_has_cost_much_while_it_ran_goes() {
    #[span(type = "llm")]
    fn call(cost: f64) {
        let usage = |cost| Usage {
            cost_usd: Some(cost),
            ..Usage::default()
        };
        // What is said again is not paid again.
        rollout::update_current_span(SpanUpdate::new().usage(usage(cost)));
        rollout::update_current_span(SpanUpdate::new().usage(usage(cost)));
    }
    let names = |rules: Vec<Keep>| {
        let dir = tempfile::tempdir().unwrap();
        let (client, memory) = sampled(dir.path(), |builder| builder.export_keep(rules));
        let trace = |name: &str, body: &dyn Fn()| client.trace(name).in_scope(|_| body());
        trace("cheap", &|| {
            call(0.03);
        });
        trace("dear", &|| {
            call(0.03);
            call(0.03);
        });
        trace("good", &|| rollout::feedback("thumbs", &true));
        trace("bad", &|| rollout::feedback("thumbs", &0.2));
        trace("said", &|| rollout::feedback("words", &"so so"));
        trace("graded", &|| {
            let outcome = json!({ "outcome": { "eval_score": 0.4 } });
            rollout::capture_event(rollout::EventType::EvalResult, &outcome);
        });
        let events = flushed(&client, &memory);
        let ended = of_type(&events, "trace.end");
        let names: Vec<_> = ended
            .iter()
            .map(|end| text(end, "/name").to_owned())
            .collect();
        names.join(" ")
    };
    assert_eq!(names(vec![Keep::Cost(0.05)]), "dear");
    assert_eq!(names(vec![Keep::Scored]), "good bad said graded");
    assert_eq!(names(vec![Keep::ScoredAtMost(0.5)]), "bad graded");
    assert_eq!(
        names(vec![Keep::ScoredAtMost(0.3), Keep::Cost(0.06)]),
        "dear bad"
    );
    assert_eq!(names(vec![Keep::Slow(Duration::from_hours(1))]), "");
    assert_eq!(
        names(vec![Keep::Slow(Duration::ZERO)]),
        "cheap dear good bad said graded"
    );
    assert_eq!(names(vec![]), "");
}

/// What a process has left in its spool that is gone.
fn leave(dir: &Path, events: &[Value]) {
    let writer = dir.join("spool/20260102T000000.000000Z-1-00000000");
    fs::create_dir_all(&writer).unwrap();
    let lines = events.iter().map(|event| format!("{event}\n"));
    let lines = lines.collect::<Vec<_>>().concat();
    fs::write(writer.join("lock"), "").unwrap();
    fs::write(writer.join("00000001.ndjson"), lines).unwrap();
    fs::write(writer.join("kept.cursor"), r#"{"segment":1,"offset":0}"#).unwrap();
}

/// An event of the trace `t`, so many seconds after midnight.
fn event(event_type: &str, second: u32, more: &Value) -> Value {
    let at = format!(
        "2026-01-02T00:{:02}:{:02}.000000Z",
        second / 60,
        second % 60
    );
    let mut event = json!({
        "event_id": format!("evt_{event_type}_{second}"), "event_type": event_type,
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "occurred_at": at,
    });
    event
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    event
}

/// What an exporter gets of what a dead process has left.
fn adopted(events: &[Value], configure: impl FnOnce(Builder) -> Builder) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    leave(dir.path(), events);
    let (client, memory) = sampled(dir.path(), configure);
    let report = client.blocking_shutdown(DEADLINE).expect("a report");
    assert!(!report.timed_out, "{report:?}");
    memory.events()
}

#[test]
fn a_slow_trace_goes_as_soon_as_it_is_slow() {
    let trace = [
        event("trace.start", 0, &json!({})),
        event("span.start", 1, &json!({ "span_id": "00000000000000aa" })),
        event("span.end", 4, &json!({ "span_id": "00000000000000aa" })),
        event("trace.end", 5, &json!({ "status": "ok" })),
    ];
    let slow = |seconds| Keep::Slow(Duration::from_secs(seconds));
    for (rule, goes) in [(slow(4), true), (slow(5), true), (slow(6), false)] {
        let exported = adopted(&trace, |builder| builder.export_keep([rule]));
        assert_eq!(exported, trace[..if goes { 4 } else { 0 }], "{rule}");
    }
    // It need not end for that.
    let exported = adopted(&trace[..3], |builder| builder.export_keep([slow(4)]));
    assert_eq!(exported, trace[..3]);
}

#[test]
fn a_part_of_a_trace_that_began_elsewhere_is_over_with_its_topmost_spans() {
    let top = |id: &str| json!({ "span_id": id, "attributes": { "rollout.parent.remote": true } });
    let (first, second) = ("00000000000000aa", "00000000000000bb");
    let fine = json!({ "span_id": first, "status": "ok" });
    let failed = json!({ "span_id": second, "status": "error", "error": { "type": "Refused" } });
    let one_after_the_other = [
        event("span.start", 0, &top(first)),
        event("span.end", 1, &fine),
        event("span.start", 2, &top(second)),
        event("span.end", 3, &failed),
        event("feedback", 4, &json!({ "name": "late" })),
    ];
    let exported = adopted(&one_after_the_other, |builder| {
        builder.export_keep([Keep::Failed])
    });
    assert_eq!(exported, one_after_the_other[2..]);
    let at_once = [
        event("span.start", 0, &top(first)),
        event("span.start", 1, &top(second)),
        event("span.end", 2, &fine),
        event("span.end", 3, &failed),
    ];
    let exported = adopted(&at_once, |builder| builder.export_keep([Keep::Failed]));
    assert_eq!(exported, at_once);
}

#[test]
fn a_trace_that_its_process_has_not_ended_has_failed() {
    let begun = [
        event("trace.start", 0, &json!({})),
        event("span.start", 1, &json!({ "span_id": "00000000000000aa" })),
    ];
    let exported = adopted(&begun, |builder| builder.export_keep([Keep::Failed]));
    assert_eq!(exported, begun);
    let exported = adopted(&begun, |builder| builder.export_keep([Keep::Scored]));
    assert_eq!(exported, [Value::Null; 0]);
    // The middle of one: what was decided nobody knows, so it goes on.
    let exported = adopted(&begun[1..], |builder| builder.export_keep([]));
    assert_eq!(exported, begun[1..]);
}

#[test]
fn at_the_bound_what_has_waited_longest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (client, memory) = sampled(dir.path(), |builder| {
        builder.max_queue_bytes(64 * 1024).export_keep([])
    });
    let (old, young) = (client.trace("old").start(), client.trace("young").start());
    for number in 0..8 {
        old.metadata("text", &format!("{number}").repeat(1500));
        let report = client.blocking_flush(DEADLINE).expect("a report");
        assert!(!report.timed_out, "{report:?}");
    }
    young.end();
    old.end();
    let exported = flushed(&client, &memory);
    let traces: BTreeSet<&str> = exported
        .iter()
        .map(|event| text(event, "/trace_id"))
        .collect();
    assert_eq!(
        traces,
        BTreeSet::from([old.id().unwrap().to_string().as_str()])
    );
    assert_eq!(ids(&exported).len(), 10, "from its start to its end");
    assert_eq!(sampled_out(&client), 2);
}

#[test]
fn what_is_not_decided_is_not_delivered_yet_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (client, memory) = sampled(dir.path(), |builder| builder);
    let trace = client.trace("open").start();
    trace.span("task").in_scope(|_| ());
    let report = client.blocking_flush(DEADLINE).expect("a report");
    assert_eq!(
        (
            report.spooled,
            report.delivered,
            report.lost,
            report.timed_out
        ),
        (3, 0, 0, false)
    );
    // The end of the client is the end of what it has under way.
    let report = client.blocking_shutdown(DEADLINE).expect("a report");
    assert!(report.is_complete(), "{report:?}");
    let exported = memory.events();
    assert_eq!(exported.len(), 3, "{exported:?}");
    drop(trace);
}

#[cfg(unix)]
mod crash {
    use std::process::Stdio;

    use rollout_tests::program::{Program, command};
    use rollout_tests::server::TestServer;
    use rollout_tests::wait_until;

    use super::*;

    /// A program that runs until it is killed, while its only trace is not decided: the next process has all of it.
    #[test]
    fn a_process_that_dies_before_the_decision_loses_nothing() {
        let server = TestServer::start();
        let dir = tempfile::tempdir().unwrap();
        let mut command = command(env!("CARGO_BIN_EXE_marathon"), dir.path());
        command
            .env("ROLLOUT_ENDPOINT", server.url(""))
            .env("ROLLOUT_EXPORTERS", "local,http")
            .env("ROLLOUT_EXPORT_SAMPLE_RATE", "0")
            .env("ROLLOUT_EXPORT_KEEP", "failed")
            .env("ROLLOUT_FLUSH_INTERVAL", "0.02");
        let mut program = Program::start(command.stdout(Stdio::null()));
        wait_until("the cursor is behind what was read", || {
            (spooled(dir.path()).len() > 100).then_some(())
        });
        program.child().kill().expect("it runs");
        let _ = program.end();
        assert!(server.trace_ids().is_empty());
        let next = builder()
            .dir(dir.path())
            .endpoint(server.url(""))
            .exporters([ExporterKind::Local, ExporterKind::Http])
            .export_sample_rate(0.0)
            .build()
            .expect("a client");
        let report = next.blocking_shutdown(DEADLINE).expect("a report");
        assert!(!report.timed_out, "{report:?}");
        let ids = server.trace_ids();
        assert_eq!(ids.len(), 1);
        let shown = server.get_json(&format!("/api/v1/traces/{}", ids[0]));
        assert_eq!(shown["status"], "interrupted");
        let begun = of_type(&spooled(dir.path()), "span.start").len()
            + of_type(&spooled(dir.path()), "tool.call").len();
        assert_eq!(shown["span_count"], begun);
    }
}
