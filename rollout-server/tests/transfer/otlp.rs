//! Spans of OpenTelemetry out, and in again.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use rollout_tests::fixture;
use serde_json::{Value, json};

use crate::{Dir, assert_same};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn requests(text: &str) -> Vec<ExportTraceServiceRequest> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What OTLP has no place for, or says in its own words, is not compared.
fn carried(answers: Vec<Value>) -> Vec<Value> {
    let strip = |value: &mut Value, names: &[&str]| {
        for name in names {
            value.as_object_mut().unwrap().remove(*name);
        }
    };
    let mut answers = answers;
    for answer in &mut answers {
        strip(&mut answer["row"], &["external_trace_id"]);
        strip(
            &mut answer["detail"],
            &["external_trace_id", "metadata", "context", "events"],
        );
        for message in answer["detail"]["messages"].as_array_mut().unwrap() {
            strip(message, &["span_id", "id", "content_type", "attributes"]);
        }
        for feedback in answer["detail"]["feedback"].as_array_mut().unwrap() {
            strip(feedback, &["span_id"]);
        }
        for span in answer["spans"].as_array_mut().unwrap() {
            strip(&mut span["detail"], &["attributes", "events"]);
        }
    }
    answers
}

#[test]
fn another_store_gives_the_same_answers_as_far_as_otlp_can_say_them() {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let from = Dir::with(&fixture::support_agent(TRACE, start));
    let exported = from.export(&["--format", "otlp"]);
    let requests = requests(&exported);
    assert_eq!(requests.len(), 1);
    let to = Dir::new();
    let (taken, said) = to.import(&exported);
    assert!(taken.contains("of 7 spans"), "{taken}");
    assert_eq!(said, "");
    assert_same(&carried(from.answers()), &carried(to.answers()));
    // Once more is no more.
    let once = to.answers();
    to.import(&exported);
    assert_same(&once, &to.answers());
}

#[test]
fn what_comes_from_others_goes_out_again() {
    let spans = json!({ "resourceSpans": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] },
        "scopeSpans": [{ "scope": { "name": "theirs" }, "spans": [
            { "traceId": TRACE, "spanId": "00000000000000a1", "name": "invoke_agent shop", "kind": 1,
              "startTimeUnixNano": "1767323045000000006", "endTimeUnixNano": "1767323046000000009", "status": {},
              "attributes": [
                { "key": "gen_ai.operation.name", "value": { "stringValue": "invoke_agent" } },
                { "key": "gen_ai.agent.name", "value": { "stringValue": "shop" } },
              ] },
            { "traceId": TRACE, "spanId": "00000000000000a2", "parentSpanId": "00000000000000a1", "name": "chat m",
              "kind": 3, "startTimeUnixNano": "1767323045000000007", "endTimeUnixNano": "1767323045500000001",
              "status": { "code": 2, "message": "gone" }, "attributes": [
                { "key": "gen_ai.operation.name", "value": { "stringValue": "chat" } },
                { "key": "gen_ai.request.model", "value": { "stringValue": "m" } },
                { "key": "gen_ai.usage.input_tokens", "value": { "intValue": "3" } },
                { "key": "error.type", "value": { "stringValue": "timeout" } },
              ] },
        ] }] }] });
    // A document over several lines is one, too.
    let from = Dir::new();
    from.import(format!("{spans:#}"));
    let to = Dir::new();
    to.import(from.export(&["--format", "ndjson"]));
    assert_same(&from.answers(), &to.answers());
    let to = Dir::new();
    to.import(from.export(&["--format", "otlp"]));
    assert_same(&carried(from.answers()), &carried(to.answers()));
}

#[test]
fn ids_that_are_none_of_w3c_become_some() {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let from = Dir::with(&fixture::support_agent("my own id", start));
    let exported = from.export(&["--format", "otlp"]);
    let to = Dir::new();
    to.import(&exported);
    let (before, after) = (from.answers(), to.answers());
    assert_eq!(
        before[0]["row"]["span_count"],
        after[0]["row"]["span_count"]
    );
    assert_eq!(
        after[0]["detail"]["metadata"]["external_trace_id"],
        "my own id"
    );
    assert_eq!(exported, from.export(&["--format", "otlp"]));
}

#[test]
fn what_runs_is_left_out_and_what_was_interrupted_is_not() {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let running = fixture::running(TRACE, start);
    let dir = Dir::new();
    let store = dir.take(&running, Some("a process"));
    let (exported, said) = dir.succeed(&["export", "--format", "otlp"]);
    let spans = |text: &str| -> usize {
        let requests = requests(text);
        let scopes = requests
            .iter()
            .flat_map(|request| &request.resource_spans)
            .flat_map(|of| &of.scope_spans);
        scopes.map(|scope| scope.spans.len()).sum()
    };
    let ended = spans(&exported);
    assert!(said.contains("1 traces run"), "{said}");
    store.writer_gone("a process").wait().unwrap();
    let exported = dir.export(&["--format", "otlp"]);
    assert!(spans(&exported) > ended, "{exported}");
    let to = Dir::new();
    to.import(exported);
    assert_eq!(to.answers()[0]["row"]["status"], "interrupted");
}
