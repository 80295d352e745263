//! Servers of others, as they are to be had from PyPI: what a program has recorded is what they show.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

mod mlflow;
mod phoenix;
mod shown;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rollout_server::{ingest::sync_once, open_store};
use rollout_tests::model::{Script, events, serve};
use rollout_tests::program::{Program, command};
use rollout_tests::python::environment;
use rollout_tests::server::TestServer;
use rollout_tests::wait_until;
use serde_json::{Value, json};

use shown::{Span, Trace, recorded};

/// The Python of an environment with what a file beside this one lists.
fn python(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends");
    let requirements = here.join(format!("{name}.txt"));
    environment(name, &requirements, Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// What the model answers: a tool to call, and then words, in pieces.
fn script() -> Script {
    let call = json!({ "id": "call_1", "type": "function", "function": {
        "name": "lookup_order", "arguments": "{\"order\":7}" } });
    let asked = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4.1-2025-04-14",
        "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": null, "tool_calls": [call] } }],
        "usage": { "prompt_tokens": 50, "completion_tokens": 12, "total_tokens": 62,
            "prompt_tokens_details": { "cached_tokens": 20 },
            "completion_tokens_details": { "reasoning_tokens": 5 } },
    });
    let chunk = |delta: Value, finish: Value| {
        json!({ "id": "chatcmpl-2", "object": "chat.completion.chunk", "model": "gpt-4.1-2025-04-14",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
    };
    let said = [
        chunk(
            json!({ "role": "assistant", "content": "It is on " }),
            Value::Null,
        ),
        chunk(json!({ "content": "its way." }), json!("stop")),
        json!({ "id": "chatcmpl-2", "object": "chat.completion.chunk", "model": "gpt-4.1-2025-04-14", "choices": [],
            "usage": { "prompt_tokens": 80, "completion_tokens": 6, "total_tokens": 86 } }),
    ];
    let stream = events(&said) + "data: [DONE]\n\n";
    Script::in_turn(vec![Script::Json(200, asked), Script::Events(stream, 20)])
}

/// The traces of a program that has run, by their ids: what they are by its spool.
struct Run {
    /// Of the agent.
    support: (String, Trace),
    /// Of the one that it calls.
    review: (String, Trace),
}

/// Runs the program, with its traces going to an address.
fn run(endpoint: &str, headers: &str) -> Run {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let model = runtime.block_on(serve(script()));
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(env!("CARGO_BIN_EXE_shopkeeper"), dir.path());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
        .arg(model.to_string())
        .env("ROLLOUT_EXPORTERS", "local,otlp")
        .env("ROLLOUT_ENVIRONMENT", "staging")
        .env("OTEL_SERVICE_NAME", "shop")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_EXPORTER_OTLP_HEADERS", headers);
    let ended = Program::start(&mut command).end();
    assert!(ended.status.success(), "{ended:?}");

    let store = open_store(dir.path()).unwrap();
    sync_once(dir.path(), &store).unwrap();
    drop(store);
    let server = TestServer::start_in(dir.path(), &[]);
    let ids = server.trace_ids();
    let mut traces = ids.into_iter().map(|id| {
        let trace = recorded(&server, &id);
        (id, trace)
    });
    // The newest first.
    let review = traces.next().unwrap();
    let support = traces.next().unwrap();
    assert_eq!(traces.next(), None);
    assert_eq!(tree(&support.1), SUPPORT);
    assert_eq!(tree(&review.1), REVIEW);
    Run { support, review }
}

const SUPPORT: &str = "\
agent invoke_agent support
  llm chat gpt-4.1
  llm chat gpt-4.1
  task look_up
    embedding embeddings text-embedding-3-small
    retrieval search
      task rank
  tool execute_tool list_parcels
  tool execute_tool lookup_order
  tool execute_tool refund: the refund was refused
";

const REVIEW: &str = "\
agent invoke_agent review
  llm chat claude-sonnet-4-5
  llm chat house-model
";

/// The tree of a trace, siblings by their names.
fn tree(trace: &Trace) -> String {
    fn below(trace: &Trace, parent: Option<&str>, depth: usize, lines: &mut String) {
        let children = trace.spans.iter();
        let mut children: Vec<(&String, &Span)> = children
            .filter(|(_, span)| span.parent.as_deref() == parent)
            .collect();
        children.sort_by_key(|(_, span)| (&span.kind, &span.name));
        for (id, span) in children {
            let failed = span
                .error
                .as_ref()
                .map(|error| format!(": {}", error.message));
            let failed = failed.unwrap_or_default();
            let indent = "  ".repeat(depth);
            let _ = writeln!(lines, "{indent}{} {}{failed}", span.kind, span.name);
            below(trace, Some(id), depth + 1, lines);
        }
    }
    let mut lines = String::new();
    below(trace, None, 0, &mut lines);
    lines
}

/// The one span of that name.
fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let found: Vec<_> = spans.iter().filter(|span| span["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name}");
    found[0]
}

#[test]
fn phoenix_shows_what_was_recorded() {
    let Some(python) = python("phoenix") else {
        return;
    };
    let phoenix = phoenix::start(&python);
    let mut run = run(phoenix.url(), "");
    let spans = [&mut run.support.1, &mut run.review.1].into_iter();
    for span in spans.flat_map(|trace| trace.spans.values_mut()) {
        // It counts tokens of this kind only.
        if span.kind != "llm" {
            span.usage.clear();
        }
    }
    let [support, _] = [&run.support, &run.review].map(|(id, ours)| {
        // It answers before it stores.
        let trace = wait_until("the spans are stored", || {
            let trace = phoenix::trace(&phoenix, id)?;
            (phoenix::spans(&trace).len() == ours.spans.len()).then_some(trace)
        });
        phoenix::shown(&trace).must_be(ours);
        trace
    });

    assert_eq!(support["rootSpan"]["name"], "invoke_agent support");
    assert_eq!(
        support["session"]["tokenUsage"],
        json!({ "prompt": 130.0, "completion": 18.0 })
    );
    let spans = phoenix::spans(&support);
    for span in &spans {
        assert_eq!(span["userId"], "cus_7", "{span:#}");
        assert_eq!(span["attributes"]["session"]["id"], "chat_42", "{span:#}");
    }
    let agent = named(&spans, "invoke_agent support");
    assert_eq!(agent["attributes"]["tag"]["tags"], json!(["shop", "vip"]));
    assert_eq!(
        agent["metadata"],
        json!({ "plan": "pro", "channel": "web" })
    );
    // Its own and those below.
    assert_eq!(agent["cumulativeTokenCountPrompt"], 130.0);
    assert_eq!(agent["cumulativeTokenCountCompletion"], 18.0);

    let llm = |span: &Value| span["attributes"]["llm"].clone();
    let [asked, streamed] = [false, true].map(|stream| {
        let calls = spans.iter().filter(|span| span["spanKind"] == "llm");
        let mut calls = calls.filter(|span| {
            let answer = &span["attributes"]["llm"]["output_messages"][0]["message"];
            answer["content"].is_string() == stream
        });
        llm(calls.next().unwrap())
    });
    assert_eq!(
        asked["input_messages"],
        json!([
            { "message": { "role": "system",
                "content": "Answer from these: The fee of a late order is paid back." } },
            { "message": { "role": "user", "content": "Where is order 7?" } },
        ])
    );
    let call = json!({ "tool_call": { "id": "call_1",
        "function": { "name": "lookup_order", "arguments": "{\"order\":7}" } } });
    let said = json!({ "message": { "role": "assistant", "tool_calls": [call] } });
    assert_eq!(asked["output_messages"], json!([said]));
    let tool = asked["tools"][0]["tool"]["json_schema"].as_str().unwrap();
    assert!(tool.contains("Where an order is."), "{tool}");
    let options = asked["invocation_parameters"].as_str().unwrap();
    let options: Value = serde_json::from_str(options).unwrap();
    assert_eq!(
        (&options["temperature"], &options["max_tokens"]),
        (&json!(0.25), &json!(200))
    );
    assert_eq!(streamed["input_messages"][2], said);
    assert_eq!(
        streamed["input_messages"][3],
        json!({ "message": { "role": "tool", "tool_call_id": "call_1",
            "content": "7 is on its way; the refund was refused" } })
    );
    assert_eq!(
        streamed["output_messages"],
        json!([{ "message": { "role": "assistant", "content": "It is on its way." } }])
    );

    let found = named(&spans, "search");
    assert_eq!(found["numDocuments"], 2);
    assert_eq!(
        found["attributes"]["retrieval"]["documents"][0]["document"],
        json!({
            "id": "late",
            "content": "The fee of a late order is paid back.",
            "score": 0.875,
            "metadata": { "page": 3 },
        })
    );
    let tool = &named(&spans, "execute_tool lookup_order")["attributes"]["tool"];
    assert_eq!(
        *tool,
        json!({ "name": "lookup_order", "id": "call_1", "parameters": { "order": 7 } })
    );
    let refused = &named(&spans, "execute_tool refund")["events"][0]["attributes"];
    let causes = refused["exception.stacktrace"].as_str().unwrap();
    assert!(causes.contains("the card has expired"), "{causes}");
}

#[test]
fn mlflow_shows_what_was_recorded() {
    let Some(python) = python("mlflow") else {
        return;
    };
    let mlflow = mlflow::start(&python);
    let experiment = mlflow::experiment(&mlflow, "shop");
    let run = run(
        mlflow.url(),
        &format!("x-mlflow-experiment-id={experiment}"),
    );
    let [support, review] = [&run.support, &run.review].map(|(id, ours)| {
        let trace = mlflow::trace(&mlflow, &experiment, id).unwrap();
        mlflow::shown(&trace).must_be(ours);
        trace
    });
    assert_eq!(
        (&support["state"], &review["state"]),
        (&json!("OK"), &json!("OK"))
    );
    let tags = &support["tags"];
    let expected = [
        ("mlflow.traceName", "support"),
        ("shop", "true"),
        ("vip", "true"),
        ("plan", "pro"),
        ("channel", "web"),
        ("service.name", "shop"),
        ("deployment.environment.name", "staging"),
    ];
    for (name, value) in expected {
        assert_eq!(tags[name], value, "{tags:#}");
    }
    let sum = |trace: &Value, of: &str| -> Value {
        let sum = trace["trace_metadata"][of].as_str().unwrap();
        serde_json::from_str(sum).unwrap()
    };
    assert_eq!(
        sum(&support, "mlflow.trace.tokenUsage"),
        json!({ "input_tokens": 134, "output_tokens": 18, "total_tokens": 152, "cache_read_input_tokens": 20 })
    );
    assert_eq!(
        sum(&review, "mlflow.trace.tokenUsage"),
        json!({ "input_tokens": 154, "output_tokens": 9, "total_tokens": 163,
            "cache_read_input_tokens": 100, "cache_creation_input_tokens": 40 })
    );

    let spans = support["spans"].as_array().unwrap();
    let offers = |span: &&Value| span["attributes"]["mlflow.chat.tools"].is_array();
    let tools = &spans.iter().find(offers).unwrap()["attributes"]["mlflow.chat.tools"];
    assert_eq!(tools[0]["function"]["name"], "lookup_order");
    let refused = &named(spans, "execute_tool refund")["events"][0]["attributes"];
    let causes = refused["exception.stacktrace"].as_str().unwrap();
    assert!(causes.contains("the card has expired"), "{causes}");

    let spans = review["spans"].as_array().unwrap();
    let graded = named(spans, "chat house-model");
    assert_eq!(
        graded["attributes"]["mlflow.llm.cost"],
        json!({ "total_cost": 0.0125 })
    );
    // It was called from there.
    let (id, ours) = &run.support;
    let root = ours.spans.iter().find(|(_, span)| span.parent.is_none());
    let link = &named(spans, "invoke_agent review")["links"][0];
    assert_eq!(
        (&link["trace_id"], &link["span_id"]),
        (&json!(format!("tr-{id}")), &json!(root.unwrap().0))
    );
}
