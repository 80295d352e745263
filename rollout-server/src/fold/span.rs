//! A span, as far as its events have come.

use std::borrow::Cow;

use rollout_core::event::Usage;

use super::{
    SpanPatch,
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

    /// What the span adds to its trace's sums.
    pub(crate) fn tally(&self) -> Tally {
        Tally {
            spans: 1,
            errors: i64::from(self.life.failed()),
            open: i64::from(self.life.ended_at.is_none()),
            // What an agent reports is the sum over the calls below it.
            usage: if self.kind.as_deref() == Some("agent") {
                Usage::default()
            } else {
                self.usage.clone()
            },
        }
    }
}

/// What spans add to the sums of their trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) spans: i64,
    pub(crate) errors: i64,
    pub(crate) open: i64,
    pub(crate) usage: Usage,
}

impl Tally {
    /// Puts the tally of a span in the place of the one that it had before.
    pub(crate) fn replace(&mut self, before: &Self, now: &Self) {
        self.spans += now.spans - before.spans;
        self.errors += now.errors - before.errors;
        self.open += now.open - before.open;
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
            if let Some(cost) = is.cost_usd {
                *cost_usd = Some(cost_usd.unwrap_or(0.0) - was.cost_usd.unwrap_or(0.0) + cost);
            }
        }
    }
}

fn change(sum: &mut Option<u64>, was: Option<u64>, is: Option<u64>) {
    if let Some(is) = is {
        *sum = Some(
            sum.unwrap_or(0)
                .saturating_sub(was.unwrap_or(0))
                .saturating_add(is),
        );
    }
}
