//! Traces that have events which their rows do not know yet.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use rollout_core::event::Event;

/// Bytes of events that are kept at hand until they are folded; beyond that, they are read back.
const MOST_BYTES: usize = 256 << 20;

/// An event that this server has inserted.
#[derive(Clone)]
pub(super) struct Fresh {
    pub(super) arrived: i64,
    /// Empty where it is not known.
    pub(super) writer: Arc<str>,
    pub(super) event: Arc<Event>,
}

/// What is at hand of a trace.
#[derive(Default)]
pub(super) struct Hand {
    pub(super) events: Vec<Fresh>,
    bytes: usize,
}

impl Hand {
    /// How many events these are, each counted once for each process that has sent it.
    pub(super) fn count(&self) -> u64 {
        let ids = self.events.iter();
        let ids: HashSet<(&str, &str)> = ids
            .map(|fresh| (fresh.event.event_id.as_str(), &*fresh.writer))
            .collect();
        ids.len() as u64
    }
}

/// The traces of which something is to be folded, by their keys.
#[derive(Default)]
pub(super) struct Dirty(Mutex<State>);

#[derive(Default)]
struct State {
    traces: HashMap<String, Hand>,
    bytes: usize,
}

impl Dirty {
    /// Takes an event that is inserted.
    pub(super) fn add(&self, trace: &str, fresh: Fresh, bytes: usize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keep = state.bytes + bytes <= MOST_BYTES;
        if keep {
            state.bytes += bytes;
        }
        if !state.traces.contains_key(trace) {
            state.traces.insert(trace.to_owned(), Hand::default());
        }
        if let Some(hand) = state.traces.get_mut(trace)
            && keep
        {
            hand.events.push(fresh);
            hand.bytes += bytes;
        }
    }

    /// Has a trace folded again, from what the database has of it.
    pub(super) fn mark(&self, trace: String) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.traces.entry(trace).or_default();
    }

    /// All that is to be folded now.
    pub(super) fn take(&self) -> Vec<(String, Hand)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.traces).into_iter().collect()
    }

    /// What was taken is folded, or marked again: it is no longer at hand.
    pub(super) fn release(&self, hands: &[(String, Hand)]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: usize = hands.iter().map(|(_, hand)| hand.bytes).sum();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Whether something waits.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.traces.is_empty()
    }
}
