//! Reads model calls out of their bytes: requests by URL and body, answers as JSON or as server-sent events.
//!
//! Nothing here is strict: what is absent or null is not recorded, what is unknown is passed over. Providers add
//! fields monthly, and gateways leave some out.

#[cfg(feature = "exchange")]
mod answer;
mod anthropic;
#[cfg(feature = "exchange")]
mod estimate;
#[cfg(feature = "exchange")]
mod events;
mod gemini;
mod json;
mod openai;
#[cfg(feature = "exchange")]
mod preview;
#[cfg(feature = "exchange")]
mod recognise;
#[cfg(feature = "exchange")]
mod request;

#[cfg(feature = "exchange")]
pub(crate) use answer::Answer;
pub(crate) use anthropic::usage as anthropic_usage;
pub(crate) use gemini::usage as gemini_usage;
pub(crate) use json::Json;
pub(crate) use openai::usage as openai_usage;
#[cfg(feature = "exchange")]
pub(crate) use preview::Preview;
#[cfg(all(test, feature = "exchange"))]
pub(crate) use recognise::providers;
#[cfg(feature = "exchange")]
pub(crate) use recognise::{Api, Target};
#[cfg(feature = "exchange")]
pub(crate) use request::{Asked, request};

#[cfg(feature = "exchange")]
use rollout_core::Usage;
#[cfg(feature = "exchange")]
use serde_json::Value;

/// What an answer says, whoever gave it.
#[cfg(feature = "exchange")]
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The answer's own id.
    pub(crate) id: Option<String>,
    /// The model that answered.
    pub(crate) model: Option<String>,
    /// What it said, in the provider's words.
    pub(crate) output: Option<Value>,
    /// Why it stopped, once per choice.
    pub(crate) finish_reasons: Vec<String>,
    /// Tokens, in one meaning; nothing where the provider told none.
    pub(crate) usage: Option<Usage>,
    /// The provider's own numbers.
    pub(crate) provider_usage: Option<Value>,
    /// What kind of failure it reports, and its message.
    pub(crate) error: Option<(String, String)>,
}
