//! Keeps events in memory, for tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::{Batch, ExportFuture, Exporter, Receipt};

/// How many events are kept unless [`MemoryExporter::with_capacity`] says otherwise.
const CAPACITY: usize = 100_000;

/// Keeps the last events in memory. Clones share what they keep: give one to the builder and
/// ask the other.
///
/// ```no_run
/// # fn main() -> Result<(), rollout_core::ConfigError> {
/// let memory = rollout_core::MemoryExporter::new();
/// let builder = rollout_core::builder().exporter(Box::new(memory.clone()));
/// // … build the client, run what is to be tested, flush …
/// assert_eq!(memory.events().len(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryExporter {
    kept: Arc<Mutex<VecDeque<Value>>>,
    capacity: usize,
}

impl Default for MemoryExporter {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryExporter {
    /// Keeps the last 100,000 events.
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// Keeps the last `capacity` events.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            kept: Arc::default(),
            capacity,
        }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Value>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events so far, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.kept().iter().cloned().collect()
    }

    /// Forgets them.
    pub fn clear(&self) {
        self.kept().clear();
    }
}

impl Exporter for MemoryExporter {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        let events: Vec<Value> = batch.parsed().filter_map(Result::ok).collect();
        let mut kept = self.kept();
        kept.extend(events);
        let over = kept.len().saturating_sub(self.capacity);
        kept.drain(..over);
        Box::pin(std::future::ready(Ok(Receipt::all())))
    }
}
