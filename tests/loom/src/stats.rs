//! The counters that the queue needs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    QueueFull,
    AfterShutdown,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    full: AtomicU64,
    late: AtomicU64,
}

impl Counters {
    pub(crate) fn dropped(&self, reason: DropReason, count: u64) {
        self.of(reason).fetch_add(count, Relaxed);
    }

    pub(crate) fn count(&self, reason: DropReason) -> u64 {
        self.of(reason).load(Relaxed)
    }

    fn of(&self, reason: DropReason) -> &AtomicU64 {
        match reason {
            DropReason::QueueFull => &self.full,
            DropReason::AfterShutdown => &self.late,
        }
    }
}
