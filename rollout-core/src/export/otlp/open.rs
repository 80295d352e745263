//! What is known of spans and traces that are not over, and of those that are of late.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::facts::{Root, SpanFacts, TraceFacts};

/// What is known of open spans and traces may take so many bytes, about, and be of so many of them.
const MOST_BYTES: usize = 32 << 20;
const MOST_OPEN: usize = 64 * 1024;

/// Traces that are over and remembered, because more may be said of them.
const MOST_ENDED: usize = 16 * 1024;

/// Where an event is from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) writer: Option<Arc<str>>,
    /// The number of its batch.
    pub(super) batch: u64,
    /// Its index there.
    pub(super) index: usize,
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Trace(u128),
    Span(u128, u64),
}

/// Something that is kept, since when, and what it takes.
#[derive(Debug)]
struct Kept<T> {
    facts: T,
    age: u64,
    weight: usize,
}

/// What began where.
#[derive(Debug)]
struct Age {
    key: Key,
    writer: Option<Arc<str>>,
    batch: u64,
}

/// All that is open.
#[derive(Debug, Default)]
pub(super) struct Open {
    traces: HashMap<u128, Kept<TraceFacts>>,
    spans: HashMap<(u128, u64), Kept<SpanFacts>>,
    /// All of them, the oldest first.
    ages: BTreeMap<u64, Age>,
    next_age: u64,
    bytes: usize,
    /// Whether something was forgotten, and that was said.
    told: bool,
    /// What stands for traces that are over.
    ended: HashMap<u128, Root>,
    ended_in_order: VecDeque<u128>,
}

impl Open {
    /// The batch in which the oldest began that a writer has open.
    pub(super) fn needs_from(&self, writer: Option<&str>) -> Option<u64> {
        let mut ages = self.ages.values();
        let oldest = ages.find(|age| age.writer.as_deref() == writer)?;
        Some(oldest.batch)
    }

    /// All that a writer has open, the oldest first.
    pub(super) fn of_writer(&self, writer: Option<&str>) -> Vec<Key> {
        let ages = self.ages.values();
        let of_writer = ages.filter(|age| age.writer.as_deref() == writer);
        of_writer.map(|age| age.key).collect()
    }

    pub(super) fn trace(&self, trace: u128) -> Option<&TraceFacts> {
        self.traces.get(&trace).map(|kept| &kept.facts)
    }

    pub(super) fn span(&self, trace: u128, id: u64) -> Option<&SpanFacts> {
        self.spans.get(&(trace, id)).map(|kept| &kept.facts)
    }

    /// Changes what is known of a trace, if anything is. Returns whether that is so.
    pub(super) fn with_trace(&mut self, trace: u128, change: impl FnOnce(&mut TraceFacts)) -> bool {
        let Some(kept) = self.traces.get_mut(&trace) else {
            return false;
        };
        change(&mut kept.facts);
        let weight = kept.facts.weight();
        self.bytes = self.bytes + weight - kept.weight;
        kept.weight = weight;
        true
    }

    /// The same of a span.
    pub(super) fn with_span(
        &mut self,
        trace: u128,
        id: u64,
        change: impl FnOnce(&mut SpanFacts),
    ) -> bool {
        let Some(kept) = self.spans.get_mut(&(trace, id)) else {
            return false;
        };
        change(&mut kept.facts);
        let weight = kept.facts.weight();
        self.bytes = self.bytes + weight - kept.weight;
        kept.weight = weight;
        true
    }

    /// Begins to keep a trace, unless that has begun.
    pub(super) fn keep_trace(&mut self, trace: u128, origin: &Origin) {
        if self.traces.contains_key(&trace) {
            return;
        }
        let facts = TraceFacts {
            root: self.root(trace),
            ..TraceFacts::default()
        };
        let kept = Kept {
            facts,
            age: self.age(Key::Trace(trace), origin),
            weight: 0,
        };
        self.traces.insert(trace, kept);
    }

    /// Begins to keep a span of a trace that is kept.
    pub(super) fn keep_span(&mut self, trace: u128, span: SpanFacts, origin: &Origin) {
        let id = span.id;
        let kept = Kept {
            facts: span,
            age: self.age(Key::Span(trace, id), origin),
            weight: 0,
        };
        self.spans.insert((trace, id), kept);
        self.with_span(trace, id, |_| {});
        self.with_trace(trace, |facts| facts.open += 1);
    }

    fn age(&mut self, key: Key, origin: &Origin) -> u64 {
        self.next_age += 1;
        let age = Age {
            key,
            writer: origin.writer.clone(),
            batch: origin.batch,
        };
        self.ages.insert(self.next_age, age);
        self.next_age
    }

    pub(super) fn forget_span(&mut self, trace: u128, id: u64) -> Option<SpanFacts> {
        let kept = self.spans.remove(&(trace, id))?;
        self.ages.remove(&kept.age);
        self.bytes -= kept.weight;
        self.with_trace(trace, |facts| facts.open = facts.open.saturating_sub(1));
        Some(kept.facts)
    }

    /// Keeps of a trace no more than what stands for it.
    pub(super) fn forget_trace(&mut self, trace: u128) -> Option<TraceFacts> {
        let kept = self.traces.remove(&trace)?;
        self.ages.remove(&kept.age);
        self.bytes -= kept.weight;
        if self.ended.insert(trace, kept.facts.root).is_none() {
            self.ended_in_order.push_back(trace);
        }
        if self.ended_in_order.len() > MOST_ENDED
            && let Some(oldest) = self.ended_in_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        Some(kept.facts)
    }

    /// A trace is over with its end and that of its last span; one that began elsewhere with the latter.
    pub(super) fn forget_if_over(&mut self, trace: u128) {
        let is_over = self.trace(trace).is_some_and(|facts| {
            facts.open == 0 && (facts.began.is_none() || facts.ended.is_some())
        });
        if is_over {
            self.forget_trace(trace);
        }
    }

    /// What stands for a trace, as far as it is known or remembered.
    pub(super) fn root(&self, trace: u128) -> Root {
        match self.trace(trace) {
            Some(facts) => facts.root,
            None => self.ended.get(&trace).copied().unwrap_or_default(),
        }
    }

    /// Forgets what began first, until the rest is within the bounds.
    pub(super) fn bound(&mut self) {
        while self.bytes > MOST_BYTES || self.ages.len() > MOST_OPEN {
            let Some((_, Age { key, .. })) = self.ages.first_key_value() else {
                return;
            };
            match *key {
                Key::Span(trace, id) => drop(self.forget_span(trace, id)),
                Key::Trace(trace) => drop(self.forget_trace(trace)),
            }
            if !std::mem::replace(&mut self.told, true) {
                log::warn!(
                    "rollout: open spans take more than {MOST_BYTES} bytes of an exporter's memory, or are more than \
                     {MOST_OPEN}: of those that began first, what their ends do not say is missing \
                     (`rollout.incomplete`); this is said once"
                );
            }
        }
    }
}
