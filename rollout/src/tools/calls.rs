//! What is said once for many tool calls.

use serde::Serialize;
use serde_json::Value;

/// What is recorded of tool calls.
///
/// ```
/// let calls = rollout::ToolCalls::new()
///     .attribute("team", "support")
///     .capture_output(false);
/// ```
#[derive(Debug, Clone)]
#[must_use = "hand it to whoever wraps the tools"]
pub struct ToolCalls {
    pub(crate) attributes: Vec<(String, Value)>,
    pub(crate) capture_input: bool,
    pub(crate) capture_output: bool,
    pub(crate) propagate: bool,
}

impl Default for ToolCalls {
    fn default() -> Self {
        Self {
            attributes: Vec::new(),
            capture_input: true,
            capture_output: true,
            propagate: true,
        }
    }
}

impl ToolCalls {
    /// All that there is.
    pub fn new() -> Self {
        Self::default()
    }

    /// One attribute more on each call. A value that cannot be serialized is left out.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.attributes.push((key.into(), value));
        }
        self
    }

    /// Whether arguments are recorded; they are unless this says otherwise.
    pub fn capture_input(mut self, capture: bool) -> Self {
        self.capture_input = capture;
        self
    }

    /// Whether calls over MCP carry the trace along: a client writes it into `_meta`, and a server goes on with it. They
    /// do unless this says otherwise; tools of this process need nothing of the kind.
    pub fn propagate(mut self, propagate: bool) -> Self {
        self.propagate = propagate;
        self
    }

    /// Whether results are recorded; they are unless this says otherwise. Errors are in any case.
    pub fn capture_output(mut self, capture: bool) -> Self {
        self.capture_output = capture;
        self
    }
}
