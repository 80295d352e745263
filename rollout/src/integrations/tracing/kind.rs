//! What a span of theirs is for us.

use serde_json::Value;
use tracing_core::Metadata;

use super::collect::Fields;

/// The span's type, in the words of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Agent,
    Llm,
    Tool,
    Task,
    Retrieval,
    /// Neither, but recorded.
    Span,
}

impl Kind {
    /// Whether a span has anything to do with models: by the names of its fields.
    pub(super) fn is_gen_ai(metadata: &Metadata<'_>) -> bool {
        metadata
            .fields()
            .iter()
            .any(|field| field.name().starts_with("gen_ai."))
    }

    /// Of a span that has: by its operation, else by the fields that it has.
    pub(super) fn of(metadata: &Metadata<'_>, fields: &Fields) -> Self {
        let operation = fields.get("gen_ai.operation.name").and_then(Value::as_str);
        match operation.unwrap_or_default() {
            "execute_tool" => return Self::Tool,
            "invoke_agent" | "create_agent" => return Self::Agent,
            "invoke_workflow" | "plan" => return Self::Task,
            "retrieval" => return Self::Retrieval,
            "" => {}
            _ => return Self::Llm,
        }
        let declares = |name| metadata.fields().field(name).is_some();
        if declares("gen_ai.tool.name") {
            Self::Tool
        } else if declares("gen_ai.request.model") || declares("gen_ai.system") {
            Self::Llm
        } else if declares("gen_ai.agent.name") {
            Self::Agent
        } else {
            Self::Span
        }
    }

    pub(super) fn span_type(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Llm => "llm",
            Self::Tool => "tool",
            Self::Task => "task",
            Self::Retrieval => "retrieval",
            Self::Span => "span",
        }
    }

    /// The field that names a span of this kind.
    pub(super) fn name_field(self) -> &'static str {
        match self {
            Self::Agent => "gen_ai.agent.name",
            Self::Llm => "gen_ai.operation.name",
            Self::Tool => "gen_ai.tool.name",
            Self::Task => "gen_ai.workflow.name",
            Self::Retrieval | Self::Span => "otel.name",
        }
    }
}
