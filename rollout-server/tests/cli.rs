//! The commands of the binary as a person types them, on a directory with no server running.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use jiff::Timestamp;
use rollout_tests::{fixture, server::TestServer};
use serde_json::Value;
use tempfile::TempDir;

/// A directory that a program has written to.
struct Written {
    dir: TempDir,
    segment: PathBuf,
    /// Held while the program lives.
    lock: File,
}

impl Written {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let writer = dir.path().join("spool/20261121T012252.123456Z-1-a");
        fs::create_dir_all(&writer).expect("the writer's folder");
        let lock = File::create(writer.join("lock")).expect("the lock");
        lock.lock().expect("it is free");
        Self {
            segment: writer.join("00000001.ndjson"),
            dir,
            lock,
        }
    }

    fn write(&self, events: &[Value]) {
        let lines: Vec<_> = events.iter().map(Value::to_string).collect();
        let segment = File::options()
            .create(true)
            .append(true)
            .open(&self.segment);
        segment
            .and_then(|mut segment| writeln!(segment, "{}", lines.join("\n")))
            .expect("it is written");
    }

    /// The program is gone.
    fn die(&self) {
        self.lock.unlock().expect("it was locked");
    }

    fn rollout(&self, words: &[&str]) -> Command {
        rollout(self.dir.path(), words)
    }

    fn stdout(&self, words: &[&str]) -> String {
        let output = self.rollout(words).output().expect("it runs");
        assert!(output.status.success(), "{words:?}: {}", err(&output));
        String::from_utf8(output.stdout).expect("it is text")
    }
}

fn rollout(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollout"));
    command
        .args(words)
        .env("ROLLOUT_DIR", dir)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE");
    command
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn start() -> Timestamp {
    "2026-11-20T23:14:20.222640Z".parse().expect("a time")
}

#[test]
fn a_trace_is_shown_as_a_tree() {
    let written = Written::new();
    written.write(&fixture::support_agent(
        "0af7651916cd43dd8448eb211c80319c",
        start(),
    ));
    insta::assert_snapshot!("tree", written.stdout(&["show", "last"]));
    // By the beginning of its id.
    let again = written.stdout(&["show", "0af76"]);
    assert_eq!(again, written.stdout(&["show", "last"]));
}

#[test]
fn traces_are_listed() {
    let written = Written::new();
    written.write(&fixture::support_agent(
        "0af7651916cd43dd8448eb211c80319c",
        start(),
    ));
    written.write(&fixture::large(
        "trace-large",
        start() + jiff::Span::new().minutes(1),
        40,
    ));
    insta::assert_snapshot!("list", written.stdout(&["ls"]));
    let failed = written.stdout(&["ls", "status:error"]);
    assert!(
        failed.contains("support_agent") && !failed.contains("research_team"),
        "{failed}"
    );
    let json: Value =
        serde_json::from_str(&written.stdout(&["ls", "--json", "-n", "1"])).expect("JSON");
    assert_eq!(json["traces"][0]["name"], "research_team");
    assert!(json["next_cursor"].is_string());
}

#[test]
fn json_has_the_shapes_of_the_query_api() {
    let written = Written::new();
    written.write(&fixture::support_agent("trace-a", start()));
    let json: Value =
        serde_json::from_str(&written.stdout(&["show", "trace-a", "--json"])).expect("JSON");
    assert_eq!(json["trace_id"], "trace-a");
    let spans = json["spans"].as_array().expect("spans");
    assert_eq!(spans.len(), 7);
    assert_eq!(spans[4]["name"], "lookup_order");
    assert_eq!(spans[4]["output"]["state"], "delayed");
    assert_eq!(spans[4]["code"]["line"], 84);
}

#[test]
fn what_a_dead_program_left_open_is_interrupted() {
    let written = Written::new();
    written.write(&fixture::running("trace-a", start()));
    assert!(
        written
            .stdout(&["show", "last"])
            .contains("● llm chat  running")
    );
    written.die();
    let tree = written.stdout(&["show", "last"]);
    assert!(tree.contains("◌ llm chat  interrupted"), "{tree}");
    assert!(tree.contains("its process is gone"), "{tree}");
}

#[test]
fn captured_text_cannot_speak_to_the_terminal() {
    let written = Written::new();
    let name = "\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}evil";
    let mut trace = fixture::Recorder::new("trace-a", name, start(), &Value::String(name.into()));
    trace.span(&fixture::Span {
        id: "root",
        kind: "agent",
        name,
        took_us: Some(10),
        status: "error",
        raw: serde_json::json!({ "input": { name: name }, "output": name }),
        error: serde_json::json!({ "type": name, "message_preview": name }),
        ..fixture::Span::default()
    });
    written.write(&trace.into_events());
    for words in [&["ls"][..], &["show", "last"]] {
        let text = written.stdout(words);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(text.contains("evil") && !text.contains(bad), "{text:?}");
    }
}

#[test]
fn colours_are_for_terminals() {
    let written = Written::new();
    written.write(&fixture::support_agent("trace-a", start()));
    let coloured = |name: &str| {
        let output = written.rollout(&["show", "last"]).env(name, "1").output();
        output.expect("it runs").stdout.contains(&0x1b)
    };
    assert!(coloured("CLICOLOR_FORCE"), "they can be asked for");
    assert!(!coloured("TERM"), "a pipe is no terminal");
    assert!(!coloured("NO_COLOR"));
}

#[test]
fn nothing_to_show_is_said_in_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let nowhere = dir.path().join("nowhere");
    for words in [&["ls"][..], &["show", "last"], &["tail"]] {
        let output = rollout(&nowhere, words).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(output.stdout.is_empty());
        assert!(
            err(&output).contains("nothing is recorded here"),
            "{}",
            err(&output)
        );
        assert!(!nowhere.exists(), "looking leaves nothing behind");
    }
    let output = rollout(dir.path(), &["ls"]).output().expect("it runs");
    assert!(output.status.success());
    assert!(
        err(&output).contains("no trace is recorded"),
        "{}",
        err(&output)
    );
    let written = Written::new();
    written.write(&fixture::running("trace-a", start()));
    written.write(&fixture::running("trace-b", start()));
    for (words, told) in [
        (&["show", "x"][..], "no trace in"),
        (&["show", "trace-"], "several traces"),
        (&["ls", "colour:red"], "colour"),
    ] {
        let output = written.rollout(words).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(err(&output).contains(told), "{words:?}: {}", err(&output));
    }
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let written = Written::new();
    written.write(&fixture::large("trace-a", start(), 900));
    let mut child = written
        .rollout(&["show", "last"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(err(&output), "");
}

#[test]
fn tail_follows_what_happens() {
    let written = Written::new();
    written.write(&fixture::support_agent("trace-old", start()));
    let mut child = written
        .rollout(&["tail"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut said = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let following = said.next().expect("a line").expect("text");
    assert!(following.starts_with("following"), "{following}");

    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut until = |end: &str| {
        let mut text = String::new();
        loop {
            let line = lines.next().expect("a line").expect("text");
            text.push_str(&line);
            text.push('\n');
            if line.contains(end) {
                return text;
            }
        }
    };
    written.write(&fixture::running("trace-new", start()));
    let begun = until("llm chat");
    written.write(&fixture::rest_of_running("trace-new", start()));
    let ended = until("stream_answer  ok");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    insta::assert_snapshot!("tail", format!("{begun}{ended}"));
}

#[test]
fn drain_sends_what_is_left() {
    let dir = tempfile::tempdir().expect("a folder");
    let closed = {
        let server = TestServer::start();
        server.url("")
    };
    let client = rollout::builder()
        .dir(dir.path())
        .endpoint(closed.as_str())
        .build()
        .expect("a client");
    for _ in 0..10 {
        client.trace("run").in_scope(|_| ());
    }
    let report = client
        .blocking_shutdown(Duration::from_millis(1))
        .expect("a report");
    assert_eq!(report.spooled, 20);
    let drain = |endpoint: &str, timeout: &str| {
        let mut command = rollout(dir.path(), &["drain", "--timeout", timeout]);
        command
            .env("ROLLOUT_DIR", dir.path())
            .env("ROLLOUT_ENDPOINT", endpoint);
        let output = command.output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (
            output.status.success(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (ok, said, complaint) = drain(&closed, "1");
    assert!(!ok && said == "0 events sent\n", "{said}{complaint}");
    assert!(
        complaint.contains("the rest stays in the spool"),
        "{complaint}"
    );
    let server = TestServer::start();
    // What cannot be read is left, too.
    let segment = rollout_tests::events::segments(dir.path()).remove(0);
    let aside = dir.path().join("aside");
    std::fs::rename(&segment, &aside).expect("it moves");
    std::fs::create_dir(&segment).expect("a folder");
    let (ok, said, complaint) = drain(&server.url(""), "60");
    assert!(!ok && said == "0 events sent\n", "{said}{complaint}");
    assert!(complaint.contains("it stays there"), "{complaint}");
    std::fs::remove_dir(&segment).expect("it is empty");
    std::fs::rename(&aside, &segment).expect("it moves back");
    assert_eq!(server.trace_ids().len(), 0);
    let (ok, said, complaint) = drain(&server.url(""), "60");
    assert!(ok && said == "20 events sent\n", "{said}{complaint}");
    assert_eq!(server.trace_ids().len(), 10);
    let (ok, said, _) = drain(&server.url(""), "60");
    assert!(ok && said == "0 events sent\n", "{said}");
    // Without an address there is nowhere to send it.
    let (ok, _, complaint) = drain("", "1");
    assert!(!ok && complaint.contains("ROLLOUT_ENDPOINT"), "{complaint}");
}

#[test]
fn drain_sends_by_otlp_what_is_left_to_that() {
    let dir = tempfile::tempdir().expect("a folder");
    let closed = {
        let server = TestServer::start();
        server.url("")
    };
    let client = rollout::builder()
        .dir(dir.path())
        .otlp_endpoint(closed)
        .build()
        .expect("a client");
    client.trace("run").in_scope(|_| ());
    let report = client.blocking_shutdown(Duration::from_millis(1));
    assert_eq!(report.expect("a report").spooled, 2);
    let server = TestServer::start();
    let mut command = rollout(dir.path(), &["drain"]);
    command
        .env("ROLLOUT_DIR", dir.path())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", server.url(""));
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"2 events sent\n");
    assert_eq!(server.trace_ids().len(), 1);
}

#[test]
fn a_filter_is_the_same_everywhere_and_what_is_wrong_with_it_has_carets_under_it() {
    let written = Written::new();
    written.write(&fixture::support_agent(
        "0af7651916cd43dd8448eb211c80319c",
        start(),
    ));
    written.die();
    let listed = |words: &[&str]| {
        let listed = written.stdout(&[&["ls", "--json"], words].concat());
        let listed: Value = serde_json::from_str(&listed).expect("it is JSON");
        listed["traces"].as_array().expect("a list").len()
    };
    let name = written.stdout(&["ls", "--json"]);
    let name: Value = serde_json::from_str(&name).expect("it is JSON");
    let name = name["traces"][0]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    assert_eq!(listed(&[&format!("name:{name}"), "spans>1", "type:*"]), 1);
    assert_eq!(listed(&["--", &format!("-name:{name}")]), 0);
    assert_eq!(listed(&["--", "-name:a b,c d", "spans>1"]), 1);
    for command in ["ls", "tail", "runs"] {
        let output = written
            .rollout(&[command, "status:ok", "colour:dark red"])
            .output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(
            err(&output).contains("unknown filter key `colour`; keys are")
                && err(&output)
                    .ends_with("\n\n    status:ok colour:\"dark red\"\n              ^^^^^^\n"),
            "{command}: {}",
            err(&output)
        );
    }
}
