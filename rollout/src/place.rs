//! Where something begins that no macro has opened.

#[cfg(feature = "tracing")]
use rollout_core::SpanBuilder;
use rollout_core::{Client, Span, ToolBuilder, Trace};

/// The current span, the current trace, or none.
pub(crate) enum Place {
    Span(Box<Span>),
    Trace(Trace),
    /// In no trace, so that what begins is one of its own.
    Nowhere(Client),
}

impl Place {
    /// `None` where nothing is recorded.
    pub(crate) fn here() -> Option<Self> {
        if let Some(span) = rollout_core::current_span() {
            return span.is_recording().then(|| Self::Span(Box::new(span)));
        }
        let inside = rollout_core::current_trace().map(Self::Trace);
        inside.or_else(|| rollout_core::testing::client().map(Self::Nowhere))
    }

    /// Whether there is a trace.
    pub(crate) fn is_somewhere(&self) -> bool {
        !matches!(self, Self::Nowhere(_))
    }

    /// A tool call there. Where in the program that is, nobody knows.
    pub(crate) fn tool(&self, name: &str) -> ToolBuilder {
        let builder = match self {
            Self::Span(span) => span.tool(name),
            Self::Trace(trace) => trace.tool(name),
            Self::Nowhere(client) => client.tool(name),
        };
        builder.place(None)
    }

    /// A span there.
    #[cfg(feature = "tracing")]
    pub(crate) fn span(&self, span_type: &str) -> SpanBuilder {
        let builder = match self {
            Self::Span(span) => span.span(span_type),
            Self::Trace(trace) => trace.span(span_type),
            Self::Nowhere(client) => client.span(span_type),
        };
        builder.place(None)
    }
}
