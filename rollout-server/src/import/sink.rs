//! Events on their way into a store.

use std::sync::Arc;

use rollout_core::event::{Event, limit};

use crate::store::{Origin, Pending, Store, StoreError};

/// Bytes of lines whose events are stored together.
const BATCH_BYTES: usize = 4 << 20;

/// Hands events to a store in batches, one being written while the next is read.
pub(super) struct Sink {
    store: Arc<dyn Store>,
    events: Vec<Event>,
    bytes: usize,
    pending: Option<Pending>,
}

impl Sink {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            events: Vec::new(),
            bytes: 0,
            pending: None,
        }
    }

    /// Takes events that are so many bytes on the line.
    pub(super) fn push(
        &mut self,
        events: impl IntoIterator<Item = Event>,
        bytes: usize,
    ) -> Result<(), StoreError> {
        self.events.extend(events);
        self.bytes += bytes;
        if self.events.len() >= limit::BATCH_EVENTS || self.bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands over what there is, when what was handed over before is committed.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let events = std::mem::take(&mut self.events);
        if let Some(pending) = self.pending.take() {
            pending.wait()?;
        }
        if !events.is_empty() {
            self.pending = Some(self.store.append(events, Origin::Request(None)));
        }
        Ok(())
    }

    /// Waits until everything is committed.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.flush()?;
        match self.pending.take() {
            Some(pending) => pending.wait(),
            None => Ok(()),
        }
    }
}
