//! Usage out of what a provider has answered.

use rollout_core::Usage;
use serde::Serialize;
use serde_json::Value;

use crate::provider::{anthropic_usage, gemini_usage, openai_usage};

/// The usage that a reply of OpenAI's chat completions, responses or embeddings tells, or of any API that speaks the
/// same: from its type in a client library, or from `serde_json::Value`. Empty where it tells none; the `usage` object
/// alone will do.
///
/// ```
/// let reply = serde_json::json!({ "usage": {
///     "prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17,
///     "prompt_tokens_details": { "cached_tokens": 8 },
/// }});
/// let usage = rollout::usage_from_openai(&reply);
/// assert_eq!(usage.input_tokens, Some(12));
/// assert_eq!(usage.cached_tokens, Some(8));
/// ```
pub fn usage_from_openai<T: Serialize + ?Sized>(reply: &T) -> Usage {
    read(reply, openai_usage)
}

/// The usage that a reply of Anthropic's messages tells; otherwise as [`usage_from_openai`]. What its cache gave and
/// took is a part of the input, as it is everywhere here.
pub fn usage_from_anthropic<T: Serialize + ?Sized>(reply: &T) -> Usage {
    read(reply, anthropic_usage)
}

/// The usage that a reply of Gemini's `generateContent` tells; otherwise as [`usage_from_openai`]. Thoughts are a part
/// of the output, as reasoning is everywhere here.
pub fn usage_from_gemini<T: Serialize + ?Sized>(reply: &T) -> Usage {
    read(reply, gemini_usage)
}

/// A reply that cannot be serialized, or panics at it, tells none.
fn read<T: Serialize + ?Sized>(reply: &T, usage: fn(&Value) -> Usage) -> Usage {
    let value = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        serde_json::to_value(reply).unwrap_or_default()
    }));
    value.map(|value| usage(&value)).unwrap_or_default()
}
