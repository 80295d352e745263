//! What is said once for many model calls.

use serde::Serialize;
use serde_json::Value;

/// What is recorded of model calls.
///
/// ```
/// let calls = rollout::ModelCalls::new()
///     .provider("openrouter")
///     .attribute("team", "support")
///     .capture_output(false);
/// ```
#[derive(Debug, Clone)]
#[must_use = "hand it to an integration"]
pub struct ModelCalls {
    pub(crate) provider: Option<String>,
    pub(crate) attributes: Vec<(String, Value)>,
    pub(crate) capture_input: bool,
    pub(crate) capture_output: bool,
}

impl Default for ModelCalls {
    fn default() -> Self {
        Self {
            provider: None,
            attributes: Vec::new(),
            capture_input: true,
            capture_output: true,
        }
    }
}

impl ModelCalls {
    /// All that there is, under the provider that the address tells.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whose models these are, in place of what the address tells: for gateways.
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// One attribute more on each call. A value that cannot be serialized is left out.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.attributes.push((key.into(), value));
        }
        self
    }

    /// Whether requests are recorded; they are unless this says otherwise. Model and options are in any case.
    pub fn capture_input(mut self, capture: bool) -> Self {
        self.capture_input = capture;
        self
    }

    /// Whether answers are recorded, streamed text included; they are unless this says otherwise. Usage is in any case.
    pub fn capture_output(mut self, capture: bool) -> Self {
        self.capture_output = capture;
        self
    }
}
