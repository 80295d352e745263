//! MLflow, by the REST API and what its own pages ask.

use std::path::Path;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::shown::{Failure, Span, Trace, numbers, text};
use rollout_tests::service::Service;

/// A server with an empty database that talks to nobody.
pub(crate) fn start(python: &Path) -> Service {
    let command = [
        "mlflow",
        "server",
        "--backend-store-uri",
        "sqlite:///mlflow.db",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--workers",
        "1",
    ];
    let service = Service::start(python, &command, |_| {
        [
            ("MLFLOW_DISABLE_TELEMETRY", "true"),
            ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
    });
    service.is_ready("/health");
    service
}

/// A new experiment, by its id.
pub(crate) fn experiment(service: &Service, name: &str) -> String {
    let made = service.post(
        "/api/2.0/mlflow/experiments/create",
        &json!({ "name": name }),
    );
    text(&made, "/experiment_id").unwrap()
}

/// What it has of a trace of an experiment, as it says it, with the spans; nothing if it has no such trace.
pub(crate) fn trace(service: &Service, experiment: &str, trace_id: &str) -> Option<Value> {
    let place = json!({
        "type": "MLFLOW_EXPERIMENT",
        "mlflow_experiment": { "experiment_id": experiment },
    });
    let found = service.post(
        "/api/3.0/mlflow/traces/search",
        &json!({ "locations": [place] }),
    );
    let id = format!("tr-{trace_id}");
    let traces = found["traces"].as_array()?;
    let mut trace = traces.iter().find(|trace| trace["trace_id"] == id)?.clone();
    let path = format!("/ajax-api/3.0/mlflow/get-trace-artifact?request_id={id}");
    trace["spans"] = service.get(&path)["spans"].clone();
    for span in trace["spans"].as_array_mut()? {
        // JSON within JSON.
        let attributes = span["attributes"].as_object()?;
        let read = |(name, value): (&String, &Value)| {
            let value = serde_json::from_str(value.as_str()?).ok()?;
            Some((name.clone(), value))
        };
        span["attributes"] = attributes
            .iter()
            .filter_map(read)
            .collect::<Map<_, _>>()
            .into();
    }
    Some(trace)
}

/// A trace as it shows it.
pub(crate) fn shown(trace: &Value) -> Trace {
    let spans = trace["spans"].as_array().unwrap();
    Trace {
        user: text(trace, "/trace_metadata/mlflow.trace.user"),
        session: text(trace, "/trace_metadata/mlflow.trace.session"),
        spans: spans
            .iter()
            .map(|node| (hex(&node["span_id"]).unwrap(), span(node)))
            .collect(),
    }
}

/// An id, of which it tells the bytes in base64.
fn hex(id: &Value) -> Option<String> {
    let bytes = base64::prelude::BASE64_STANDARD
        .decode(id.as_str()?)
        .unwrap();
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Some(digits.collect::<Vec<_>>().concat())
}

fn span(node: &Value) -> Span {
    let attributes = &node["attributes"];
    let usage = &attributes["mlflow.chat.tokenUsage"];
    Span {
        parent: hex(&node["parent_span_id"]),
        kind: match attributes["mlflow.spanType"].as_str().unwrap() {
            "AGENT" => "agent",
            "CHAT_MODEL" | "LLM" => "llm",
            "TOOL" => "tool",
            "CHAIN" => "task",
            "RETRIEVER" => "retrieval",
            "EMBEDDING" => "embedding",
            kind => kind,
        }
        .to_owned(),
        name: text(node, "/name").unwrap(),
        input: attributes["mlflow.spanInputs"].clone(),
        output: attributes["mlflow.spanOutputs"].clone(),
        model: text(attributes, "/mlflow.llm.model"),
        provider: text(attributes, "/mlflow.llm.provider"),
        usage: numbers(
            usage,
            &[
                ("input", "/input_tokens"),
                ("output", "/output_tokens"),
                ("total", "/total_tokens"),
                ("cache_read", "/cache_read_input_tokens"),
                ("cache_write", "/cache_creation_input_tokens"),
            ],
        ),
        error: (node["status"]["code"] == "STATUS_CODE_ERROR").then(|| failure(node)),
    }
}

fn failure(node: &Value) -> Failure {
    let events = node["events"].as_array().unwrap();
    let exceptions: Vec<_> = events.iter().filter(|e| e["name"] == "exception").collect();
    assert_eq!(exceptions.len(), 1, "{node:#}");
    let told = &exceptions[0]["attributes"];
    assert_eq!(told["exception.message"], node["status"]["message"]);
    Failure {
        class: text(told, "/exception.type").unwrap(),
        message: text(told, "/exception.message").unwrap(),
    }
}
