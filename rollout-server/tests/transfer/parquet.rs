//! A table that another reader reads.

use std::{path::Path, process::Command};

use rollout_tests::fixture;
use serde_json::{Value, json};

use crate::Dir;

#[test]
fn pyarrow_reads_the_table_with_the_right_types() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transfer");
    let Some(python) = rollout_tests::python::environment(
        "pyarrow",
        &here.join("requirements.txt"),
        Path::new(env!("CARGO_TARGET_TMPDIR")),
    ) else {
        return;
    };
    let start = "2026-11-20T23:14:20.222640Z".parse().unwrap();
    let mut events = fixture::support_agent("0af7651916cd43dd8448eb211c80319c", start);
    events.extend(fixture::running("running", start));
    // More than are encoded at once.
    events.extend(fixture::large("large", start, 2500));
    let dir = Dir::with(&events);
    let file = dir.path().join("spans.parquet");
    let file = file.to_str().unwrap();
    dir.succeed(&["export", "--format", "parquet", "-o", file]);
    let output =
        rollout_tests::program::succeed(Command::new(python).arg(here.join("read.py")).arg(file))
            .unwrap();
    let mut read: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = read["rows"].take();
    let rows = rows.as_array().unwrap();
    insta::assert_json_snapshot!("parquet_columns", read);

    let answers = dir.answers();
    let spans = || {
        answers
            .iter()
            .flat_map(|answer| answer["spans"].as_array().unwrap())
    };
    assert_eq!(rows.len(), spans().count());
    let text = |value: &Value| match value {
        Value::Null => Value::Null,
        value => value.to_string().into(),
    };
    for span in spans() {
        let (row, detail) = (&span["row"], &span["detail"]);
        let read = rows
            .iter()
            .find(|read| {
                (&read["span_id"], &read["trace_id"]) == (&row["span_id"], &detail["trace_id"])
            })
            .unwrap();
        for name in [
            "parent_span_id",
            "depth",
            "type",
            "name",
            "status",
            "duration_ms",
            "provider",
            "model",
            "cost_usd",
        ] {
            assert_eq!(read[name], row[name], "{name} of {row}");
        }
        for name in [
            "input_tokens",
            "output_tokens",
            "cached_tokens",
            "total_tokens",
        ] {
            assert_eq!(read[name], row["usage"][name], "{name} of {row}");
        }
        for name in ["input", "output"] {
            assert_eq!(
                read[name]
                    .as_str()
                    .map(|json| serde_json::from_str::<Value>(json).unwrap()),
                Some(detail[name].clone()).filter(|value| !value.is_null()),
                "{name} of {row}"
            );
        }
        assert_eq!(
            serde_json::from_str::<Value>(read["attributes"].as_str().unwrap()).unwrap(),
            detail["attributes"]
        );
        assert_eq!(read["code_line"], detail["code"]["line"]);
        let time = |value: &Value| {
            value
                .as_str()
                .map(|at| at.parse::<jiff::Timestamp>().unwrap())
        };
        assert_eq!(time(&read["started_at"]), time(&row["started_at"]));
        assert_eq!(time(&read["ended_at"]), time(&detail["ended_at"]));
        assert_eq!(text(&read["error_message"]), text(&row["error"]["message"]));
    }
    let root = rows
        .iter()
        .find(|read| read["name"] == "support_agent")
        .unwrap();
    assert_eq!(
        (&root["tags"], &root["trace_name"], &root["user_id"]),
        (&json!(["shop"]), &json!("support_agent"), &json!("cus_123"))
    );
}
