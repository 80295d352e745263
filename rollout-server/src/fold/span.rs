//! A span, as far as its events have come.

use std::borrow::Cow;

use rollout_core::event::Usage;

use crate::prices::Prices;

use super::{
    Cost, PricedCall, SpanPatch,
    state::{LifeState, Members, Said, say, set},
};

/// A span as the store knows it, with what a group of events says on top.
///
/// Payloads are those of the group only: the store compares their times with what it has.
#[derive(Default)]
pub(crate) struct SpanState<'a> {
    pub(crate) parent: Option<Cow<'a, str>>,
    pub(crate) kind: Option<Cow<'a, str>>,
    pub(crate) life: LifeState<'a>,
    pub(crate) tool_call_id: Option<Cow<'a, str>>,
    pub(crate) provider: Option<Cow<'a, str>>,
    pub(crate) model: Option<Cow<'a, str>>,
    pub(crate) usage: Usage,
    pub(crate) cost: Cost,
    /// When the newest of the facts, and of the usage, was said.
    pub(crate) facts_at: i64,
    pub(crate) usage_at: i64,
    pub(crate) writer: Option<i64>,
    /// Whether this group of events says that it will never end.
    pub(crate) interrupted: bool,
    pub(crate) input: Said<'a>,
    pub(crate) output: Said<'a>,
    pub(crate) preview: Said<'a>,
    pub(crate) attributes: Members<'a>,
}

impl<'a> SpanState<'a> {
    pub(crate) fn apply(&mut self, at: i64, patch: SpanPatch<'a>) {
        let newest = at >= self.facts_at;
        self.interrupted |= patch.interrupted;
        set(&mut self.parent, patch.parent.map(Cow::Borrowed), newest);
        set(&mut self.kind, patch.kind.map(Cow::Borrowed), newest);
        self.life.apply(&patch.life, newest);
        set(
            &mut self.tool_call_id,
            patch.tool_call_id.map(Cow::Borrowed),
            newest,
        );
        set(
            &mut self.provider,
            patch.provider.map(Cow::Borrowed),
            newest,
        );
        set(&mut self.model, patch.model.map(Cow::Borrowed), newest);
        self.facts_at = self.facts_at.max(at);
        if !patch.usage.is_empty() {
            let mut later = patch.usage;
            if at < self.usage_at {
                std::mem::swap(&mut self.usage, &mut later);
            }
            self.usage.merge(later);
            self.usage_at = self.usage_at.max(at);
        }
        say(&mut self.input, at, patch.input);
        say(&mut self.output, at, patch.output);
        say(&mut self.preview, at, patch.preview);
        if !patch.attributes.is_empty() {
            self.attributes.apply(at, patch.attributes);
        }
    }

    /// Finds out what it cost, as far as that is known by now.
    pub(crate) fn price(&mut self, prices: &Prices) {
        self.cost = PricedCall {
            kind: self.kind.as_deref(),
            provider: self.provider.as_deref(),
            model: self.model.as_deref(),
            started_at: self.life.started_at,
            usage: &self.usage,
        }
        .cost(prices);
    }

    /// What the span adds to its trace's sums.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally {
            spans: 1,
            errors: i64::from(self.life.failed()),
            open: i64::from(self.life.ended_at.is_none()),
            ..Tally::default()
        };
        // What an agent reports is the sum over the calls below it.
        if self.kind.as_deref() != Some(AGENT) {
            tally.usage = self.usage.clone();
            tally.costs(self.cost);
        }
        tally
    }
}

/// What spans add to the sums of their trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) spans: i64,
    pub(crate) errors: i64,
    pub(crate) open: i64,
    /// With what the calls cost, reported or priced.
    pub(crate) usage: Usage,
    /// Model calls whose cost was reported, those that have a price, and those that have none.
    pub(crate) reported: i64,
    pub(crate) priced: i64,
    pub(crate) unpriced: i64,
}

/// The type of a span whose usage is that of the calls below it.
pub(super) const AGENT: &str = "agent";

impl Tally {
    /// Counts a call that cost so much.
    fn costs(&mut self, cost: Cost) {
        match cost {
            Cost::None => {}
            Cost::Reported => self.reported = 1,
            Cost::Priced(usd) => {
                self.usage.cost_usd = Some(usd);
                self.priced = 1;
            }
            Cost::Unpriced => self.unpriced = 1,
        }
    }

    /// Puts the tally of a span in the place of the one that it had before.
    pub(crate) fn replace(&mut self, before: &Self, now: &Self) {
        self.spans += now.spans - before.spans;
        self.errors += now.errors - before.errors;
        self.open += now.open - before.open;
        self.reported += now.reported - before.reported;
        self.priced += now.priced - before.priced;
        self.unpriced += now.unpriced - before.unpriced;
        if now.usage != before.usage {
            let Usage {
                input_tokens,
                output_tokens,
                cached_tokens,
                cache_creation_tokens,
                reasoning_tokens,
                total_tokens,
                cost_usd,
                ..
            } = &mut self.usage;
            let (was, is) = (&before.usage, &now.usage);
            change(input_tokens, was.input_tokens, is.input_tokens);
            change(output_tokens, was.output_tokens, is.output_tokens);
            change(cached_tokens, was.cached_tokens, is.cached_tokens);
            change(
                cache_creation_tokens,
                was.cache_creation_tokens,
                is.cache_creation_tokens,
            );
            change(reasoning_tokens, was.reasoning_tokens, is.reasoning_tokens);
            change(total_tokens, was.total_tokens, is.total_tokens);
            let more = is.cost_usd.unwrap_or(0.0) - was.cost_usd.unwrap_or(0.0);
            if is.cost_usd.is_some() {
                *cost_usd = Some(cost_usd.unwrap_or(0.0) + more);
            } else if was.cost_usd.is_some() {
                let is_known = self.reported + self.priced > 0;
                *cost_usd = cost_usd.map(|sum| sum + more).filter(|_| is_known);
            }
        }
    }
}

fn change(sum: &mut Option<u64>, was: Option<u64>, is: Option<u64>) {
    if is.is_some() || was.is_some() {
        *sum = Some(
            sum.unwrap_or(0)
                .saturating_sub(was.unwrap_or(0))
                .saturating_add(is.unwrap_or(0)),
        );
    }
}
