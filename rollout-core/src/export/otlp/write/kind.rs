//! What type a span is of, in everybody's words.

use crate::export::otlp::facts::SpanFacts;
use serde_json::Value;

/// A type of ours, or any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Agent,
    Llm,
    Tool,
    Task,
    Retrieval,
    Embedding,
    Span,
    /// One that another convention has: `RERANKER`, `GUARDRAIL`, `EVALUATOR`, `PROMPT`.
    Openinference(&'static str),
}

impl Kind {
    pub(super) fn of(span: &SpanFacts) -> Self {
        match &*span.kind {
            "agent" => Self::Agent,
            "llm" if span.name == "embeddings" || operation_said(span) == Some("embeddings") => {
                Self::Embedding
            }
            "llm" | "generation" => Self::Llm,
            "tool" => Self::Tool,
            "task" | "chain" | "workflow" => Self::Task,
            "retrieval" | "retriever" => Self::Retrieval,
            "embedding" => Self::Embedding,
            "reranker" => Self::Openinference("RERANKER"),
            "guardrail" => Self::Openinference("GUARDRAIL"),
            "evaluator" => Self::Openinference("EVALUATOR"),
            "prompt" => Self::Openinference("PROMPT"),
            _ => Self::Span,
        }
    }

    /// `gen_ai.operation.name`.
    pub(super) fn operation(self, span: &SpanFacts) -> Option<&str> {
        Some(match self {
            Self::Agent => "invoke_agent",
            Self::Tool => "execute_tool",
            Self::Retrieval => "retrieval",
            Self::Embedding => "embeddings",
            Self::Llm => match operation_said(span) {
                Some(said) => said,
                None if span.name == "generate_content" => "generate_content",
                None if span.name == "text_completion" => "text_completion",
                None => "chat",
            },
            Self::Task | Self::Span | Self::Openinference(_) => return None,
        })
    }

    pub(super) fn openinference(self) -> &'static str {
        match self {
            Self::Agent => "AGENT",
            Self::Llm => "LLM",
            Self::Tool => "TOOL",
            Self::Task | Self::Span => "CHAIN",
            Self::Retrieval => "RETRIEVER",
            Self::Embedding => "EMBEDDING",
            Self::Openinference(kind) => kind,
        }
    }

    pub(super) fn langfuse(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Llm => "generation",
            Self::Tool => "tool",
            Self::Task => "chain",
            Self::Retrieval => "retriever",
            Self::Embedding => "embedding",
            Self::Openinference("GUARDRAIL") => "guardrail",
            Self::Openinference("EVALUATOR") => "evaluator",
            Self::Span | Self::Openinference(_) => "span",
        }
    }

    pub(super) fn traceroot(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Llm | Self::Embedding => "llm",
            Self::Tool => "tool",
            Self::Task | Self::Retrieval | Self::Span | Self::Openinference(_) => "span",
        }
    }

    pub(super) fn mlflow(self, operation: Option<&str>) -> Option<&'static str> {
        Some(match self {
            Self::Agent => "AGENT",
            Self::Llm if operation == Some("chat") => "CHAT_MODEL",
            Self::Llm => "LLM",
            Self::Tool => "TOOL",
            Self::Task => "CHAIN",
            Self::Retrieval => "RETRIEVER",
            Self::Embedding => "EMBEDDING",
            Self::Openinference("RERANKER") => "RERANKER",
            Self::Span | Self::Openinference(_) => return None,
        })
    }

    /// Whether a model is called.
    pub(super) fn calls_model(self) -> bool {
        matches!(self, Self::Llm | Self::Embedding)
    }
}

fn operation_said(span: &SpanFacts) -> Option<&str> {
    span.attributes
        .get("gen_ai.operation.name")
        .and_then(Value::as_str)
}
