//! A trace as somebody shows it, in one set of words for all, so that two can be compared.

use std::collections::BTreeMap;

use rollout_tests::server::TestServer;
use serde_json::Value;

/// A trace.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    pub(crate) user: Option<String>,
    pub(crate) session: Option<String>,
    /// By their ids, in hex.
    pub(crate) spans: BTreeMap<String, Span>,
}

impl Trace {
    /// It must be what another one is.
    #[track_caller]
    pub(crate) fn must_be(&self, other: &Self) {
        for (id, span) in &other.spans {
            assert_eq!(self.spans.get(id), Some(span), "{}", span.name);
        }
        assert_eq!(self, other);
    }
}

/// A span of one.
#[derive(Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) parent: Option<String>,
    /// In our words.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) input: Value,
    pub(crate) output: Value,
    pub(crate) model: Option<String>,
    pub(crate) provider: Option<String>,
    /// Those that are not zero, by our names.
    pub(crate) usage: BTreeMap<&'static str, u64>,
    pub(crate) error: Option<Failure>,
}

/// Why a span failed.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) class: String,
    pub(crate) message: String,
}

/// The text at a JSON pointer, where there is one.
pub(crate) fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    Some(text.to_owned())
}

/// Numbers at JSON pointers, by our names for them; zeros are left out, since not all tell them from nothing.
pub(crate) fn numbers(
    value: &Value,
    names: &[(&'static str, &str)],
) -> BTreeMap<&'static str, u64> {
    let number = |(ours, theirs): &(&'static str, &str)| {
        let number = value.pointer(theirs)?.as_u64()?;
        (number > 0).then_some((*ours, number))
    };
    names.iter().filter_map(number).collect()
}

/// What OpenTelemetry's conventions have a span called.
fn title(kind: &str, name: String, model: Option<&str>) -> String {
    match (kind, model) {
        ("agent", _) => format!("invoke_agent {name}"),
        ("tool", _) => format!("execute_tool {name}"),
        ("llm", Some(model)) => format!("chat {model}"),
        ("embedding", Some(model)) => format!("embeddings {model}"),
        _ => name,
    }
}

/// A trace as it was recorded, by the server that reads the program's spool.
pub(crate) fn recorded(server: &TestServer, trace_id: &str) -> Trace {
    let trace = server.get_json(&format!("/api/v1/traces/{trace_id}"));
    let span = |row: Value| {
        let id = text(&row, "/span_id").unwrap();
        let span = server.get_json(&format!("/api/v1/traces/{trace_id}/spans/{id}"));
        let failure = || Failure {
            class: text(&span, "/error/type").unwrap(),
            message: text(&span, "/error/message").unwrap(),
        };
        let mut usage = numbers(
            &span["usage"],
            &[
                ("input", "/input_tokens"),
                ("output", "/output_tokens"),
                ("total", "/total_tokens"),
                ("cache_read", "/cached_tokens"),
                ("cache_write", "/cache_creation_tokens"),
            ],
        );
        if let (Some(input), Some(output)) = (usage.get("input"), usage.get("output")) {
            let sum = input + output;
            usage.entry("total").or_insert(sum);
        }
        let (kind, model) = (text(&span, "/type").unwrap(), text(&span, "/model"));
        let name = text(&span, "/name").unwrap();
        let shown = Span {
            parent: text(&span, "/parent_span_id"),
            name: title(&kind, name, model.as_deref()),
            // Others have one word for both.
            kind: if kind == "span" {
                "task".to_owned()
            } else {
                kind
            },
            input: span["input"].clone(),
            output: span["output"].clone(),
            model,
            provider: text(&span, "/provider"),
            usage,
            error: span["error"].is_object().then(failure),
        };
        (id, shown)
    };
    Trace {
        user: text(&trace, "/user_id"),
        session: text(&trace, "/session_id"),
        spans: server.spans(trace_id).into_iter().map(span).collect(),
    }
}
