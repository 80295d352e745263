//! Spans of our own exporter. It says much twice and thrice, for other readers; for us it says it once as it was.

use serde_json::Value;

use super::{attributes::Attributes, value::text};

/// Says that a span is one.
const MARK: &str = "rollout.span.type";
/// What is said once more for others.
const REPEATED: &[&str] = &[
    "agent.name",
    "gen_ai.input.messages",
    "gen_ai.operation.name",
    "gen_ai.output.messages",
    "gen_ai.provider.name",
    "gen_ai.retrieval.documents",
    "gen_ai.retrieval.query.text",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.definitions",
    "gen_ai.tool.type",
    "llm.finish_reason",
    "llm.system",
    "tool.parameters",
];
/// The same, an attribute for each word.
const SPREAD: &[&str] = &[
    "llm.input_messages.",
    "llm.output_messages.",
    "llm.tools.",
    "mlflow.",
    "retrieval.documents.",
];
/// What is said of the trace on every span.
const GIT: [(&str, &str); 2] = [
    ("vcs.repository.url.full", "traceroot.git.repo"),
    ("vcs.ref.head.revision", "traceroot.git.ref"),
];

/// What our own exporter says that nobody else does.
#[derive(Default)]
pub(super) struct Ours {
    pub(super) name: Option<String>,
    pub(super) status: Option<String>,
    /// It carries what was said late, and is no span.
    pub(super) is_late: bool,
}

impl Ours {
    /// Takes it, and forgets what is said twice; `is_root` where the span stands for its trace.
    pub(super) fn take(attributes: &mut Attributes, is_root: bool) -> Self {
        if !attributes.has(MARK) {
            return Self::default();
        }
        for name in REPEATED {
            attributes.take(name);
        }
        for prefix in SPREAD {
            attributes.take_below(prefix);
        }
        if !is_root {
            attributes.take("metadata");
        }
        for (name, theirs) in GIT {
            if let Some(value) = attributes.take(name) {
                attributes.add(theirs, value);
            }
        }
        if let Some(tags) = attributes.take("rollout.tags") {
            attributes.add("tags", tags);
        }
        for (name, value) in attributes.take_below("rollout.attributes.") {
            attributes.add(name, value);
        }
        let mut said = |name| attributes.take(name).as_ref().and_then(text);
        Self {
            name: said("rollout.span.name"),
            status: said("rollout.status"),
            is_late: attributes.take("rollout.late") == Some(Value::Bool(true)),
        }
    }
}
