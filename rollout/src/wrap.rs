//! The one door of the integrations that wrap a thing in place.

use crate::calls::ModelCalls;

/// Instruments the one thing it is given and nothing global: what comes back is used as before.
///
/// What can be wrapped is a matter of features; what cannot is a compile error that says what can.
///
/// ```
/// # #[cfg(feature = "openai")]
/// # fn clients(http: reqwest::Client) {
/// use async_openai::config::OpenAIConfig;
///
/// let client = rollout::wrap(OpenAIConfig::new()); // an `async_openai::Client`
/// let client = rollout::wrap((OpenAIConfig::new(), http)); // the same, over a client of one's own
/// # }
/// # #[cfg(feature = "rig")]
/// # fn rig(client: impl rig_http::http_client::HttpClientExt + 'static) {
/// use rig_http::http_client::DynHttpClient; // also `rig::http_client`
///
/// let http = rollout::wrap(DynHttpClient::new(client)); // for the `connect` of any of rig's providers
/// # }
/// ```
///
/// A client that is made already hides what it sends through, so it cannot be wrapped any more.
pub fn wrap<T: Wrap>(target: T) -> T::Wrapped {
    target.wrap(ModelCalls::new())
}

/// The same as [`wrap`], with a say in what is recorded.
pub fn wrap_with<T: Wrap>(target: T, calls: ModelCalls) -> T::Wrapped {
    target.wrap(calls)
}

/// What [`wrap`] takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be wrapped",
    label = "rollout cannot see the model calls of this",
    note = "for async-openai, whose `Client` hides what it sends through, wrap what it is made of: `rollout::wrap(OpenAIConfig::new())`, or `rollout::wrap((config, reqwest_client))` for your own HTTP client (feature `openai`)",
    note = "for rig, wrap the HTTP client under its providers: `OpenAIConfig::from_env()?.connect(rollout::wrap(DynHttpClient::new(client)))` (feature `rig`)",
    note = "for a plain `reqwest` client, write `send_traced()` in place of `send()` (features `reqwest` for 0.13 and `reqwest-012`)",
    note = "for any other client, record the call: `rollout::llm(\"anthropic\").record(&request, future).await`"
)]
pub trait Wrap {
    /// What it becomes.
    type Wrapped;

    /// Wraps it.
    fn wrap(self, calls: ModelCalls) -> Self::Wrapped;
}
