//! Comparisons of large traces, kept for a moment: pages of one are asked for in a row.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Comparison;
use crate::{
    present::{self, Tone},
    query::TraceSummary,
    store::{Store, StoreError},
};

/// How many are kept.
const KEPT: usize = 4;
/// Those of fewer rows are made anew, which takes no time.
const LARGE: usize = 2_000;
/// How long that of traces which have ended is kept when something else in the store has changed. An event that comes
/// later than its trace's end is seen after that.
const AGE: Duration = Duration::from_secs(20);

/// Comparisons that were made lately.
#[derive(Default)]
pub struct Kept(Mutex<VecDeque<Entry>>);

struct Entry {
    asked: (String, String),
    revision: u64,
    made: Instant,
    comparison: Arc<Comparison>,
}

impl Entry {
    /// Whether it says what would be said now.
    fn holds(&self, store: &dyn Store, revision: u64) -> Result<bool, StoreError> {
        if self.revision == revision {
            return Ok(true);
        }
        let ended = |trace: &TraceSummary| present::status_tone(&trace.status) != Tone::Running;
        let (a, b) = (&self.comparison.a.summary, &self.comparison.b.summary);
        if self.made.elapsed() > AGE || !ended(a) || !ended(b) {
            return Ok(false);
        }
        for (asked, known) in [(&self.asked.0, a), (&self.asked.1, b)] {
            if store
                .trace(asked)?
                .is_none_or(|trace| trace.summary != *known)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Kept {
    /// Compares two traces by their ids or the caller's own, or finds that it has been done. `Err` of the inner result
    /// is the id that no trace has.
    pub fn read<'a>(
        &self,
        store: &dyn Store,
        a: &'a str,
        b: &'a str,
    ) -> Result<Result<Arc<Comparison>, &'a str>, StoreError> {
        let revision = *store.revision().borrow();
        let entry = self.take(a, b);
        if let Some(entry) = entry
            && entry.holds(store, revision)?
        {
            let comparison = Arc::clone(&entry.comparison);
            self.put(entry);
            return Ok(Ok(comparison));
        }
        let made = match Comparison::read(store, a, b)? {
            Ok(comparison) => Arc::new(comparison),
            Err(unknown) => return Ok(Err(unknown)),
        };
        if made.rows.len() >= LARGE {
            self.put(Entry {
                asked: (a.to_owned(), b.to_owned()),
                revision,
                made: Instant::now(),
                comparison: Arc::clone(&made),
            });
        }
        Ok(Ok(made))
    }

    fn take(&self, a: &str, b: &str) -> Option<Entry> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries
            .iter()
            .position(|entry| entry.asked.0 == a && entry.asked.1 == b)?;
        entries.remove(at)
    }

    fn put(&self, entry: Entry) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.truncate(KEPT - 1);
        entries.push_front(entry);
    }
}
