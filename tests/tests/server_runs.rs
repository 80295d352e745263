//! Rollouts in the store: what they are of, and what runs, steps and datapoints come to.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::time::Duration;

use rollout::event::Message;
use rollout::run::{Phase, RunMeta, Score, Status, trace_run};
use rollout::testing;
use rollout::{TraceId, Usage};
use rollout_server::STORE_FILE;
use rollout_server::query::RunQuery;
use rollout_server::store::Retention;
use rollout_tests::server::{TestServer, is_on_clickhouse, open_store};
use rusqlite::Connection;
use serde_json::{Value, json};

/// A rollout of a datapoint in a step: its score, its status where it sets one.
fn rollout(run: &str, step: u64, datapoint: &str, score: Option<f64>, status: Option<Status>) {
    let meta = RunMeta::new(datapoint, Phase::Train)
        .run_id(run)
        .step_number(step)
        .env_name("maze")
        .grader_name("exact");
    trace_run(meta).unwrap().in_scope(|rollout| {
        rollout.add_meta(&json!({ "seed": step, "level": "hard", "dry": true }));
        rollout.log(Message::user("Go."));
        rollout.llm("policy").in_scope(|call| {
            call.set_usage(Usage {
                input_tokens: Some(10),
                output_tokens: Some(1),
                cost_usd: Some(0.5),
                ..Usage::default()
            });
        });
        rollout.log(Message::assistant("Gone."));
        rollout.log(Message::tool("c", "…"));
        if let Some(score) = score {
            // Only the last word of a grader counts.
            rollout.score(Score::new(9.0));
            rollout.score(Score::new(score).passed(score > 0.5));
            rollout.score(Score::new(1.0).grader("format"));
        }
        if let Some(status) = status {
            rollout.set_status(status, "because");
        }
    });
}

/// Two steps of a run, and one rollout of another.
fn events() -> Vec<Value> {
    let ((), captured) = testing::capture(|| {
        rollout("r/1", 0, "d1", Some(0.0), None);
        rollout("r/1", 0, "d1", Some(1.0), None);
        rollout("r/1", 0, "d2", Some(0.5), Some(Status::Truncated));
        rollout("r/1", 1, "d1", Some(1.0), None);
        rollout("r/1", 1, "d2", None, Some(Status::GraderError));
        rollout("r2", 0, "d1", Some(0.25), None);
    });
    captured.events
}

/// What stays the same however events arrive.
fn told(server: &TestServer) -> Value {
    let mut traces = server.get_json("/api/v1/traces?limit=500&filter=run:r/1");
    for trace in traces["traces"].as_array_mut().unwrap() {
        trace["duration_ms"].take();
    }
    json!({
        "traces": traces,
        "runs": server.get_json("/api/v1/runs"),
        "run": server.get_json("/api/v1/runs/r%2F1"),
        "datapoints": server.get_json("/api/v1/runs/r%2F1/datapoints?step=0"),
    })
}

#[test]
fn a_run_comes_to_what_its_rollouts_come_to() {
    let server = TestServer::start();
    server.take(&events());
    let runs = server.get_json("/api/v1/runs");
    let ids: Vec<_> = runs["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["run_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["r2", "r/1"], "the newest first");
    let run = server.get_json("/api/v1/runs/r%2F1");
    assert_eq!(run["phase"], "train");
    assert_eq!(run["registered_at"], Value::Null);
    assert_eq!(
        (&run["step_count"], &run["datapoint_count"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(run["rollouts"], 5);
    assert_eq!(
        run["statuses"],
        json!({ "COMPLETED": 3, "TRUNCATED": 1, "GRADER_ERROR": 1 })
    );
    assert_eq!(run["cost_usd"], 2.5);
    assert_eq!(run["usage"]["input_tokens"], 50);
    assert_eq!(run["usage"]["output_tokens"], 5);
    let steps = run["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0]["step_number"], 0);
    assert_eq!(steps[0]["rollouts"], 3);
    assert_eq!(steps[0]["datapoint_count"], 2);
    let score = &steps[0]["scores"][0];
    assert_eq!(score["grader"], "exact");
    assert_eq!(score["count"], 3);
    assert_eq!(score["mean"], 0.5);
    // Of 0, 0.5 and 1.
    let spread = score["stddev"].as_f64().unwrap();
    assert!((spread - (1.0_f64 / 6.0).sqrt()).abs() < 1e-12, "{spread}");
    assert_eq!((&score["min"], &score["max"]), (&json!(0.0), &json!(1.0)));
    assert_eq!(steps[0]["scores"][1]["grader"], "format");
    assert_eq!(steps[1]["scores"][0]["count"], 1);
    assert_eq!(steps[1]["scores"][0]["stddev"], 0.0);

    let datapoints = server.get_json("/api/v1/runs/r%2F1/datapoints?step=0");
    assert_eq!(datapoints["total"], 2);
    let first = &datapoints["datapoints"][0];
    assert_eq!(
        (&first["datapoint_id"], &first["rollouts"]),
        (&json!("d1"), &json!(2))
    );
    assert_eq!(first["scores"][0]["mean"], 0.5);
    let second = server.get_json("/api/v1/runs/r%2F1/datapoints?offset=1&limit=1");
    assert_eq!(second["total"], 2);
    assert_eq!(second["datapoints"][0]["datapoint_id"], "d2");
    assert_eq!(second["datapoints"][0]["rollouts"], 2);
}

#[test]
fn a_rollout_is_listed_with_what_it_is_of() {
    let server = TestServer::start();
    server.take(&events());
    let page = server.get_json("/api/v1/traces?filter=run:r/1%20step:0%20datapoint:d2");
    let traces = page["traces"].as_array().unwrap();
    assert_eq!(traces.len(), 1);
    let trace = &traces[0];
    assert_eq!(trace["status"], "TRUNCATED");
    assert_eq!(trace["name"], "maze");
    assert_eq!(
        trace["rollout"],
        json!({
            "run_id": "r/1", "phase": "train", "step_number": 0, "datapoint_id": "d2", "env_name": "maze",
            "model_name": null, "grader_name": "exact", "group_id": null, "sample_index": null,
            "turns": 2, "messages": 3,
        })
    );
    assert_eq!(
        trace["scores"],
        json!([
            { "grader": "exact", "value": 0.5, "passed": false },
            { "grader": "format", "value": 1.0, "passed": null },
        ])
    );
    let id = trace["trace_id"].as_str().unwrap();
    let detail = server.get_json(&format!("/api/v1/traces/{id}"));
    let places: Vec<_> = detail["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (&message["turn_index"], &message["intra_index"]))
        .map(|(turn, intra)| (turn.as_u64().unwrap(), intra.as_u64().unwrap()))
        .collect();
    assert_eq!(places, [(0, 0), (0, 1), (1, 0)]);
    // What has a place of its own is said there alone.
    let metadata = detail["metadata"].as_object().unwrap();
    let told: Vec<_> = metadata
        .keys()
        .filter(|key| key.starts_with("rollout.run."))
        .collect();
    assert_eq!(told, ["rollout.run.message", "rollout.run.usage"]);
    assert_eq!(metadata["rollout.run.message"], "because");
}

#[test]
fn filters_know_what_rollouts_are_of() {
    let server = TestServer::start();
    server.take(&events());
    let count = |filter: &str| {
        let filter = filter.replace(' ', "%20").replace('"', "%22");
        let page = server.get_json(&format!("/api/v1/traces?filter={filter}"));
        page["traces"].as_array().unwrap().len()
    };
    assert_eq!(count("run:r/1"), 5);
    assert_eq!(count("phase:train"), 6);
    assert_eq!(count("phase:eval"), 0);
    assert_eq!(count("step:1"), 2);
    assert_eq!(count("datapoint:d1 run:r/1"), 3);
    assert_eq!(count("env:maze status:COMPLETED"), 4);
    assert_eq!(count("grader:exact"), 5);
    assert_eq!(count("meta.seed:1"), 2);
    assert_eq!(count("meta.level:hard"), 6);
    assert_eq!(count("meta.dry:true"), 6);
    assert_eq!(count("meta.level:easy"), 0);
    assert_eq!(count("meta.unknown:x"), 0);
    let refused = server.get("/api/v1/traces?filter=meta.:x");
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (400, "invalid_filter")
    );
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    let events = events();
    let server = TestServer::start();
    server.take(&events);
    let expected = told(&server);
    let backwards = TestServer::start();
    let mut reversed = events.clone();
    reversed.reverse();
    for event in &reversed {
        backwards.take(std::slice::from_ref(event));
    }
    // And once more.
    backwards.take(&events);
    assert_eq!(told(&backwards), expected);
}

#[test]
fn a_rollout_of_several_requests_is_one_trace() {
    let id = TraceId::random();
    let request = |status: Option<Status>| {
        let meta = RunMeta::new("d", Phase::Prod).trace_id(id);
        let opened = trace_run(meta).unwrap().start();
        opened.log(Message::user("…"));
        opened.log(Message::assistant("…"));
        if let Some(status) = status {
            opened.set_status(status, None);
        }
        opened
    };
    let ((), captured) = testing::capture(|| {
        request(Some(Status::Pending)).end();
        request(None).end();
    });
    let events = captured.events;
    let second = events
        .iter()
        .rposition(|event| event["event_type"] == "trace.start")
        .unwrap();
    let server = TestServer::start();
    let trace = || server.get_json(&format!("/api/v1/traces/{id}"));
    server.take(&events[..second]);
    let first = trace();
    assert_eq!(first["status"], "PENDING");
    assert_eq!(first["rollout"]["turns"], 1);
    // It has begun again.
    server.take(&events[second..=second]);
    assert_eq!(trace()["status"], "running");
    assert_eq!(trace()["ended_at"], Value::Null);
    server.take(&events[second..]);
    let last = trace();
    assert_eq!(last["status"], "COMPLETED");
    assert_eq!(last["started_at"], first["started_at"]);
    assert!(last["ended_at"].as_str().unwrap() > first["ended_at"].as_str().unwrap());
    assert!(last["duration_ms"].as_f64() > first["duration_ms"].as_f64());
    assert_eq!(last["rollout"]["turns"], 2);
    assert_eq!(last["rollout"]["messages"], 4);

    let backwards = TestServer::start();
    for event in events.iter().rev() {
        backwards.take(std::slice::from_ref(event));
    }
    let mut told = backwards.get_json(&format!("/api/v1/traces/{id}"));
    for field in ["started_at", "ended_at", "status", "duration_ms", "rollout"] {
        assert_eq!(told[field].take(), last[field], "{field}");
    }
}

#[test]
fn pages_lead_from_runs_to_rollouts() {
    let server = TestServer::start();
    let empty = server.get("/runs");
    assert_eq!(empty.status, 200);
    assert!(
        empty
            .body
            .contains("fills by itself as soon as a rollout names one")
    );
    server.take(&events());
    let runs = server.get("/runs").body;
    assert!(runs.contains("href=\"/runs/r%2F1\""), "{runs}");
    assert!(runs.contains("3 COMPLETED"), "{runs}");
    let run = server.get("/runs/r%2F1").body;
    assert!(
        run.contains("href=\"/runs/r%2F1/datapoints?step=1\""),
        "{run}"
    );
    assert!(run.contains("0.500 ± 0.408"), "{run}");
    let step = server.get("/runs/r%2F1/datapoints?step=0").body;
    let href = "/?filter=run%3Ar%2F1%20step%3A0%20datapoint%3Ad1";
    assert!(step.contains(&format!("href=\"{href}\"")), "{step}");
    let rollouts = server.get(href).body;
    assert_eq!(rollouts.matches("data-trace=").count(), 2);
    let id = server.trace_ids().pop().unwrap();
    let trace = server.get(&format!("/traces/{id}")).body;
    assert!(trace.contains("href=\"/runs/r%2F1\""), "{trace}");
    assert_eq!(server.get("/runs/unknown").status, 404);
    assert_eq!(server.get("/runs/unknown/datapoints").status, 404);
}

#[test]
fn what_a_run_is_called_is_only_ever_text() {
    let server = TestServer::start();
    let run = "<script>alert(1)</script> \"x\"";
    let ((), captured) = testing::capture(|| rollout(run, 0, "<b>d</b>", Some(1.0), None));
    server.take(&captured.events);
    let encoded = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%20%22x%22";
    for path in [
        "/runs".to_owned(),
        format!("/runs/{encoded}"),
        format!("/runs/{encoded}/datapoints"),
    ] {
        let page = server.get(&path);
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains("<script>alert"), "{}", page.body);
        assert!(!page.body.contains("<b>d"), "{}", page.body);
    }
}

#[test]
fn what_is_too_old_goes_with_its_scores_and_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), &[]);
    assert_eq!(
        server
            .put("/v1/runs/kept", r#"{"phase":"train"}"#, &[])
            .status,
        204
    );
    server.take(&events());
    server.stop();
    let store = open_store(dir.path()).unwrap();
    let retention = Retention {
        max_age: Some(Duration::ZERO),
        ..Retention::default()
    };
    // The newest trace always stays.
    assert_eq!(store.sweep(retention).wait().unwrap(), 5);
    let runs = store.runs(&RunQuery::default()).unwrap().runs;
    let mut runs: Vec<_> = runs.into_iter().map(|run| run.run_id).collect();
    runs.sort();
    assert_eq!(runs, ["kept", "r2"]);
    drop(store);
    if is_on_clickhouse() {
        return;
    }
    let connection = Connection::open(dir.path().join(STORE_FILE)).unwrap();
    let left = |sql: &str| -> String { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(left("SELECT group_concat(run_id) FROM rollouts"), "r2");
    assert_eq!(
        left("SELECT group_concat(value, ' ') FROM scores"),
        "0.25 1.0"
    );
    let runs = left("SELECT group_concat(run_id ORDER BY run_id) FROM runs");
    assert_eq!(runs, "kept,r2");
}

#[test]
fn runs_come_page_by_page() {
    let server = TestServer::start();
    let ((), captured) = testing::capture(|| {
        for number in 0..7 {
            rollout(&format!("run{number}"), 0, "d", None, None);
        }
    });
    server.take(&captured.events);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get_json(&format!("/api/v1/runs?limit=3&cursor={cursor}"));
        for run in page["runs"].as_array().unwrap() {
            seen.push(run["run_id"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let expected: Vec<_> = (0..7).rev().map(|number| format!("run{number}")).collect();
    assert_eq!(seen, expected);
    assert_eq!(
        server.get("/api/v1/runs?cursor=x").error_code(),
        "invalid_cursor"
    );
    assert_eq!(
        server.get("/api/v1/runs?limit=0").error_code(),
        "invalid_limit"
    );
    assert_eq!(
        server.get("/api/v1/runs?step=0").error_code(),
        "invalid_query"
    );
}
