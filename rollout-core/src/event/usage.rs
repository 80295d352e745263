//! Tokens and cost of a model call, with one meaning for all providers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::UsageCounts;

/// Start of the names of the attributes that carry what [`UsageCounts`] has no field for.
pub const USAGE_ATTRIBUTE: &str = "rollout.usage.";

const CACHE_CREATION: &str = "cache_creation_tokens";
const CONTEXT_UTILIZATION: &str = "context_utilization";

/// Tokens and cost of one model call, or the sum over many.
///
/// What is not set was not reported; zero is a number like any other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Everything in the prompt, cache reads and writes included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Everything in the answer, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// The part of the input that was read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// The part of the input that was written to the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_tokens: Option<u64>,
    /// The part of the output that was reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Input and output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// Cost in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Tokens that the model's context can hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window_tokens: Option<u64>,
    /// Tokens that it did hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_used_tokens: Option<u64>,
    /// Any other number that the provider reports, under the provider's name for it.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Number>,
}

impl Usage {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over every field that `later` has set.
    pub fn merge(&mut self, later: Self) {
        fn set<T>(field: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *field = later;
            }
        }

        set(&mut self.input_tokens, later.input_tokens);
        set(&mut self.output_tokens, later.output_tokens);
        set(&mut self.cached_tokens, later.cached_tokens);
        set(&mut self.cache_creation_tokens, later.cache_creation_tokens);
        set(&mut self.reasoning_tokens, later.reasoning_tokens);
        set(&mut self.total_tokens, later.total_tokens);
        set(&mut self.cost_usd, later.cost_usd);
        set(&mut self.context_window_tokens, later.context_window_tokens);
        set(&mut self.context_used_tokens, later.context_used_tokens);
        self.extra.extend(later.extra);
    }

    /// The part that the event's `usage` section carries.
    pub fn counts(&self) -> UsageCounts {
        UsageCounts {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cached_tokens: self.cached_tokens,
            reasoning_tokens: self.reasoning_tokens,
            total_tokens: self.total_tokens,
            context_window_tokens: self.context_window_tokens,
            context_used_tokens: self.context_used_tokens,
            context_utilization: self.extra.get(CONTEXT_UTILIZATION).and_then(Number::as_f64),
            cost_usd: self.cost_usd,
        }
    }

    /// The rest, which rides in the event's attributes under [`USAGE_ATTRIBUTE`] and this name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Number)> {
        let cache_creation = self
            .cache_creation_tokens
            .map(|tokens| (CACHE_CREATION, Number::from(tokens)));
        let extra = self
            .extra
            .iter()
            .map(|(name, number)| (name.as_str(), number.clone()));
        cache_creation
            .into_iter()
            .chain(extra.filter(|(name, _)| *name != CONTEXT_UTILIZATION))
    }

    /// Sets what an attribute of that name, without [`USAGE_ATTRIBUTE`], carries.
    pub fn set_attribute(&mut self, name: &str, number: Number) {
        if name == CACHE_CREATION {
            self.cache_creation_tokens = number.as_u64();
        } else {
            self.extra.insert(name.to_owned(), number);
        }
    }
}

impl From<UsageCounts> for Usage {
    fn from(counts: UsageCounts) -> Self {
        let utilization = counts.context_utilization.and_then(Number::from_f64);
        Self {
            input_tokens: counts.input_tokens,
            output_tokens: counts.output_tokens,
            cached_tokens: counts.cached_tokens,
            cache_creation_tokens: None,
            reasoning_tokens: counts.reasoning_tokens,
            total_tokens: counts.total_tokens,
            cost_usd: counts.cost_usd,
            context_window_tokens: counts.context_window_tokens,
            context_used_tokens: counts.context_used_tokens,
            extra: utilization
                .into_iter()
                .map(|number| (CONTEXT_UTILIZATION.to_owned(), number))
                .collect(),
        }
    }
}
