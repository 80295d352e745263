//! What the Python client sends is taken in as it is, and shown as one would expect.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so and fails"
)]

use std::fmt::Write as _;

use rollout_tests::{
    server::TestServer,
    wire::{batch, recording, recordings},
};
use serde_json::{Value, json};

/// The bodies of one run, in order.
fn run(name: &str) -> Vec<String> {
    let files = recordings();
    let of_run = |file: &&String| {
        let stem = file.split('.').next().unwrap();
        stem == name
            || stem
                .strip_prefix(name)
                .is_some_and(|rest| rest.len() == 2 && rest.starts_with('-'))
    };
    files.iter().filter(of_run).cloned().collect()
}

/// A server that has taken the recordings of one run.
fn server_with(name: &str) -> TestServer {
    let server = TestServer::start();
    let files = run(name);
    assert!(!files.is_empty(), "{name}");
    for file in files {
        assert_eq!(
            server.post_as_recorded(&recording(&file)).status,
            200,
            "{file}"
        );
    }
    server
}

/// All that the API says about a server's traces.
fn everything(server: &TestServer) -> Vec<Value> {
    let trace = |trace_id: &String| {
        let spans = server.spans(trace_id).into_iter().map(|span| {
            let span_id = span["span_id"].as_str().unwrap().to_owned();
            server.get_json(&format!("/api/v1/traces/{trace_id}/spans/{span_id}"))
        });
        json!({ "trace": server.get_json(&format!("/api/v1/traces/{trace_id}")), "spans": spans.collect::<Vec<_>>() })
    };
    server.trace_ids().iter().map(trace).collect()
}

/// Fails with the lines that differ, and not with all of them.
#[track_caller]
fn assert_same(left: &[Value], right: &[Value], what: &str) {
    let lines = |values: &[Value]| serde_json::to_string_pretty(values).unwrap();
    let (left, right) = (lines(left), lines(right));
    let differing: Vec<_> = left
        .lines()
        .zip(right.lines())
        .filter(|(left, right)| left != right)
        .take(10)
        .collect();
    assert!(left == right, "{what}: {differing:#?}");
}

fn span<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    spans
        .iter()
        .find(|span| span["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

/// The same answers, whichever store gives them.
fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings
}

#[test]
fn every_recording_is_answered_exactly() {
    let server = TestServer::start();
    for file in recordings() {
        let body = recording(&file);
        let answer = server.post_as_recorded(&body);
        assert_eq!(answer.status, 200, "{file}: {answer:?}");
        let body = String::from_utf8(body)
            .unwrap()
            .replace("NaN", "null")
            .replace("Infinity", "null");
        let events = serde_json::from_str::<Value>(&body).unwrap()["events"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(
            answer.body,
            format!(r#"{{"accepted":{events},"rejected":0,"retryable":false,"errors":[]}}"#),
            "{file}"
        );
        assert_eq!(
            answer.headers["content-length"].to_str().unwrap(),
            answer.body.len().to_string()
        );
        assert_eq!(answer.headers["content-type"], "application/json");
    }
}

#[test]
fn the_trees_of_all_recordings() {
    let mut trees = String::new();
    let mut runs: Vec<String> = recordings()
        .iter()
        .map(|file| {
            file.split('.')
                .next()
                .unwrap()
                .trim_end_matches(|c: char| c.is_ascii_digit())
                .to_owned()
        })
        .map(|stem| stem.trim_end_matches('-').to_owned())
        .collect();
    runs.dedup();
    for run in runs {
        let server = server_with(&run);
        for trace_id in server.trace_ids().iter().rev() {
            let trace = server.get_json(&format!("/api/v1/traces/{trace_id}"));
            let name = trace["name"].as_str().unwrap_or("-");
            writeln!(trees, "{run}: {name} {}", trace["status"].as_str().unwrap()).unwrap();
            for line in server.tree(trace_id).lines() {
                writeln!(trees, "  {line}").unwrap();
            }
        }
    }
    snapshots()
        .bind(|| insta::assert_snapshot!("server_recordings__the_trees_of_all_recordings", trees));
}

#[test]
fn a_trace_with_everything_in_it() {
    let all = everything(&server_with("trace"));
    snapshots().bind(|| {
        insta::assert_json_snapshot!("server_recordings__a_trace_with_everything_in_it", all);
    });
}

#[test]
fn spans_reported_after_the_fact() {
    let all = everything(&server_with("openai-agents"));
    snapshots().bind(|| {
        insta::assert_json_snapshot!("server_recordings__spans_reported_after_the_fact", all);
    });
}

#[test]
fn a_trace_in_a_trace_is_linked_and_not_mixed_up() {
    let server = server_with("agent-in-agent");
    let [inner, outer] = server.trace_ids().try_into().unwrap();
    let (inner, outer) = (
        server.get_json(&format!("/api/v1/traces/{inner}")),
        server.get_json(&format!("/api/v1/traces/{outer}")),
    );
    assert_eq!(
        (&inner["name"], &outer["name"]),
        (&json!("support_agent"), &json!("caller"))
    );
    let delegate = server.spans(outer["trace_id"].as_str().unwrap())[0]["span_id"].clone();
    assert_eq!(
        inner["links"],
        json!([{ "relation": "caller", "trace_id": outer["trace_id"], "span_id": delegate, "name": "caller" }])
    );
    assert_eq!(
        outer["links"],
        json!([{ "relation": "callee", "trace_id": inner["trace_id"], "span_id": delegate, "name": "support_agent" }])
    );
    // What is on top of the inner trace bears the outer span's id as its parent's.
    assert_eq!(
        span(&server.spans(inner["trace_id"].as_str().unwrap()), "plan")["parent_span_id"],
        Value::Null
    );
}

#[test]
fn a_tool_is_one_node_below_the_span_around_it() {
    let server = server_with("agent");
    let trace_id = &server.trace_ids()[0];
    let spans = server.spans(trace_id);
    let (plan, tool) = (span(&spans, "plan"), span(&spans, "lookup_order"));
    assert_eq!(tool["parent_span_id"], plan["span_id"]);
    assert_ne!(tool["span_id"], plan["span_id"]);
    assert_eq!(
        (&plan["type"], &tool["type"]),
        (&json!("task"), &json!("tool"))
    );
    let tool_id = tool["span_id"].as_str().unwrap();
    let detail = server.get_json(&format!("/api/v1/traces/{trace_id}/spans/{tool_id}"));
    assert_eq!(
        detail["input"],
        json!({ "order_id": "A-1", "verbose": false })
    );
    assert_eq!(
        detail["output"],
        json!({ "order": "A-1", "state": "shipped" })
    );
    assert_eq!(detail["tool_call_id"], tool["span_id"]);
}

#[test]
fn a_streams_output_comes_from_its_end() {
    let server = server_with("openai-chat-stream");
    let trace_id = server
        .trace_ids()
        .into_iter()
        .find(|trace_id| server.get_json(&format!("/api/v1/traces/{trace_id}"))["name"] == "chat")
        .unwrap();
    let span = &server.spans(&trace_id)[0];
    let span_id = span["span_id"].as_str().unwrap();
    let detail = server.get_json(&format!("/api/v1/traces/{trace_id}/spans/{span_id}"));
    assert_eq!(detail["output"], "Hello, Ada.");
    // Said twice, counted once.
    assert_eq!(detail["usage"]["total_tokens"], 18);
    assert_eq!(
        server.get_json(&format!("/api/v1/traces/{trace_id}"))["usage"]["total_tokens"],
        18
    );
}

#[test]
fn numbers_that_are_no_json_are_null() {
    let server = server_with("non-finite");
    let trace = server.get_json("/api/v1/traces/trace_nan");
    assert_eq!(trace["events"][0]["type"], "eval.result");
    assert_eq!(
        trace["events"][0]["data"]["attributes"],
        json!({ "score": null })
    );
    assert_eq!(trace["events"][0]["data"].get("outcome"), None);
}

#[test]
fn feedback_finds_its_trace_by_the_callers_id_before_and_after() {
    let server = server_with("outside-a-trace");
    // Nothing of it is a run.
    assert!(server.trace_ids().is_empty());
    let waiting = server.get_json("/api/v1/traces/req-1");
    assert_eq!(waiting["signals"][0]["name"], "escalated");
    for file in run("trace") {
        server.post_as_recorded(&recording(&file));
    }
    let trace = server.get_json("/api/v1/traces/req-1");
    assert_eq!(trace["name"], "support");
    let signals: Vec<&str> = trace["signals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|signal| signal["name"].as_str().unwrap())
        .collect();
    assert!(signals.contains(&"escalated"), "{signals:?}");
    assert_eq!(server.trace_ids(), [trace["trace_id"].as_str().unwrap()]);
}

#[test]
fn order_of_arrival_does_not_matter_and_duplicates_change_nothing() {
    for name in [
        "agent",
        "agent-in-agent",
        "trace",
        "openai-agents",
        "manual-stream",
        "three-batches",
    ] {
        let events: Vec<Value> = run(name)
            .iter()
            .flat_map(|file| {
                let body: Value = serde_json::from_slice(&recording(file)).unwrap();
                body["events"].as_array().unwrap().clone()
            })
            .collect();
        let forwards = TestServer::start();
        forwards.take(&events);
        let expected = everything(&forwards);
        let backwards = TestServer::start();
        for event in events.iter().rev() {
            backwards.take(std::slice::from_ref(event));
        }
        assert_same(
            &everything(&backwards),
            &expected,
            &format!("{name} backwards"),
        );
        let twice = TestServer::start();
        for half in [&events[..events.len() / 2], &events[..], &events[..]] {
            twice.take(half);
        }
        assert_same(&everything(&twice), &expected, &format!("{name} twice"));
    }
}

#[test]
fn a_duplicate_counts_as_accepted() {
    let server = TestServer::start();
    let event = json!({
        "event_id": "evt_1", "event_type": "feedback", "trace_id": "trace_1", "name": "csat", "attributes": { "value": 1 },
    });
    for _ in 0..2 {
        let answer = server.post(&batch(&[event.clone(), event.clone()]), &[]);
        assert_eq!(answer.json()["accepted"], 2);
    }
    let trace = server.get_json("/api/v1/traces/trace_1");
    assert_eq!(trace["feedback"].as_array().unwrap().len(), 1);
}
