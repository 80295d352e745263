//! Events out, and in again: nothing is lost.

use std::{collections::BTreeSet, fs, io::Write as _, process::Command};

use flate2::{Compression, write::GzEncoder};
use rollout_tests::{fixture, workspace};
use serde_json::{Value, json};

use crate::{Dir, assert_same};

/// A rollout of a training run, with turns and scores.
fn rollout() -> Vec<Value> {
    let event = |id: &str, kind: &str, at: u8, more: Value| {
        let mut event = json!({
            "event_id": id, "event_type": kind, "trace_id": "rollout", "occurred_at": format!("2026-11-20T23:15:{at:02}Z"),
        });
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        event
    };
    vec![
        event(
            "r1",
            "trace.start",
            0,
            json!({
                "name": "solve", "links": { "run_id": "run_1" }, "attributes": {
                    "rollout.run.phase": "train", "rollout.run.step_number": 7, "rollout.run.datapoint_id": "d",
                    "rollout.run.env_name": "math", "rollout.run.group_id": "g", "rollout.run.sample_index": 3,
                },
            }),
        ),
        event(
            "r2",
            "message",
            1,
            json!({
                "message": { "role": "user", "content": "2 + 2?" },
                "attributes": { "rollout.turn_index": 0, "rollout.intra_index": 0 },
            }),
        ),
        event(
            "r3",
            "message",
            2,
            json!({
                "message": { "role": "assistant", "content": "4" },
                "attributes": { "rollout.turn_index": 1, "rollout.intra_index": 0 },
            }),
        ),
        event(
            "r4",
            "eval.result",
            3,
            json!({
                "name": "exact", "outcome": { "eval_score": 1.0, "success": true },
            }),
        ),
        event("r5", "trace.end", 4, json!({ "status": "COMPLETED" })),
    ]
}

/// Traces of every shape that there is a fixture for.
fn fixtures() -> Vec<Value> {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let mut events = fixture::support_agent("0af7651916cd43dd8448eb211c80319c", start);
    events.extend(fixture::running("running", start));
    events.extend(fixture::large("large", start, 300));
    events.extend(fixture::hostile("hostile", start));
    events.extend(rollout());
    let mut files: Vec<_> = fs::read_dir(workspace().join("tests/wire"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    files.sort();
    for file in files {
        let batch: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        events.extend(batch["events"].as_array().unwrap().iter().cloned());
    }
    events
}

#[test]
fn another_store_gives_the_same_answers() {
    let from = Dir::with(&fixtures());
    let exported = from.export(&["--format", "ndjson"]);
    let to = Dir::new();
    let (taken, said) = to.import(&exported);
    assert_eq!(
        taken,
        format!("{} events taken\n", exported.lines().count())
    );
    assert_eq!(said, "");
    assert_same(&from.answers(), &to.answers());
}

#[test]
fn what_is_told_again_is_the_same() {
    let from = Dir::with(&fixtures());
    let (before, exported) = (from.answers(), from.export(&["--format", "ndjson"]));
    // Whoever has it takes nothing twice, the first store included.
    from.import(&exported);
    assert_same(&before, &from.answers());
    let to = Dir::new();
    to.import(&exported);
    to.import(&exported);
    assert_same(&before, &to.answers());
    let again = to.export(&["--format", "ndjson"]);
    let left: BTreeSet<&str> = exported.lines().collect();
    let right: BTreeSet<&str> = again.lines().collect();
    let changed: Vec<_> = left.symmetric_difference(&right).collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

#[test]
fn a_trace_that_goes_on_is_taken_up_where_it_was() {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let from = Dir::with(&fixture::running("running", start));
    let to = Dir::new();
    to.import(from.export(&["--format", "ndjson"]));
    assert_eq!(to.answers()[0]["row"]["status"], "running");
    from.take(&fixture::rest_of_running("running", start), None);
    to.import(from.export(&["--format", "ndjson"]));
    assert_same(&from.answers(), &to.answers());
    assert_ne!(to.answers()[0]["row"]["status"], "running");
}

#[test]
fn what_was_interrupted_stays_so() {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let from = Dir::new();
    let store = from.take(&fixture::running("running", start), Some("a process"));
    store.writer_gone("a process").wait().unwrap();
    drop(store);
    let to = Dir::new();
    to.import(from.export(&["--format", "ndjson"]));
    assert_eq!(to.answers()[0]["row"]["status"], "interrupted");
    assert_same(&from.answers(), &to.answers());
}

#[test]
fn compressed_files_are_known_by_what_is_in_them() {
    let from = Dir::with(&fixtures());
    let exported = from.export(&["--format", "ndjson"]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(exported.as_bytes()).unwrap();
    for compressed in [
        gzip.finish().unwrap(),
        zstd::encode_all(exported.as_bytes(), 3).unwrap(),
    ] {
        let to = Dir::new();
        to.import(compressed);
        assert_same(&from.answers(), &to.answers());
    }
}

#[test]
fn traces_are_chosen_by_filter_score_and_number() {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let mut events = fixture::support_agent("a", start);
    events.extend(fixture::support_agent("b", start));
    events.extend(fixture::running("c", start));
    for (trace, grader, score) in [
        ("a", "exact", 0.9),
        ("a", "style", 0.4),
        ("b", "exact", 0.2),
    ] {
        events.push(json!({
            "event_id": format!("{trace}_{grader}"), "event_type": "eval.result", "trace_id": trace, "name": grader,
            "occurred_at": "2026-11-20T23:15:00Z", "outcome": { "eval_score": score },
        }));
    }
    let dir = Dir::with(&events);
    let traces = |words: &[&str]| {
        let exported = dir.export(&[&["--format", "ndjson"], words].concat());
        let ids = exported.lines().map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["trace_id"].as_str().unwrap().to_owned()
        });
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids.dedup();
        ids.join(" ")
    };
    assert_eq!(traces(&[]), "a b c");
    assert_eq!(traces(&["status:running"]), "c");
    assert_eq!(traces(&["--min-score", "0.2"]), "a b");
    assert_eq!(traces(&["--min-score", "0.3"]), "a");
    assert_eq!(traces(&["--min-score", "exact=0.5"]), "a");
    assert_eq!(
        traces(&["--min-score", "exact=0.5", "--min-score", "style=0.5"]),
        ""
    );
    assert_eq!(traces(&["-n", "2"]).split(' ').count(), 2);
}

#[test]
fn a_file_is_written_where_it_is_asked_for() {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let dir = Dir::with(&fixture::support_agent("a", start));
    let file = dir.path().join("out.ndjson");
    let (printed, said) =
        dir.succeed(&["export", "--format", "ndjson", "-o", file.to_str().unwrap()]);
    assert_eq!(
        (printed.as_str(), said.as_str()),
        ("", "1 traces written\n")
    );
    assert_eq!(
        fs::read_to_string(file).unwrap(),
        dir.export(&["--format", "ndjson"])
    );
}

#[test]
fn what_is_written_and_said_of_it() {
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let dir = Dir::with(&fixture::running("0af7651916cd43dd8448eb211c80319c", start));
    insta::assert_snapshot!("ndjson", dir.export(&["--format", "ndjson"]));
    let help = |command| {
        let mut rollout = Command::new(env!("CARGO_BIN_EXE_rollout"));
        rollout.args([command, "--help"]).env_remove("ROLLOUT_DIR");
        String::from_utf8(rollout.output().unwrap().stdout).unwrap()
    };
    insta::assert_snapshot!("export_help", help("export"));
    insta::assert_snapshot!("import_help", help("import"));
}
