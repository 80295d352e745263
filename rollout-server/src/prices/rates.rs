//! What tokens cost, and what a call of so many comes to.

use rollout_core::event::Usage;
use serde::Serialize;

/// Prices in US dollars for a million tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Of the prompt, as far as no other price is for it. Without one, calls whose prompt has tokens are unpriced.
    pub input: Option<f64>,
    /// Of what is read from the provider's cache; as input, where there is none.
    pub cached: Option<f64>,
    /// Of what is written to it; as input, where there is none.
    pub cache_write: Option<f64>,
    /// Of the answer. Without one, calls that answer in tokens are unpriced: what only embeds has none.
    pub output: Option<f64>,
    /// Of the part of the answer that is reasoning; as output, where there is none.
    pub reasoning: Option<f64>,
    /// What a whole call costs whose prompt is large; the largest that it is above applies.
    pub above: Vec<Tier>,
}

/// Prices for prompts above a size. What is not set is as below it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tier {
    /// The prompt has more tokens than this.
    pub tokens: u64,
    /// As in [`Rates`].
    pub input: Option<f64>,
    /// As in [`Rates`].
    pub cached: Option<f64>,
    /// As in [`Rates`].
    pub cache_write: Option<f64>,
    /// As in [`Rates`].
    pub output: Option<f64>,
    /// As in [`Rates`].
    pub reasoning: Option<f64>,
}

impl Rates {
    /// What a call cost, in US dollars. What is read from the cache, and written to it, is a part of the input;
    /// reasoning is a part of the output.
    ///
    /// `None` where a count is not known that has a price, or has no price and is known.
    pub fn cost(&self, usage: &Usage) -> Option<f64> {
        let input = usage.input_tokens;
        let tier = self
            .above
            .iter()
            .filter(|tier| input.is_some_and(|input| input > tier.tokens))
            .max_by_key(|tier| tier.tokens);
        let rate = |own: Option<f64>, of: fn(&Tier) -> Option<f64>| tier.and_then(of).or(own);
        let prompt = parts(
            input,
            rate(self.input, |tier| tier.input),
            [
                (usage.cached_tokens, rate(self.cached, |tier| tier.cached)),
                (
                    usage.cache_creation_tokens,
                    rate(self.cache_write, |tier| tier.cache_write),
                ),
            ],
        )?;
        let answer = parts(
            usage.output_tokens,
            rate(self.output, |tier| tier.output),
            [(
                usage.reasoning_tokens,
                rate(self.reasoning, |tier| tier.reasoning),
            )],
        )?;
        Some((prompt + answer) / 1e6)
    }
}

/// What tokens cost, some of which have a price of their own, in millionths.
fn parts<const N: usize>(
    tokens: Option<u64>,
    rate: Option<f64>,
    apart: [(Option<u64>, Option<f64>); N],
) -> Option<f64> {
    let (tokens, rate) = match (tokens, rate) {
        (None | Some(0), None) => return Some(0.0),
        (tokens, rate) => (tokens?, rate?),
    };
    let (mut left, mut sum) = (tokens, 0.0);
    for (part, own) in apart {
        let part = part.unwrap_or(0).min(left);
        left -= part;
        sum += part as f64 * own.unwrap_or(rate);
    }
    Some(sum + left as f64 * rate)
}
