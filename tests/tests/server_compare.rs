//! `GET /api/v1/compare`.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use jiff::Timestamp;
use rollout_tests::{compare::support_runs, fixture, server::TestServer};
use serde_json::{Value, json};

fn start() -> Timestamp {
    "2026-11-20T23:14:20.222640Z".parse().unwrap()
}

fn served() -> TestServer {
    let server = TestServer::start();
    let (a, b) = support_runs("run-a", "run-b", start());
    server.take(&a);
    server.take(&b);
    server
}

/// The rows in short: what became of each, its name, and in what it differs.
fn told(report: &Value) -> Vec<String> {
    let rows = report["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            let span = if row["b"].is_null() {
                &row["a"]
            } else {
                &row["b"]
            };
            let differs: Vec<_> = row["differs"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let name = span["name"].as_str().unwrap();
            format!(
                "{} {name} {}",
                row["change"].as_str().unwrap(),
                differs.join(",")
            )
            .trim()
            .to_owned()
        })
        .collect()
}

#[test]
fn two_traces_are_compared() {
    let server = served();
    let report = server.get_json("/api/v1/compare?a=run-a&b=run-b");
    assert_eq!(
        told(&report),
        [
            "changed support_agent output,status,error",
            "unchanged plan",
            "unchanged chat",
            "changed lookup_order output",
            "changed chat input,output",
            "removed issue_refund",
            "added reship_order",
        ]
    );
    assert_eq!(report["same"], false);
    assert_eq!(report["first"], json!({ "row": 3, "part": "output" }));
    assert_eq!(report["whole"], json!(["output", "status", "error"]));
    assert_eq!(
        report["counts"],
        json!({ "unchanged": 2, "moved": 0, "changed": 3, "removed": 1, "added": 1 })
    );
    assert_eq!(report["rows"][3]["delta"]["duration_ms"], -115.0);
    assert_eq!(report["rows"][4]["a"]["usage"]["input_tokens"], 305);
    assert_eq!(report["a"]["trace_id"], "run-a");
    assert!(report["diff"].is_null());

    let turned = server.get_json("/api/v1/compare?a=run-b&b=run-a");
    assert_eq!(turned["counts"]["changed"], 3);
    assert_eq!(turned["first"], report["first"]);
    assert_eq!(turned["rows"][3]["delta"]["duration_ms"], 115.0);
    let same = server.get_json("/api/v1/compare?a=run-a&b=run-a");
    assert_eq!(
        (&same["same"], &same["first"]),
        (&json!(true), &Value::Null)
    );
}

#[test]
fn what_differs_of_a_step_is_told_in_words() {
    let server = served();
    let span = fixture::span_id("order");
    let report = server.get_json(&format!(
        "/api/v1/compare?a=run-a&b=run-b&span={span}&limit=1"
    ));
    let part = &report["diff"]["parts"][0];
    assert_eq!(
        (&part["part"], &part["form"]),
        (&json!("output"), &json!("lines"))
    );
    let lines = part["diff"]["hunks"][0]["lines"].as_array().unwrap();
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            let pieces = line["pieces"].as_array().unwrap().iter();
            let text: String = pieces
                .map(|piece| match (&piece[0], piece[1].as_str().unwrap()) {
                    (Value::Bool(true), text) => format!("[{text}]"),
                    (_, text) => text.to_owned(),
                })
                .collect();
            format!("{} {text}", line["side"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            r#"both   "carrier": "DHL","#,
            // It differs, as it does from run to run.
            r#"both   "created_at": ‹time›,"#,
            r#"both   "order": "A-1","#,
            r#"a   "state": "[delayed]","#,
            r#"a   "steps": ["packed", "handed over[", "in Leipzig]"]"#,
            r#"b   "state": "[lost]","#,
            r#"b   "steps": ["packed", "handed over"]"#,
            r"both }",
        ]
    );

    // A model call is compared message by message.
    let report = server.get_json("/api/v1/compare?a=run-a&b=run-b&row=4");
    let input = &report["diff"]["parts"][0];
    assert_eq!(
        (&input["part"], &input["form"]),
        (&json!("input"), &json!("conversation"))
    );
    let turns = input["turns"].as_array().unwrap().iter();
    let turns: Vec<_> = turns
        .map(|turn| {
            (
                turn["change"].as_str().unwrap(),
                turn["role"].as_str().unwrap(),
                turn["messages"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        turns,
        [
            ("unchanged", "system", 3),
            ("changed", "tool", 1),
            ("unchanged", "beside the messages", 1),
        ]
    );
    // Of what only one has, all is told.
    let report = server.get_json("/api/v1/compare?a=run-a&b=run-b&row=5");
    let parts = report["diff"]["parts"].as_array().unwrap();
    assert_eq!(
        (&parts[0]["part"], &parts[1]["part"]),
        (&json!("input"), &json!("error"))
    );
    assert!(report["diff"]["b"].is_null());
    let report = server.get_json("/api/v1/compare?a=run-a&b=run-b&whole=true");
    assert_eq!(report["diff"]["parts"][0]["part"], "output");
    assert_eq!(report["diff"]["parts"][0]["has_a"], false);
}

#[test]
fn rows_come_in_pages_and_only_those_that_differ() {
    let server = TestServer::start();
    server.take(&fixture::large("large-a", start(), 5_000));
    let mut other = fixture::large("large-b", start(), 5_000);
    for event in &mut other {
        if event["span_id"] == fixture::span_id("s3303") && event["event_type"] == "tool.result" {
            event["raw"] = json!({ "result": "something else" });
        }
    }
    server.take(&other);
    let path = "/api/v1/compare?a=large-a&b=large-b";
    let mut rows = Vec::new();
    let mut offset = Some(0);
    while let Some(from) = offset {
        let page = server.get_json(&format!("{path}&offset={from}&limit=1999"));
        assert_eq!(page["total"], 5_000);
        rows.extend(told(&page));
        offset = page["next_offset"].as_u64();
    }
    assert_eq!(rows.len(), 5_000);
    assert_eq!(
        rows.iter()
            .filter(|row| row.starts_with("changed search output"))
            .count(),
        1
    );
    let page = server.get_json(&format!("{path}&only=differences"));
    assert_eq!(
        told(&page),
        [
            "unchanged research_team",
            "unchanged investigate",
            "changed search output"
        ]
    );
    assert_eq!(
        (&page["total"], &page["next_offset"]),
        (&json!(3), &Value::Null)
    );

    // What has come since is seen, though large comparisons are kept.
    let mut late = fixture::Recorder::new("large-b", "research_team", start(), &Value::Null);
    late.span(&fixture::Span {
        id: "late",
        parent: Some("s0"),
        kind: "tool",
        name: "late",
        at_us: 4_999_999,
        took_us: Some(1),
        ..fixture::Span::default()
    });
    let events: Vec<_> = late
        .into_events()
        .into_iter()
        .skip(1)
        .map(|mut event| {
            event["event_id"] = json!(format!("{}_late", event["event_id"].as_str().unwrap()));
            event
        })
        .collect();
    server.take(&events);
    let page = server.get_json(&format!("{path}&only=differences"));
    assert_eq!(page["counts"]["added"], 1);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let server = served();
    for (path, status, code, told) in [
        ("?a=run-a", 400, "invalid_query", "`a` and `b`"),
        ("?a=run-a&b=nowhere", 404, "not_found", "nowhere"),
        (
            "?a=run-a&b=run-b&only=added",
            400,
            "invalid_query",
            "differences",
        ),
        ("?a=run-a&b=run-b&limit=0", 400, "invalid_limit", "limit"),
        (
            "?a=run-a&b=run-b&colour=red",
            400,
            "invalid_query",
            "colour",
        ),
        ("?a=run-a&b=run-b&row=7", 404, "not_found", "row"),
        ("?a=run-a&b=run-b&span=nowhere", 404, "not_found", "span"),
        (
            "?a=run-a&b=run-b&span=x&row=1",
            400,
            "invalid_query",
            "only one",
        ),
    ] {
        let answer = server.get(&format!("/api/v1/compare{path}"));
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.error_code(), code, "{path}");
        assert!(answer.body.contains(told), "{path}: {answer:?}");
    }
}
