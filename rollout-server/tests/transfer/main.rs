//! Traces that leave a store as a file, and come into another one.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

mod chat;
mod generated;
mod ndjson;
mod otlp;
#[cfg(feature = "parquet")]
mod parquet;
mod refused;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use rollout_core::event::Event;
use rollout_server::{
    open_store,
    query::{MAX_SPANS, MAX_TRACES, TraceQuery},
    store::{Origin, Store},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory with a store.
struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One in which these events are.
    fn with(events: &[Value]) -> Self {
        let dir = Self::new();
        dir.take(events, None);
        dir
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes events in; from a process of that name.
    fn take(&self, events: &[Value], writer: Option<&str>) -> Arc<dyn Store> {
        let store = open_store(self.path()).unwrap();
        let events: Vec<Event> = events
            .iter()
            .map(|event| serde_json::from_value(event.clone()).unwrap())
            .collect();
        let origin = Origin::Request(writer.map(str::to_owned));
        store.append(events, origin).wait().unwrap();
        store
    }

    fn rollout(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rollout"))
            .args(words)
            .env("ROLLOUT_DIR", self.path())
            .output()
            .unwrap()
    }

    /// What a command prints that succeeds, and what it says beside that.
    #[track_caller]
    fn succeed(&self, words: &[&str]) -> (String, String) {
        let output = self.rollout(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{words:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    }

    #[track_caller]
    fn export(&self, words: &[&str]) -> String {
        self.succeed(&[&["export"], words].concat()).0
    }

    /// A file of the test's own beside the store.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Takes in a text; returns what is said of it.
    #[track_caller]
    fn import(&self, content: impl AsRef<[u8]>) -> (String, String) {
        let file = self.file("import", content);
        self.succeed(&["import", file.to_str().unwrap()])
    }

    /// Everything that the query API answers: traces by their ids, each with its spans in the order of the tree.
    fn answers(&self) -> Vec<Value> {
        let store = open_store(self.path()).unwrap();
        let mut query = TraceQuery {
            limit: MAX_TRACES,
            ..TraceQuery::default()
        };
        let mut answers = Vec::new();
        loop {
            let page = store.traces(&query).unwrap();
            for trace in &page.traces {
                let detail = store.trace(&trace.trace_id).unwrap().unwrap();
                let spans = store.spans(&trace.trace_id, 0, MAX_SPANS).unwrap().unwrap();
                let spans: Vec<Value> = spans
                    .spans
                    .iter()
                    .map(|row| {
                        let detail = store.span(&trace.trace_id, &row.span_id).unwrap().unwrap();
                        json!({ "row": row, "detail": detail })
                    })
                    .collect();
                answers.push(json!({ "row": trace, "detail": detail, "spans": spans }));
            }
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        answers.sort_by_key(|answer| answer["row"]["trace_id"].to_string());
        answers
    }
}

/// The members of an answer that differ, by the way to them.
fn differences(at: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let null = &Value::Null;
                let (left, right) = (one.get(name), other.get(name));
                differences(
                    &format!("{at}.{name}"),
                    left.unwrap_or(null),
                    right.unwrap_or(null),
                    found,
                );
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (left, right)) in one.iter().zip(other).enumerate() {
                differences(&format!("{at}[{index}]"), left, right, found);
            }
        }
        _ if left != right => found.push(format!("{at}: {left} became {right}")),
        _ => {}
    }
}

#[track_caller]
fn assert_same(before: &[Value], after: &[Value]) {
    let mut found = Vec::new();
    differences("", &before.into(), &after.into(), &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
