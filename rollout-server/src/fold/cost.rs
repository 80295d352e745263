//! Where it is known from what a model call cost.

use rollout_core::event::Usage;

use super::span::AGENT;
use crate::prices::{Call, Prices};

/// What a span cost, beside what its usage says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Cost {
    /// It is no model call, or nobody has looked yet.
    #[default]
    None,
    /// The usage says it.
    Reported,
    /// So many US dollars, by a table of prices.
    Priced(f64),
    /// There is no price for it, or its tokens are not known.
    Unpriced,
}

impl Cost {
    /// What it is in a store: a number, and the dollars.
    pub(crate) fn parts(self) -> (Option<i64>, Option<f64>) {
        match self {
            Self::None => (None, None),
            Self::Reported => (Some(1), None),
            Self::Priced(usd) => (Some(2), Some(usd)),
            Self::Unpriced => (Some(3), None),
        }
    }

    /// What those parts say.
    pub(crate) fn from_parts(from: Option<i64>, priced: Option<f64>) -> Self {
        match (from, priced) {
            (Some(1), _) => Self::Reported,
            (Some(2), Some(usd)) => Self::Priced(usd),
            (Some(3), _) => Self::Unpriced,
            _ => Self::None,
        }
    }
}

/// What the cost of a span depends on.
pub(crate) struct PricedCall<'a> {
    pub(crate) kind: Option<&'a str>,
    pub(crate) provider: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    pub(crate) started_at: Option<i64>,
    pub(crate) usage: &'a Usage,
}

impl PricedCall<'_> {
    /// What it cost. What the program or the provider has reported is not looked up.
    pub(crate) fn cost(&self, prices: &Prices) -> Cost {
        let usage = self.usage;
        if self.kind == Some(AGENT) {
            return Cost::None;
        }
        if usage.cost_usd.is_some() {
            return Cost::Reported;
        }
        let tokens = [usage.input_tokens, usage.output_tokens, usage.total_tokens];
        if tokens.iter().all(Option::is_none) {
            return Cost::None;
        }
        let call = self.model.map(|model| Call {
            model,
            provider: self.provider,
            at: self.started_at,
        });
        call.and_then(|call| prices.cost(&call, usage))
            .map_or(Cost::Unpriced, Cost::Priced)
    }
}
