//! `rollout diff` and `rollout stats`, on a directory with no server running.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use jiff::{Timestamp, ToSpan};
use rollout_tests::{compare::support_runs, fixture};
use serde_json::Value;
use tempfile::TempDir;

const A: &str = "0af7651916cd43dd8448eb211c80319c";
const B: &str = "1bf7651916cd43dd8448eb211c80319d";

fn start() -> Timestamp {
    "2026-11-20T23:14:20.222640Z".parse().expect("a time")
}

/// A directory that a program has written these events to.
fn written(events: &[Value]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let writer = dir.path().join("spool/20261121T012252.123456Z-1-a");
    fs::create_dir_all(&writer).expect("the writer's folder");
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    fs::write(writer.join("00000001.ndjson"), lines.join("\n") + "\n").expect("it is written");
    dir
}

fn runs() -> TempDir {
    let (a, b) = support_runs(A, B, start());
    written(&[a, b].concat())
}

fn rollout(dir: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rollout"))
        .args(words)
        .env("ROLLOUT_DIR", dir)
        .env_remove("CLICOLOR_FORCE")
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn two_runs_are_compared() {
    let dir = runs();
    let output = rollout(dir.path(), &["diff", A, "1bf7"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    insta::assert_snapshot!("diff", text(&output.stdout));
    let all = rollout(dir.path(), &["diff", A, B, "--all"]);
    assert_eq!(all.status.code(), Some(1));
    insta::assert_snapshot!("diff_all", text(&all.stdout));
}

#[test]
fn a_trace_does_not_differ_from_itself_nor_from_one_like_it() {
    let (a, _) = support_runs(A, B, start());
    // Another day, other ids, and it took longer.
    let (again, _) = support_runs(B, A, start() + 26.hours());
    let dir = written(&[a, again].concat());
    for (a, b) in [(A, A), (A, B)] {
        let output = rollout(dir.path(), &["diff", a, b]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("no difference that counts"), "{said}");
    }
}

#[test]
fn the_comparison_is_json_on_request() {
    let dir = runs();
    let output = rollout(dir.path(), &["diff", A, B, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["a"]["trace_id"], A);
    assert_eq!(json["same"], false);
    assert_eq!(json["first"]["part"], "output");
    let row = json["first"]["row"].as_u64().expect("a row") as usize;
    assert_eq!(json["rows"][row]["b"]["name"], "lookup_order");
    assert_eq!(json["diff"]["parts"][0]["part"], "output");
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(7));
    assert_eq!(json["total"], 7);
}

#[test]
fn what_cannot_be_compared_ends_with_2() {
    let dir = runs();
    for (words, told) in [
        (&["diff", A, "nowhere"][..], "no trace in"),
        (&["diff", A], "required"),
    ] {
        let output = rollout(dir.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = text(&output.stderr);
        assert!(said.contains(told), "{said}");
    }
    let output = rollout(&dir.path().join("nowhere"), &["diff", A, B]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn of_large_traces_only_what_differs_is_shown() {
    let a = fixture::large(A, start(), 3_000);
    let mut b = fixture::large(B, start(), 3_000);
    for event in &mut b {
        if event["span_id"] == fixture::span_id("s1503") && event["event_type"] == "tool.result" {
            event["raw"] = serde_json::json!({ "result": "something else" });
        }
    }
    let dir = written(&[a, b].concat());
    let output = rollout(dir.path(), &["diff", A, B]);
    insta::assert_snapshot!("diff_large", text(&output.stdout));
}

#[test]
fn captured_text_cannot_speak_to_the_terminal() {
    let name = "\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}evil";
    let trace = |id: &str, output: &str| {
        let mut trace = fixture::Recorder::new(id, name, start(), &Value::String(name.into()));
        trace.span(&fixture::Span {
            id: "root",
            kind: name,
            name,
            took_us: Some(10),
            status: "error",
            raw: serde_json::json!({ "input": { name: name }, "output": format!("{output}{name}") }),
            error: serde_json::json!({ "type": name, "message_preview": format!("{name}{output}") }),
            ..fixture::Span::default()
        });
        trace.into_events()
    };
    let dir = written(&[trace(A, "a"), trace(B, "b")].concat());
    for words in [&["diff", A, B][..], &["stats"]] {
        let said = text(&rollout(dir.path(), words).stdout);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(said.contains("evil") && !said.contains(bad), "{said:?}");
    }
}

#[test]
fn traces_are_counted() {
    let mut events = Vec::new();
    for at in 0..40_i64 {
        let began = start() + (at * at).minutes();
        let id = format!("{at:032x}");
        let other = format!("{:032x}", at + 1000);
        let (a, b) = support_runs(&id, &other, began);
        events.extend(if at % 5 == 0 { a } else { b });
        if at % 3 == 0 {
            events.extend(fixture::large(&format!("large-{at}"), began, 12));
        }
    }
    let dir = written(&events);
    insta::assert_snapshot!("stats", text(&rollout(dir.path(), &["stats"]).stdout));
    let failed = text(&rollout(dir.path(), &["stats", "status:error", "--top", "1"]).stdout);
    assert!(failed.starts_with("8 traces"), "{failed}");
    let json: Value =
        serde_json::from_slice(&rollout(dir.path(), &["stats", "--json"]).stdout).expect("JSON");
    assert_eq!(json["chart"]["total"]["traces"], 54);
    assert_eq!(json["by"]["name"][0]["value"], "support_agent");
    assert_eq!(json["by"]["model"][0]["traces"], 40);
    let none = rollout(dir.path(), &["stats", "user:nobody"]);
    assert!(none.status.success() && none.stdout.is_empty());
    assert!(text(&none.stderr).contains("no trace in"));
}
