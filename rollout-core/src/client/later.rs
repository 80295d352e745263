//! Work that is put off until the worker has time: it makes a part of a record from what the caller has at hand, say
//! the bytes of a model's answer, so that the caller does not have to read them.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::capture::Words;
use crate::queue::Lanes;
use crate::stats::{Counters, DropReason};

/// Appends fields to a payload.
type Work = Box<dyn FnOnce(&mut Words) + Send>;

/// Work by its number, within the budget of the queues.
pub(crate) struct Later {
    lanes: Arc<Lanes>,
    counters: Arc<Counters>,
    next: AtomicU64,
    /// With the bytes that each holds on to.
    works: Mutex<HashMap<u64, (usize, Work)>>,
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").finish_non_exhaustive()
    }
}

impl Later {
    pub(super) fn new(lanes: Arc<Lanes>, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            lanes,
            counters,
            next: AtomicU64::new(1),
            works: Mutex::default(),
        })
    }

    /// Keeps work that holds on to so many bytes, and gives its number; nothing, and that is counted as a value cut,
    /// where the budget is spent.
    pub(crate) fn put(&self, bytes: usize, work: Work) -> Option<u64> {
        if !self.lanes.take_budget(bytes) {
            self.counters.dropped(DropReason::ValueCut, 1);
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.works().insert(number, (bytes, work));
        Some(number)
    }

    /// Does the work of a number. What panics costs what it had to say.
    pub(crate) fn run(&self, number: u64) -> Words {
        let mut payload = Words::new();
        if let Some(work) = self.take(number)
            && catch_unwind(AssertUnwindSafe(|| work(&mut payload))).is_err()
        {
            payload.clear();
            self.counters.dropped(DropReason::ValueCut, 1);
        }
        payload
    }

    /// Leaves the work of a number undone.
    pub(crate) fn forget(&self, number: u64) {
        drop(self.take(number));
    }

    /// Leaves all work undone.
    pub(crate) fn clear(&self) {
        let works = std::mem::take(&mut *self.works());
        for (bytes, _) in works.into_values() {
            self.lanes.give_budget(bytes);
        }
    }

    fn take(&self, number: u64) -> Option<Work> {
        let (bytes, work) = self.works().remove(&number)?;
        self.lanes.give_budget(bytes);
        Some(work)
    }

    fn works(&self) -> MutexGuard<'_, HashMap<u64, (usize, Work)>> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
