//! What goes out by OTLP and into our own server is there what it is when it comes by our own protocol.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use rollout::{
    ExporterKind, Message, SendTraced as _, SpanUpdate, TraceUpdate, Usage, agent, span, tool,
};
use rollout_tests::DEADLINE;
use rollout_tests::events::builder;
use rollout_tests::model::{Script, serve};
use rollout_tests::server::TestServer;
use serde_json::{Map, Value, json};

#[tool(tool_call_id = "call_1")]
fn lookup(order: u32) -> Result<&'static str, String> {
    match order {
        1 => Ok("on its way"),
        order => Err(format!("no order {order}")),
    }
}

#[span(type = "rerank", attributes(depth = 3))]
fn rerank(names: &[&str]) -> Vec<String> {
    names.iter().rev().map(|name| (*name).to_owned()).collect()
}

#[agent(name = "inner_agent")]
async fn inner() -> u32 {
    1
}

#[agent(
    name = "outer_agent",
    user_id = "bob",
    session_id = "s-1",
    conversation_id = "c-1",
    tags = ["a", "b"]
)]
async fn outer(question: String, url: String) -> Value {
    let trace = rollout::current_trace().unwrap();
    trace.message(Message::user(&question));
    lookup(1).unwrap();
    lookup(2).unwrap_err();
    rerank(&["x", "y"]);
    let request = json!({
        "model": "gpt-4.1", "temperature": 0.5, "max_tokens": 9,
        "messages": [{ "role": "user", "content": question }],
        "tools": [{ "type": "function", "function": { "name": "lookup" } }],
    });
    let chat = reqwest::Client::new().post(format!("{url}/v1/chat/completions"));
    chat.json(&request)
        .send_traced()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    inner().await;
    drop(Box::pin(never()));
    {
        use futures::FutureExt as _;
        assert!(Box::pin(never()).now_or_never().is_none());
    }
    rollout::update_current_span(SpanUpdate::new().metadata("own", "yes").usage(Usage {
        cost_usd: Some(0.5),
        ..Usage::default()
    }));
    rollout::update_current_trace(TraceUpdate::new().metadata("plan", "gold").tag("late"));
    rollout::feedback("rating", &json!({ "stars": 5 }));
    rollout::signal("copied", &true);
    trace.message(Message::assistant("Here.").internal());
    json!({ "answer": "Here." })
}

/// Is given up while it runs.
#[rollout::task]
async fn never() {
    std::future::pending::<()>().await;
}

/// The members of an object that are compared.
fn only(object: &Value, names: &[&str]) -> Value {
    let members = names
        .iter()
        .map(|name| ((*name).to_owned(), object[*name].clone()));
    Value::Object(members.collect::<Map<_, _>>())
}

#[test]
fn the_trace_is_the_same() {
    let (ours, theirs) = (TestServer::start(), TestServer::start());
    let dir = tempfile::tempdir().unwrap();
    let guard = builder()
        .dir(dir.path())
        .exporters([ExporterKind::Http, ExporterKind::Otlp])
        .endpoint(ours.url(""))
        .otlp_endpoint(theirs.url(""))
        .service_name("shop")
        .release("1.2.3")
        .environment("staging")
        .init()
        .unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let answer = json!({
            "id": "chatcmpl-1", "model": "gpt-4.1-2025-04-14",
            "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Here." } }],
            "usage": { "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "cost": 0.25,
                "prompt_tokens_details": { "cached_tokens": 16 } },
        });
        let url = format!("http://{}", serve(Script::Json(200, answer)).await);
        outer("Where?".to_owned(), url).await
    });
    let report = guard.blocking_flush(DEADLINE).unwrap();
    assert!(report.is_complete(), "{report:?}");

    let traces = ours.trace_ids();
    assert_eq!(traces.len(), 2);
    assert_eq!(theirs.trace_ids(), traces);
    for id in &traces {
        assert_eq!(theirs.tree(id), ours.tree(id));
        let path = format!("/api/v1/traces/{id}");
        let (ours_trace, theirs_trace) = (ours.get_json(&path), theirs.get_json(&path));
        let compared = [
            "name",
            "status",
            "started_at",
            "duration_ms",
            "span_count",
            "error_count",
            "usage",
            "cost_usd",
            "user_id",
            "session_id",
            "conversation_id",
            "input",
            "output",
            "links",
        ];
        assert_eq!(only(&theirs_trace, &compared), only(&ours_trace, &compared));
        let tags = |trace: &Value| {
            let mut tags: Vec<String> =
                serde_json::from_value(trace["tags"].clone()).unwrap_or_default();
            tags.sort();
            tags
        };
        assert_eq!(tags(&theirs_trace), tags(&ours_trace));
        for (name, value) in ours_trace["metadata"].as_object().unwrap() {
            assert_eq!(
                &theirs_trace["metadata"][name], value,
                "{name} of the trace"
            );
        }
        let said = |trace: &Value, list: &str| -> Vec<Value> {
            let of = trace[list].as_array().cloned().unwrap_or_default();
            of.iter()
                .map(|one| {
                    only(
                        one,
                        &[
                            "role",
                            "content",
                            "tool_call_id",
                            "is_internal",
                            "name",
                            "value",
                            "event_type",
                            "at",
                            "occurred_at",
                        ],
                    )
                })
                .collect()
        };
        for list in ["messages", "feedback", "signals"] {
            assert_eq!(said(&theirs_trace, list), said(&ours_trace, list), "{list}");
        }
        for span in ours.spans(id) {
            let path = format!("{path}/spans/{}", span["span_id"].as_str().unwrap());
            let (ours, theirs) = (ours.get_json(&path), theirs.get_json(&path));
            let compared = [
                "type",
                "name",
                "status",
                "started_at",
                "duration_ms",
                "model",
                "provider",
                "usage",
                "cost_usd",
                "input",
                "output",
                "error",
                "parent_span_id",
                "code",
                "tool_call_id",
            ];
            assert_eq!(
                only(&theirs, &compared),
                only(&ours, &compared),
                "{}",
                ours["name"]
            );
            let but_for = ["rollout.provider_usage"];
            let missing: Vec<_> = ours["attributes"]
                .as_object()
                .unwrap()
                .iter()
                .filter(|(name, value)| {
                    !but_for.contains(&name.as_str())
                        && theirs["attributes"][name.as_str()] != **value
                })
                .map(|(name, value)| (name, value, &theirs["attributes"][name.as_str()]))
                .collect();
            assert!(missing.is_empty(), "{missing:?} of {}", ours["name"]);
        }
    }
}
