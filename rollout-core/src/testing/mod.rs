//! Traces of one test: captured in memory, in parallel with other tests, as a tree to assert on.
//!
//! ```
//! use rollout_core::testing;
//!
//! let (answer, captured) = testing::capture(|| {
//!     let client = rollout_core::testing::client().expect("inside `capture` there is one");
//!     client.span("task").name("add").input((1, 2)).in_scope(|span| {
//!         span.record_output(&3);
//!         3
//!     })
//! });
//! assert_eq!(answer, 3);
//! let span = captured.span("add").expect("it was called");
//! assert_eq!(span.output, Some(3.into()));
//! assert_eq!(captured.tree(), "add\n  add [task] ok [1,2] -> 3\n");
//! ```

mod fold;

use std::fmt::Write as _;
use std::future::Future;
use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::config::SpoolKind;
use crate::context::{self, Context, Restore};
use crate::export::MemoryExporter;
use crate::span::TracedFuture as _;

/// How long the end of a capture waits for the worker.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs `body`, and captures every trace that begins inside it.
///
/// What it spawns is captured where it is carried along: see [`TracedFuture`](crate::TracedFuture),
/// [`spawn`](crate::spawn) and [`spawn_thread`](crate::spawn_thread). The environment's configuration has no say.
///
/// # Panics
///
/// Where the configuration in the environment or in `rollout.toml` cannot be read at all.
pub fn capture<R>(body: impl FnOnce() -> R) -> (R, Captured) {
    let (client, memory) = start();
    let restore = Restore::enter(inside(&client));
    let value = body();
    drop(restore);
    // A worker that does not answer has captured nothing, which the test will see.
    let _ = client.blocking_shutdown(TIMEOUT);
    (value, Captured::of(&memory))
}

/// Runs a future, and captures every trace that begins inside it; see [`capture`].
///
/// # Panics
///
/// As [`capture`].
pub async fn capture_async<F: Future>(future: F) -> (F::Output, Captured) {
    let (client, memory) = start();
    let restore = Restore::enter(inside(&client));
    let future = future.in_current_span();
    drop(restore);
    let value = future.await;
    let _ = client.shutdown().await;
    (value, Captured::of(&memory))
}

/// The client that records here: inside [`capture`], its own; else the global one.
pub fn client() -> Option<Client> {
    Client::find(context::client_of(context::current()))
}

fn inside(client: &Client) -> Context {
    Context {
        client: client.id(),
        ..Context::NONE
    }
}

#[expect(clippy::panic, reason = "a test that cannot capture must not pass")]
fn start() -> (Client, MemoryExporter) {
    let memory = MemoryExporter::new();
    let built = crate::builder()
        .enabled(true)
        .spool(SpoolKind::Memory)
        .exporters([])
        .exporter(Box::new(memory.clone()))
        .sample_rate(1.0)
        .export_sample_rate(1.0)
        .capture_input(true)
        .capture_output(true)
        .debug(false)
        .build();
    match built {
        Ok(client) => (client, memory),
        Err(error) => panic!("the traces of this test cannot be captured: {error}"),
    }
}

/// What one test has traced.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Captured {
    /// The traces, in the order in which they began.
    pub traces: Vec<CapturedTrace>,
    /// All events, as they go over the wire.
    pub events: Vec<Value>,
}

/// A trace.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CapturedTrace {
    /// 32 hex digits.
    pub trace_id: String,
    /// What it is called.
    pub name: String,
    /// `ok`, `error`, `cancelled`, a status of the program's own, or `running` where it did not end.
    pub status: String,
    /// What went in.
    pub input: Option<Value>,
    /// What came out.
    pub output: Option<Value>,
    /// Its error, where it failed.
    pub error: Option<CapturedError>,
    /// Whom it was for: the last `context` of its events.
    pub context: Value,
    /// Its attributes, those of the program and its place in the code included.
    pub attributes: serde_json::Map<String, Value>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its metadata.
    pub metadata: serde_json::Map<String, Value>,
    /// The trace and the span in which it began, where there was one.
    pub link: Option<(String, Option<String>)>,
    /// Spans at the top, in the order in which they began.
    pub spans: Vec<CapturedSpan>,
    /// Messages, feedback, signals and other moments, as they go over the wire.
    pub moments: Vec<Value>,
}

/// A span or tool call.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CapturedSpan {
    /// 16 hex digits.
    pub span_id: String,
    /// What it is called.
    pub name: String,
    /// `agent`, `llm`, `tool`, …
    pub span_type: String,
    /// `ok`, `error`, `cancelled`, a status of the program's own, or `running` where it did not end.
    pub status: String,
    /// What went in.
    pub input: Option<Value>,
    /// What came out.
    pub output: Option<Value>,
    /// Its error, where it failed.
    pub error: Option<CapturedError>,
    /// Its attributes, its place in the code included.
    pub attributes: serde_json::Map<String, Value>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its metadata.
    pub metadata: serde_json::Map<String, Value>,
    /// The wire's sections `model`, `usage` and `tool`, where they say anything.
    pub model: Value,
    /// Tokens and cost.
    pub usage: Value,
    /// The tool's name, call id and status.
    pub tool: Value,
    /// Spans inside it, in the order in which they began.
    pub children: Vec<CapturedSpan>,
}

/// Why something failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapturedError {
    /// The type of the error; `panic` where it was one.
    pub error_type: String,
    /// Its message.
    pub message: String,
    /// The messages of its sources, from the nearest on.
    pub chain: Vec<String>,
}

impl Captured {
    fn of(memory: &MemoryExporter) -> Self {
        let events = memory.events();
        Self {
            traces: fold::traces(&events),
            events,
        }
    }

    /// The first trace of this name.
    pub fn trace(&self, name: &str) -> Option<&CapturedTrace> {
        self.traces.iter().find(|trace| trace.name == name)
    }

    /// The first span of this name in any trace, depth first.
    pub fn span(&self, name: &str) -> Option<&CapturedSpan> {
        self.traces.iter().find_map(|trace| trace.span(name))
    }

    /// All traces as text, without anything that differs from run to run: a line for each trace, below it its spans,
    /// indented, with type, status, input, output and error.
    pub fn tree(&self) -> String {
        let mut text = String::new();
        for trace in &self.traces {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", trace.name);
            for span in &trace.spans {
                span.write(1, &mut text);
            }
        }
        text
    }
}

impl CapturedTrace {
    /// The first span of this name, depth first.
    pub fn span(&self, name: &str) -> Option<&CapturedSpan> {
        self.spans.iter().find_map(|span| span.find(name))
    }
}

impl CapturedSpan {
    /// This span or the first of this name inside it, depth first.
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    fn write(&self, depth: usize, text: &mut String) {
        let indent = "  ".repeat(depth);
        let _ = write!(
            text,
            "{indent}{} [{}] {}",
            self.name, self.span_type, self.status
        );
        if let Some(input) = &self.input {
            let _ = write!(text, " {input}");
        }
        if let Some(output) = &self.output {
            let _ = write!(text, " -> {output}");
        }
        if let Some(error) = &self.error {
            let _ = write!(text, " !! {}: {}", error.error_type, error.message);
            for source in &error.chain {
                let _ = write!(text, " <- {source}");
            }
        }
        text.push('\n');
        for child in &self.children {
            child.write(depth + 1, text);
        }
    }
}
