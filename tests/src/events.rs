//! Events as they came out: from a spool's files, from a memory exporter.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rollout::{Builder, Client, MemoryExporter, SpoolKind};
use serde_json::Value;

/// A builder that looks at nothing outside the test: no repository, no exporter but those that the test adds.
pub fn builder() -> Builder {
    rollout::builder()
        .git_repo("https://example.test/repository")
        .git_ref("0000000000000000000000000000000000000000")
}

/// A client that keeps its events in memory.
pub fn in_memory(configure: impl FnOnce(Builder) -> Builder) -> (Client, MemoryExporter) {
    let memory = MemoryExporter::new();
    let client = configure(builder().spool(SpoolKind::Memory))
        .exporter(Box::new(memory.clone()))
        .build()
        .expect("a client");
    (client, memory)
}

/// The events that a client with a memory exporter has recorded so far.
#[track_caller]
pub fn flushed(client: &Client, memory: &MemoryExporter) -> Vec<Value> {
    let report = client.blocking_flush(crate::DEADLINE).expect("a report");
    assert!(report.is_complete(), "{report:?}");
    memory.events()
}

/// Every whole line of every segment below `dir`, writers and segments in order.
pub fn spooled(dir: &Path) -> Vec<Value> {
    segments(dir)
        .iter()
        .flat_map(|path| whole_lines(&fs::read(path).expect("a segment")))
        .collect()
}

/// The same as it stands there.
pub fn spooled_text(dir: &Path) -> String {
    segments(dir)
        .iter()
        .map(|path| fs::read_to_string(path).expect("a segment"))
        .collect()
}

/// The segments of all writers below `dir`, writers and segments in order.
pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for writer in fs::read_dir(dir.join("spool")).into_iter().flatten() {
        let writer = writer.expect("an entry").path();
        for entry in fs::read_dir(&writer).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "ndjson") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What follows the last line break is torn, or not there yet.
fn whole_lines(text: &[u8]) -> Vec<Value> {
    let end = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |index| index + 1);
    text[..end]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
        .collect()
}

/// The text at a JSON pointer, or nothing.
pub fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The events of a type.
pub fn of_type<'a>(events: &'a [Value], event_type: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event_type"] == event_type)
        .collect()
}

/// The one event of a type and name.
#[track_caller]
pub fn the<'a>(events: &'a [Value], event_type: &str, name: &str) -> &'a Value {
    let found: Vec<_> = of_type(events, event_type)
        .into_iter()
        .filter(|event| event["name"] == name)
        .collect();
    assert_eq!(
        found.len(),
        1,
        "{event_type} {name:?} among {:#?}",
        events.iter().map(summary).collect::<Vec<_>>()
    );
    found[0]
}

/// An event in a few words, for a failed test to print.
pub fn summary(event: &Value) -> String {
    format!(
        "{} {} {}",
        text(event, "/event_type"),
        text(event, "/name"),
        text(event, "/status")
    )
}

/// How often each event id occurs.
pub fn ids(events: &[Value]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for event in events {
        *counts.entry(text(event, "/event_id")).or_default() += 1;
    }
    counts
}
