//! What an event says that a rule may ask for.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::config::Keep;

/// An event, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "event_type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    span_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    occurred_at: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    started_at: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(default)]
    usage: Usage,
    #[serde(default)]
    outcome: Outcome,
    #[serde(borrow, default)]
    error: Failure<'a>,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
struct Usage {
    #[serde(default)]
    cost_usd: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Outcome {
    #[serde(default)]
    eval_score: Option<f64>,
    #[serde(default)]
    success: Option<bool>,
}

#[derive(Default, Deserialize)]
struct Failure<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message_preview: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Attributes {
    #[serde(default, rename = "rollout.parent.remote")]
    branch: Option<Value>,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    score: Option<Value>,
}

impl<'a> Event<'a> {
    /// Reads a line; `None` where it is none of ours.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    pub(super) fn begins_trace(&self) -> bool {
        self.kind == "trace.start"
    }

    /// It is the topmost span here of a trace that began elsewhere.
    pub(super) fn begins_branch(&self) -> bool {
        matches!(&*self.kind, "span.start" | "tool.call")
            && self.attributes.branch == Some(Value::Bool(true))
    }

    pub(super) fn begins(&self) -> bool {
        self.begins_trace() || self.begins_branch()
    }

    pub(super) fn ends_trace(&self) -> bool {
        self.kind == "trace.end"
    }

    pub(super) fn ends_span(&self) -> bool {
        matches!(&*self.kind, "span.end" | "tool.result")
    }

    pub(super) fn span(&self) -> Option<u64> {
        u64::from_str_radix(self.span_id.as_deref()?, 16).ok()
    }

    fn failed(&self) -> bool {
        let status = self.status.as_deref();
        // What was given up is not what went wrong.
        let unsuccessful = self.outcome.success == Some(false) && status != Some("cancelled");
        status == Some("error")
            || unsuccessful
            || self.kind == "error"
            || self.error.kind.is_some()
            || self.error.message_preview.is_some()
    }

    /// When it happened and, of what ends, when that began, in nanoseconds since 1970.
    fn times(&self) -> impl Iterator<Item = i128> {
        [&self.started_at, &self.occurred_at]
            .into_iter()
            .filter_map(|at| crate::event::parse_time(at.as_deref()?).ok())
            .map(Timestamp::as_nanosecond)
    }

    fn is_score(&self) -> bool {
        matches!(&*self.kind, "feedback" | "eval.result") || self.outcome.eval_score.is_some()
    }

    /// The number that it was judged by, if it was one.
    fn score(&self) -> Option<f64> {
        let attributes = &self.attributes;
        self.outcome.eval_score.or_else(|| {
            [&attributes.score, &attributes.value]
                .into_iter()
                .find_map(|value| match value.as_ref()? {
                    Value::Bool(good) => Some(f64::from(u8::from(*good))),
                    value => value.as_f64(),
                })
        })
    }
}

/// What is known of a trace so far.
#[derive(Default)]
pub(super) struct Facts {
    failed: bool,
    scored: bool,
    lowest: Option<f64>,
    /// What each span has cost: an end says again what updates have said.
    costs: HashMap<u64, f64>,
    first: Option<i128>,
    last: Option<i128>,
}

impl Facts {
    pub(super) fn take(&mut self, event: &Event<'_>) {
        self.failed |= event.failed();
        if event.is_score() {
            self.scored = true;
            if let Some(score) = event.score() {
                self.lowest = Some(self.lowest.map_or(score, |lowest| lowest.min(score)));
            }
        }
        // What an agent reports is the sum over the calls below it.
        if let Some(cost) = event.usage.cost_usd
            && event.span_type.as_deref() != Some("agent")
        {
            self.costs.insert(event.span().unwrap_or(0), cost);
        }
        for at in event.times() {
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            self.last = Some(self.last.map_or(at, |last| last.max(at)));
        }
    }

    pub(super) fn meet(&self, rule: &Keep) -> bool {
        match rule {
            Keep::Failed => self.failed,
            Keep::Slow(least) => {
                let took = self.first.zip(self.last).map(|(first, last)| last - first);
                took.and_then(|took| u128::try_from(took).ok())
                    .is_some_and(|took| took >= least.as_nanos())
            }
            Keep::Cost(least) => {
                self.costs.values().sum::<f64>() >= *least && !self.costs.is_empty()
            }
            Keep::Scored => self.scored,
            Keep::ScoredAtMost(most) => self.lowest.is_some_and(|lowest| lowest <= *most),
        }
    }
}
