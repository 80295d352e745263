//! Traces of which nothing is left, not even a mark: what more comes of them says what they have lost.

use std::collections::{HashMap, VecDeque};

/// Traces that are remembered at most; the ones that went last.
const MOST: usize = 32 * 1024;

/// How many events each of them has lost.
#[derive(Debug, Default)]
pub(super) struct Unsaid {
    lost: HashMap<u128, u64>,
    /// In the order in which they went; some may be in it no more, or twice.
    order: VecDeque<u128>,
}

impl Unsaid {
    /// Remembers that a trace has lost so many events more.
    pub(super) fn add(&mut self, trace: u128, lost: u64) {
        let of_trace = self.lost.entry(trace).or_insert_with(|| {
            self.order.push_back(trace);
            0
        });
        *of_trace += lost;
        while self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.lost.remove(&oldest);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lost.is_empty()
    }

    pub(super) fn contains(&self, trace: u128) -> bool {
        self.lost.contains_key(&trace)
    }

    /// What a trace has lost: it is being said.
    pub(super) fn take(&mut self, trace: u128) -> Option<u64> {
        self.lost.remove(&trace)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Unsaid};

    #[test]
    fn those_that_went_last_are_remembered() {
        let mut unsaid = Unsaid::default();
        let count = 3 * MOST as u128;
        for trace in 1..=count {
            unsaid.add(trace, 2);
            unsaid.add(trace, 1);
        }
        assert_eq!(unsaid.lost.len(), MOST);
        assert!(!unsaid.contains(count - MOST as u128));
        assert_eq!(unsaid.take(count - MOST as u128 + 1), Some(3));
        assert_eq!(unsaid.take(count), Some(3));
        assert_eq!(unsaid.take(count), None);
    }
}
