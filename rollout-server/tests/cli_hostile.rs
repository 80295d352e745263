//! What is captured reaches a terminal as words: nothing in it moves a cursor, sets a title, or turns text around.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so and fails"
)]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use rollout_tests::fixture;
use serde_json::{Value, json};

/// Sequences that terminals act upon, and characters that hide or turn what stands beside them.
const TEXTS: &[&str] = &[
    "\u{1b}]0;owned\u{7}title",
    "\u{1b}]8;;http://127.0.0.1:1/\u{1b}\\link\u{1b}]8;;\u{1b}\\",
    "\u{1b}]52;c;cm0gLXJm\u{7}clipboard",
    "\u{1b}[2J\u{1b}[Hcleared",
    "\u{1b}[31mred\u{1b}[8mhidden",
    "\u{9b}2Jcleared\u{9d}0;title\u{9c}",
    "\u{1b}P+q\u{1b}\\ \u{1b}_x\u{1b}\\ \u{1b}^y\u{1b}\\",
    "over\u{8}\u{8}\u{8}\u{8}\rwritten\u{b}\u{c}",
    "\u{202e}txt.exe\u{202c} \u{2066}a\u{2069} \u{200f}b\u{200e} \u{61c}c",
    "two\u{2028}lines\u{2029}or\u{85}three",
    "nul\0del\u{7f}bell\u{7}",
];

fn disguise(value: &mut Value, next: &mut usize) {
    match value {
        Value::String(text) => {
            *next += 1;
            TEXTS[*next % TEXTS.len()].clone_into(text);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| disguise(item, next)),
        Value::Object(members) => {
            let of_protocol = [
                "event_id",
                "trace_id",
                "span_id",
                "parent_span_id",
                "occurred_at",
                "started_at",
                "ended_at",
                "event_type",
                "schema_version",
            ];
            for (name, member) in members.iter_mut() {
                if !of_protocol.contains(&name.as_str()) {
                    disguise(member, next);
                }
            }
        }
        _ => {}
    }
}

/// A folder that a program has written to, and still does.
fn written() -> (tempfile::TempDir, File) {
    let dir = tempfile::tempdir().expect("a folder");
    let writer = dir.path().join("spool/20261121T012252.123456Z-1-a");
    fs::create_dir_all(&writer).expect("the writer's folder");
    let lock = File::create(writer.join("lock")).expect("the lock");
    lock.lock().expect("it is free");
    let mut next = 0;
    let mut lines = String::new();
    for (number, said) in TEXTS.iter().enumerate() {
        // Each text comes to each field.
        next += 1;
        let id = if number == 0 {
            "\u{1b}]0;id\u{7}\u{202e}".to_owned()
        } else {
            format!("trace-{number}")
        };
        for mut event in fixture::support_agent(&id, Timestamp::now()) {
            disguise(&mut event, &mut next);
            if event["event_type"] == "trace.start" {
                event["links"] = json!({ "run_id": said });
                event["attributes"]["rollout.run.datapoint_id"] = json!(said);
                event["attributes"]["rollout.run.phase"] = json!(said);
            }
            lines.push_str(&event.to_string());
            lines.push('\n');
        }
    }
    fs::write(writer.join("00000001.ndjson"), lines).expect("the segment");
    (dir, lock)
}

fn rollout(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollout"));
    command
        .args(words)
        .env("ROLLOUT_DIR", dir)
        .env_remove("NO_COLOR")
        .env("CLICOLOR_FORCE", "1");
    command
}

/// Text whose only control characters are line breaks and our own colours.
#[track_caller]
fn is_words(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("text");
    assert!(!text.is_empty(), "{what} says nothing");
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }) {
        let from = &rest[at..];
        let colour = from.strip_prefix("\u{1b}[").and_then(|style| {
            let end = style.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            style[end..].strip_prefix('m')
        });
        let around: String = from.chars().take(40).collect();
        rest = colour.unwrap_or_else(|| panic!("{what}: {around:?}"));
    }
    // Colours of the content are not colours of ours: what they were written with is gone.
    assert!(!text.contains("\u{1b}[8m"), "{what}");
}

#[test]
fn terminals_are_told_words_only() {
    let (dir, _lock) = written();
    let said = |words: &[&str]| {
        let output = rollout(dir.path(), words).output().expect("it runs");
        let name = words.join(" ");
        if !output.stderr.is_empty() {
            is_words(&format!("{name} on stderr"), &output.stderr);
        }
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        is_words(&name, &output.stdout);
        output.stdout
    };
    said(&["ls"]);
    let ids: Value = serde_json::from_slice(&{
        let output = rollout(dir.path(), &["ls", "--json"])
            .output()
            .expect("it runs");
        output.stdout
    })
    .expect("JSON");
    let traces = ids["traces"]
        .as_array()
        .or(ids.as_array())
        .expect("traces")
        .clone();
    assert_eq!(traces.len(), TEXTS.len());
    for trace in &traces {
        said(&["show", trace["trace_id"].as_str().expect("an id")]);
    }
    said(&["runs"]);
}

#[test]
fn errors_say_words_only() {
    let (dir, _lock) = written();
    for text in TEXTS {
        let text = text.replace('\0', "");
        for words in [
            vec!["show", text.as_str()],
            vec!["ls", text.as_str()],
            vec!["run", text.as_str()],
        ] {
            let output = rollout(dir.path(), &words).output().expect("it runs");
            for bytes in [&output.stdout, &output.stderr] {
                if !bytes.is_empty() {
                    is_words(&format!("{words:?}"), bytes);
                }
            }
        }
    }
}

#[test]
fn what_passes_by_is_words_too() {
    let (dir, _lock) = written();
    let mut tail = rollout(dir.path(), &["tail"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let lines = BufReader::new(tail.stdout.take().expect("its output"));
    let mut next = 0;
    let segment = dir
        .path()
        .join("spool/20261121T012252.123456Z-1-a/00000001.ndjson");
    let mut text = String::new();
    for mut event in fixture::support_agent("late", Timestamp::now()) {
        disguise(&mut event, &mut next);
        text.push_str(&event.to_string());
        text.push('\n');
    }
    // Only what is new is told, so it is written until some of it has been.
    let (send, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.split(b'\n') {
            let Ok(line) = line else { return };
            if send.send(line).is_err() {
                return;
            }
        }
    });
    let mut number = 0;
    let first = rollout_tests::wait_until("a line", || {
        number += 1;
        let fresh = text.replace("late", &format!("late-{number}"));
        File::options()
            .append(true)
            .open(&segment)
            .and_then(|mut segment| segment.write_all(fresh.as_bytes()))
            .expect("it is written");
        heard
            .recv_timeout(std::time::Duration::from_millis(300))
            .ok()
    });
    let mut said = vec![first];
    while said.len() < 8 {
        let Ok(line) = heard.recv_timeout(rollout_tests::DEADLINE) else {
            break;
        };
        said.push(line);
    }
    // A child of the test's own.
    let _ = tail.kill();
    let _ = tail.wait();
    assert!(said.len() >= 2, "{said:?}");
    for line in said {
        if !line.is_empty() {
            is_words("tail", &line);
        }
    }
}
