//! Files in which not all is good.

use std::process::{Command, Stdio};
use std::{io::Write as _, str};

use serde_json::{Value, json};

use crate::Dir;

fn event(id: &str) -> Value {
    json!({
        "event_id": id, "event_type": "span.end", "trace_id": "t", "span_id": id, "name": id,
        "occurred_at": "2026-11-20T23:15:00Z",
    })
}

#[test]
fn bad_lines_are_told_and_the_rest_is_taken() {
    let dir = Dir::new();
    let long = format!("{{\"event_id\":\"{}\"}}", "x".repeat(17 << 20));
    let nameless = json!({ "event_id": "n", "event_type": "span.end" });
    let spans = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [
        { "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00f067aa0ba902b7", "name": "good",
          "startTimeUnixNano": "1", "endTimeUnixNano": "2" },
        { "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "", "name": "bad" },
    ] }] }] });
    let file = dir.file(
        "lines",
        format!(
            "{}\nno json\n\n{}\r\n{{\"a\": 1}}\n{long}\n{nameless}\n{spans}\n{{\"resourceSpans\": 7}}\n{}",
            event("a"),
            event("b"),
            event("c"),
        ),
    );
    let output = dir.rollout(&["import", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(
        "refused",
        format!(
            "{}{}",
            str::from_utf8(&output.stdout).unwrap(),
            str::from_utf8(&output.stderr).unwrap()
        )
    );
    let answers = dir.answers();
    let names = |index: usize| -> Vec<&str> {
        let spans = answers[index]["spans"].as_array().unwrap();
        spans
            .iter()
            .map(|span| span["row"]["name"].as_str().unwrap())
            .collect()
    };
    assert_eq!((names(0), names(1)), (vec!["good"], vec!["a", "b", "c"]));
}

#[test]
fn a_file_that_breaks_off_is_taken_up_to_there() {
    let dir = Dir::new();
    let whole = format!("{}\n{}\n", event("a"), event("b"));
    let mut compressed = zstd::encode_all(whole.as_bytes(), 3).unwrap();
    // A second frame, which ends in the middle.
    let second = zstd::encode_all(event("c").to_string().repeat(1000).as_bytes(), 3).unwrap();
    compressed.extend(&second[..second.len() / 2]);
    let file = dir.file("broken", compressed);
    let output = dir.rollout(&["import", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot read on after line 2"), "{said}");
    assert_eq!(dir.answers()[0]["row"]["span_count"], 2);
}

#[test]
fn the_standard_input_is_read_and_batches_of_the_wire() {
    let dir = Dir::new();
    let mut import = Command::new(env!("CARGO_BIN_EXE_rollout"))
        .args(["import", "-"])
        .env("ROLLOUT_DIR", dir.path().join("new"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let batch = json!({
        "schema_version": "1.0", "batch_id": "b", "source": "test", "sent_at": "2026-11-20T23:15:00Z",
        "sdk": { "name": "test", "language": "rust" }, "events": [event("a"), event("b")],
    });
    let mut input = import.stdin.take().unwrap();
    write!(input, "{batch:#}").unwrap();
    drop(input);
    let output = import.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"2 events taken\n");
    assert!(output.status.success());
}

#[test]
fn a_missing_file_or_directory_is_said() {
    let dir = Dir::new();
    let output = dir.rollout(&["import", "/no/such/file"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot read /no/such/file"), "{said}");
    let output = dir.rollout(&["export", "--format", "ndjson", "--dir", "/no/such/dir"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("nothing is recorded here"), "{said}");
    let output = dir.rollout(&["export", "--format", "ndjson", "--min-score", "x=y"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`y` is no number"), "{said}");
}
