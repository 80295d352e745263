//! Which boxed tools are wrapped already: a tool that is wrapped twice is recorded once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where wrapped tools are in memory. A wrapped tool holds something, so it has a place of its own as long as it lives.
static WRAPPED: Mutex<Option<HashSet<usize>>> = Mutex::new(None);

fn with<R>(work: impl FnOnce(&mut HashSet<usize>) -> R) -> R {
    let mut wrapped = WRAPPED.lock().unwrap_or_else(PoisonError::into_inner);
    work(wrapped.get_or_insert_default())
}

fn place<T: ?Sized>(tool: &T) -> usize {
    std::ptr::from_ref(tool).cast::<()>().addr()
}

/// Whether this tool has been wrapped.
pub(super) fn is_wrapped<T: ?Sized>(tool: &T) -> bool {
    with(|wrapped| wrapped.contains(&place(tool)))
}

/// Held by a wrapped tool for as long as it lives.
#[derive(Default)]
pub(super) struct Mark(Arc<AtomicUsize>);

impl Mark {
    /// The same mark, to be set once the tool has its place.
    pub(super) fn setter(&self) -> Setter {
        Setter(Arc::clone(&self.0))
    }
}

pub(super) struct Setter(Arc<AtomicUsize>);

impl Setter {
    pub(super) fn set<T: ?Sized>(self, tool: &T) {
        self.0.store(place(tool), Ordering::Relaxed);
        with(|wrapped| wrapped.insert(place(tool)));
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let place = self.0.load(Ordering::Relaxed);
        if place != 0 {
            with(|wrapped| wrapped.remove(&place));
        }
    }
}
