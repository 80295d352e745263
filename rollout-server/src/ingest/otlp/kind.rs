//! What type a span is of.

use super::attributes::Attributes;

pub(super) const AGENT: &str = "agent";
pub(super) const LLM: &str = "llm";
pub(super) const TOOL: &str = "tool";
pub(super) const TASK: &str = "task";
pub(super) const RETRIEVAL: &str = "retrieval";
pub(super) const EMBEDDING: &str = "embedding";
pub(super) const SPAN: &str = "span";

/// Where our own exporter writes the type. It is what it was, `span` included.
const OURS: &str = "rollout.span.type";
/// Where others write it. An earlier one that says more than `span` wins.
const NAMES: &[&str] = &[
    OURS,
    "langfuse.observation.type",
    "traceroot.span.type",
    "mlflow.spanType",
    "openinference.span.kind",
    "traceloop.span.kind",
    "llm.request.type",
];

/// Takes the type that is said, or tells it from what else is.
pub(super) fn take(attributes: &mut Attributes) -> String {
    let mut said = None;
    for name in NAMES {
        let Some(word) = attributes.text(name) else {
            continue;
        };
        attributes.take(name);
        let kind = of_word(&word);
        if said.is_none() && (kind != SPAN || *name == OURS) {
            said = Some(kind);
        }
    }
    said.or_else(|| of_operation(attributes).map(str::to_owned))
        .unwrap_or_else(|| told(attributes).to_owned())
}

fn of_word(word: &str) -> String {
    let word = word.to_lowercase();
    let kind = match &*word {
        "generation" | "chat_model" | "chat" | "completion" => LLM,
        "chain" | "workflow" => TASK,
        "retriever" => RETRIEVAL,
        "event" | "unknown" => SPAN,
        _ => return word,
    };
    kind.to_owned()
}

fn of_operation(attributes: &Attributes) -> Option<&'static str> {
    Some(match &*attributes.text("gen_ai.operation.name")? {
        "chat" | "text_completion" | "generate_content" => LLM,
        "invoke_agent" | "create_agent" => AGENT,
        "execute_tool" => TOOL,
        "embeddings" => EMBEDDING,
        "retrieval" => RETRIEVAL,
        "invoke_workflow" | "plan" => TASK,
        _ => return None,
    })
}

/// Of a span that does not say what it is.
fn told(attributes: &Attributes) -> &'static str {
    let any = |names: &[&str]| names.iter().any(|name| attributes.has(name));
    if any(&["gen_ai.tool.name", "gen_ai.tool.call.id", "tool_arguments"]) {
        TOOL
    } else if any(&[
        "agent_name",
        "all_messages_events",
        "pydantic_ai.all_messages",
    ]) {
        AGENT
    } else if any(&[
        "gen_ai.request.model",
        "gen_ai.system",
        "gen_ai.provider.name",
        "llm.model_name",
        "traceroot.llm.model",
        "langfuse.observation.model.name",
        "mlflow.llm.model",
    ]) {
        LLM
    } else if any(&["gen_ai.agent.name"]) {
        AGENT
    } else if any(&["embedding.model_name"]) {
        EMBEDDING
    } else {
        SPAN
    }
}
