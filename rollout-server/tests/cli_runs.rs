//! `rollout runs` and `rollout run`, on a directory with no server running.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

/// The events of a rollout in minute `number` of the day.
fn rollout(
    number: u32,
    step: u32,
    datapoint: &str,
    status: &str,
    score: Option<f64>,
) -> Vec<Value> {
    let at = |second: u32| format!("2026-11-27T00:{number:02}:{second:02}Z");
    let trace = format!("{number:032x}");
    let facts = json!({
        "rollout.run.phase": "train", "rollout.run.datapoint_id": datapoint, "rollout.run.step_number": step,
    });
    let event = |kind: &str, second: u32| {
        json!({
            "event_id": format!("{trace}_{kind}"), "event_type": kind, "trace_id": trace, "name": "maze",
            "occurred_at": at(second), "attributes": facts, "links": { "run_id": "grpo-3" },
        })
    };
    let mut end = event("trace.end", 30);
    end["status"] = status.into();
    end["duration_ms"] = 30_000.0.into();
    let mut call = event("span.end", 20);
    call["attributes"] = json!({});
    call["span_id"] = format!("{number:016x}").into();
    call["span_type"] = "llm".into();
    call["duration_ms"] = 1.0.into();
    call["usage"] = json!({ "input_tokens": 900, "output_tokens": 100, "cost_usd": 0.25 });
    let mut events = vec![event("trace.start", 0), call, end];
    if let Some(score) = score {
        let mut scored = event("eval.result", 25);
        scored["name"] = "exact".into();
        scored["outcome"] = json!({ "eval_score": score });
        scored["attributes"] = json!({});
        events.push(scored);
    }
    events
}

fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let writer = dir.path().join("spool/20261121T012252.123456Z-1-a");
    fs::create_dir_all(&writer).expect("the writer's folder");
    let events = [
        rollout(1, 0, "d1", "COMPLETED", Some(0.0)),
        rollout(2, 0, "d2", "TRUNCATED", Some(1.0)),
        rollout(3, 1, "d1", "COMPLETED", Some(1.0)),
        rollout(4, 1, "d1", "GRADER_ERROR", None),
    ];
    let lines: Vec<_> = events.concat().iter().map(Value::to_string).collect();
    let text = lines.join("\n") + "\n";
    fs::write(writer.join("00000001.ndjson"), text).expect("it is written");
    dir
}

fn run(dir: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rollout"))
        .args(words)
        .env("ROLLOUT_DIR", dir)
        .env_remove("CLICOLOR_FORCE")
        .output()
        .expect("it runs")
}

fn stdout(dir: &Path, words: &[&str]) -> String {
    let output = run(dir, words);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {error}");
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn runs_are_listed_with_what_they_come_to() {
    let dir = written();
    insta::assert_snapshot!("runs", stdout(dir.path(), &["runs"]));
    let json: Value = serde_json::from_str(&stdout(dir.path(), &["runs", "--json"])).expect("JSON");
    assert_eq!(json["runs"][0]["run_id"], "grpo-3");
    assert_eq!(json["runs"][0]["rollouts"], 4);
}

#[test]
fn a_run_is_shown_step_by_step() {
    let dir = written();
    insta::assert_snapshot!("run", stdout(dir.path(), &["run", "grpo-3"]));
    insta::assert_snapshot!(
        "run_step",
        stdout(dir.path(), &["run", "grpo-3", "--step", "0"])
    );
    let all = stdout(dir.path(), &["run", "grpo-3", "--datapoints", "-n", "1"]);
    assert!(all.contains("d1") && !all.contains("d2"), "{all}");
    let listed = stdout(
        dir.path(),
        &["ls", "run:grpo-3", "step:1", "status:GRADER_ERROR"],
    );
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let shown = stdout(dir.path(), &["show", &format!("{:032x}", 2)]);
    assert!(
        shown.contains("run grpo-3  phase train  step 0  datapoint d2"),
        "{shown}"
    );
    assert!(shown.contains("exact 1"), "{shown}");
}

#[test]
fn a_run_that_is_not_there_is_told() {
    let dir = written();
    let output = run(dir.path(), &["run", "grpo-4"]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("grpo-4") && error.contains("rollout runs"),
        "{error}"
    );
    let empty = tempfile::tempdir().expect("a folder");
    let output = run(empty.path(), &["runs"]);
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("belongs to a run yet"));
}
