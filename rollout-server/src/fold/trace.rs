//! A trace, as far as its events have come.

use std::borrow::Cow;

use rollout_core::event::{Agent, Links, RawObject};

use super::{
    RunState, SpanState, Speaker, Tally, TracePatch,
    state::{LifeState, Members, Said, say, set},
};
use crate::{query::PREVIEW_CHARS, value::preview};

/// Nanoseconds that put any time of ours before any other.
const LONG_AGO: i64 = 1 << 62;

/// A trace as the store knows it, with what a group of events says on top.
///
/// Payloads are those of the group only: the store compares their times with what it has.
#[derive(Default)]
pub(crate) struct TraceState<'a> {
    pub(crate) runs: bool,
    pub(crate) begun: bool,
    pub(crate) life: LifeState<'a>,
    pub(crate) tally: Tally,
    pub(crate) agent_name: Option<Cow<'a, str>>,
    pub(crate) user_id: Option<Cow<'a, str>>,
    pub(crate) account_id: Option<Cow<'a, str>>,
    pub(crate) session_id: Option<Cow<'a, str>>,
    pub(crate) conversation_id: Option<Cow<'a, str>>,
    pub(crate) tags: Vec<String>,
    pub(crate) input_preview: Option<String>,
    /// Which input that is: see [`preview`](Self::preview).
    pub(crate) preview_rank: Option<i64>,
    pub(crate) output_preview: Option<String>,
    /// Which output that is: see [`preview_output`](Self::preview_output).
    pub(crate) output_rank: Option<i64>,
    pub(crate) link_trace_id: Option<Cow<'a, str>>,
    pub(crate) link_span_id: Option<Cow<'a, str>>,
    /// When the first event happened, and the newest of the trace's own.
    pub(crate) first_at: Option<i64>,
    pub(crate) facts_at: i64,
    pub(crate) writer: Option<i64>,
    pub(crate) run: Option<RunState<'a>>,
    /// Whether this group of events says that it will never end.
    pub(crate) interrupted: bool,
    pub(crate) input: Said<'a>,
    pub(crate) output: Said<'a>,
    pub(crate) user_traits: Said<'a>,
    pub(crate) account_traits: Said<'a>,
    pub(crate) attributes: Members<'a>,
    pub(crate) agent: SaidSection<'a, Agent>,
    pub(crate) ids: SaidSection<'a, Links>,
}

impl<'a> TraceState<'a> {
    pub(crate) fn apply(&mut self, at: i64, patch: TracePatch<'a>) {
        let own = patch.speaker == Speaker::Trace;
        let newest = own && at >= self.facts_at;
        self.runs |= patch.runs;
        self.begun |= patch.begins;
        self.interrupted |= patch.interrupted;
        self.first_at = Some(self.first_at.map_or(at, |first| first.min(at)));
        let before = (self.life.started_at, self.life.ended_at);
        self.life.apply(&patch.life, newest);
        if let Some(said) = patch.run {
            let continued = said.continued;
            let run = self.run.get_or_insert_default();
            run.apply(at, said);
            if continued {
                if patch.begins {
                    run.resumed_at = run.resumed_at.max(Some(at));
                }
                self.life.continues(&patch.life, before, run.resumed_at);
            }
        }
        if let Some(context) = patch.context {
            let newest = patch.speaker != Speaker::Part && at >= self.facts_at;
            let text = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
            set(&mut self.user_id, text(&context.user_id), newest);
            set(&mut self.account_id, text(&context.account_id), newest);
            set(&mut self.session_id, text(&context.session_id), newest);
            set(
                &mut self.conversation_id,
                text(&context.conversation_id),
                newest,
            );
            // Whoever only repeats traits may repeat old ones.
            let at = match patch.speaker {
                Speaker::Identity => at,
                _ => at.saturating_sub(LONG_AGO),
            };
            say(
                &mut self.user_traits,
                at,
                traits(context.user_traits.as_ref()),
            );
            say(
                &mut self.account_traits,
                at,
                traits(context.account_traits.as_ref()),
            );
        }
        for tag in patch.tags {
            if !self.tags.contains(&tag) {
                self.tags.push(tag);
            }
        }
        set(&mut self.link_trace_id, patch.link.0, newest);
        set(&mut self.link_span_id, patch.link.1, newest);
        if let Some(input) = patch.input {
            self.preview(input, at);
        }
        if let Some(output) = patch.output {
            self.preview_output(output, at);
        }
        say(&mut self.input, at, patch.input);
        say(&mut self.output, at, patch.output);
        if !patch.attributes.is_empty() {
            self.attributes.apply(at, patch.attributes);
        }
        if let Some(agent) = patch.agent
            && (own || self.agent.is_none() && self.agent_name.is_none())
        {
            // What others say about the agent is older than anything that the trace says.
            let at = if own { at } else { i64::MIN };
            set(
                &mut self.agent_name,
                agent.name.as_deref().map(Cow::Borrowed),
                newest,
            );
            replace(&mut self.agent, at, agent);
        }
        if let Some(ids) = patch.ids {
            replace(&mut self.ids, at, ids);
        }
        if own {
            self.facts_at = self.facts_at.max(at);
        }
    }
}

impl TraceState<'_> {
    /// Shows an input in lists. The higher rank wins: of the trace's own inputs the latest by
    /// its time; until there is one, the earliest of those on top, by its time below zero.
    pub(crate) fn preview(&mut self, input: &str, rank: i64) {
        if self.preview_rank.is_none_or(|known| known <= rank) {
            self.input_preview = Some(preview(input, PREVIEW_CHARS));
            self.preview_rank = Some(rank);
        }
    }

    /// The same for an output: until the trace has one of its own, that of the span on top that ended last, by its time
    /// long before any of the trace's.
    fn preview_output(&mut self, output: &str, rank: i64) {
        let shown = preview(output, PREVIEW_CHARS);
        let known = self.output_rank.zip(self.output_preview.as_deref());
        if known.is_none_or(|known| known <= (rank, &shown)) {
            self.output_preview = Some(shown);
            self.output_rank = Some(rank);
        }
    }

    /// Shows the output of a span, if it is on top and has ended.
    pub(crate) fn preview_output_of(&mut self, span: &SpanState<'_>) {
        if let (None, Some((_, output)), Some(ended_at)) =
            (&span.parent, span.output, span.life.ended_at)
        {
            self.preview_output(output, ended_at.saturating_sub(LONG_AGO));
        }
    }
}

/// A section that was said in this group of events, and when.
type SaidSection<'a, T> = Option<(i64, &'a T)>;

fn replace<'a, T>(section: &mut SaidSection<'a, T>, at: i64, said: &'a T) {
    if section.is_none_or(|(before, _)| before <= at) {
        *section = Some((at, said));
    }
}

/// The traits, unless they say nothing.
fn traits(traits: Option<&RawObject>) -> Option<&str> {
    traits
        .filter(|traits| !traits.is_empty())
        .map(RawObject::as_str)
}
