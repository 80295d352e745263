//! Arize Phoenix, by the GraphQL that its own pages ask.

use serde_json::{Value, json};

use super::shown::{Failure, Span, Trace, numbers, text};
pub(crate) use rollout_tests::phoenix::start;
use rollout_tests::service::Service;

const TRACE: &str = "query($id: String!) { trace: getTraceByOtelId(traceId: $id) {
    userId session { sessionId tokenUsage { prompt completion } } rootSpan { name }
    spans(first: 1000) { edges { node {
        spanId parentId name spanKind statusCode statusMessage userId attributes metadata numDocuments
        tokenCountPrompt tokenCountCompletion tokenCountTotal
        cumulativeTokenCountPrompt cumulativeTokenCountCompletion tokenPromptDetails { cacheRead cacheWrite }
        input { value mimeType } output { value mimeType } events { name message attributes }
    } } }
} }";

/// What it has of a trace, as it says it; nothing if it has no such trace.
pub(crate) fn trace(service: &Service, trace_id: &str) -> Option<Value> {
    let answer = service.post(
        "/graphql",
        &json!({ "query": TRACE, "variables": { "id": trace_id } }),
    );
    assert_eq!(answer.get("errors"), None, "{answer:#}");
    let trace = &answer["data"]["trace"];
    (!trace.is_null()).then(|| trace.clone())
}

/// Its spans, as it says them.
pub(crate) fn spans(trace: &Value) -> Vec<Value> {
    let edges = trace["spans"]["edges"].as_array().unwrap();
    edges
        .iter()
        .map(|edge| {
            let mut span = edge["node"].clone();
            // JSON within JSON.
            for name in ["attributes", "metadata"] {
                if let Some(inner) = span[name].as_str() {
                    span[name] = serde_json::from_str(inner).unwrap();
                }
            }
            span
        })
        .collect()
}

/// A trace as it shows it.
pub(crate) fn shown(trace: &Value) -> Trace {
    let spans = spans(trace).into_iter();
    Trace {
        user: text(trace, "/userId"),
        session: text(trace, "/session/sessionId"),
        spans: spans
            .map(|node| (text(&node, "/spanId").unwrap(), span(&node)))
            .collect(),
    }
}

fn span(node: &Value) -> Span {
    Span {
        parent: text(node, "/parentId"),
        kind: match node["spanKind"].as_str().unwrap() {
            "chain" => "task",
            "retriever" => "retrieval",
            kind => kind,
        }
        .to_owned(),
        name: text(node, "/name").unwrap(),
        input: content(&node["input"]),
        output: content(&node["output"]),
        model: ["llm", "embedding"]
            .iter()
            .find_map(|side| text(node, &format!("/attributes/{side}/model_name"))),
        provider: text(node, "/attributes/llm/provider"),
        usage: numbers(
            node,
            &[
                ("input", "/tokenCountPrompt"),
                ("output", "/tokenCountCompletion"),
                ("total", "/tokenCountTotal"),
                ("cache_read", "/tokenPromptDetails/cacheRead"),
                ("cache_write", "/tokenPromptDetails/cacheWrite"),
            ],
        ),
        error: (node["statusCode"] == "ERROR").then(|| failure(node)),
    }
}

/// What is shown as JSON, read.
fn content(content: &Value) -> Value {
    match content["value"].as_str() {
        Some(text) if content["mimeType"] == "json" => serde_json::from_str(text).unwrap(),
        _ => content["value"].clone(),
    }
}

fn failure(node: &Value) -> Failure {
    let events = node["events"].as_array().unwrap();
    let exceptions: Vec<_> = events.iter().filter(|e| e["name"] == "exception").collect();
    assert_eq!(exceptions.len(), 1, "{node:#}");
    assert_eq!(exceptions[0]["message"], node["statusMessage"], "{node:#}");
    Failure {
        class: text(&exceptions[0]["attributes"], "/exception.type").unwrap(),
        message: text(node, "/statusMessage").unwrap(),
    }
}
