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
    pub(crate) estimate_usage: bool,
    pub(crate) propagate: Option<bool>,
}

impl Default for ModelCalls {
    fn default() -> Self {
        Self {
            provider: None,
            attributes: Vec::new(),
            capture_input: true,
            capture_output: true,
            estimate_usage: false,
            propagate: None,
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

    /// Whether requests carry the trace along, in the headers `traceparent`, `tracestate` and `baggage`.
    ///
    /// Where nothing is said, model calls do not, and what else is sent does. A provider does not go on with the trace,
    /// so there is nothing to win there, and something to lose: it would be told ids that are none of its business, and
    /// the request would not be, byte for byte, what it is without us. For a gateway of one's own, `true` makes it part
    /// of the trace; `false` keeps the headers off everything. A `traceparent` that is there already stays as it is.
    pub fn propagate(mut self, propagate: bool) -> Self {
        self.propagate = Some(propagate);
        self
    }

    /// The same for one request.
    #[cfg(feature = "exchange")]
    pub(crate) fn propagates(&self, is_model_call: bool) -> bool {
        self.propagate.unwrap_or(!is_model_call)
    }

    /// Whether tokens are estimated where an answer tells none, as streams of OpenAI's chat completions do unless the
    /// request asks for them; they are not unless this says so, and such a call has no tokens.
    ///
    /// The estimate is one token for every four characters of text in the request and in the answer, rounded up: a rule
    /// of thumb for English that is far off for other languages, code and images. The span's attribute
    /// `rollout.usage_source` says `estimated` then, in place of `reported` or `absent`. [`llm`](crate::llm) estimates
    /// nothing.
    pub fn estimate_usage(mut self, estimate: bool) -> Self {
        self.estimate_usage = estimate;
        self
    }
}
