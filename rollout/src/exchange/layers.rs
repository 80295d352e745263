//! One call that passes several of our layers on its way, say a wrapped client over one with our middleware. The
//! outermost records it; those below count how often it comes by, which is how often it was tried.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    /// The calls on their way that are being polled here, the innermost last.
    static PASSING: RefCell<Vec<Arc<Call>>> = const { RefCell::new(Vec::new()) };
}

/// A call on its way.
#[derive(Debug)]
pub(super) struct Call {
    /// Host and path.
    address: String,
    body_bytes: usize,
    /// Each layer below, with how often the call came by.
    below: Mutex<Vec<(usize, u32)>>,
}

impl Call {
    pub(super) fn new(host: &str, path: &str, body_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            address: [host, path].concat(),
            body_bytes,
            below: Mutex::default(),
        })
    }

    /// Makes the call known to the layers below while `f` runs.
    pub(super) fn around<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> R {
        let _passing = Passing::enter(Arc::clone(self));
        f()
    }

    /// How often it was sent, as far as a layer below has seen; zero where there is none.
    pub(super) fn attempts(&self) -> u32 {
        let below = self.below.lock().unwrap_or_else(PoisonError::into_inner);
        below.iter().map(|(_, times)| *times).max().unwrap_or(0)
    }
}

/// Whether a layer above records this request already; then it was counted under this layer.
pub(super) fn is_recorded_above(layer: usize, host: &str, path: &str, body_bytes: usize) -> bool {
    let passing = |calls: &RefCell<Vec<Arc<Call>>>| {
        let calls = calls.try_borrow().ok()?;
        let call = calls.last()?;
        let is_same = call.address.strip_prefix(host) == Some(path);
        (is_same && call.body_bytes == body_bytes).then(|| Arc::clone(call))
    };
    let Some(call) = PASSING.try_with(passing).ok().flatten() else {
        return false;
    };
    let mut below = call.below.lock().unwrap_or_else(PoisonError::into_inner);
    match below.iter_mut().find(|(known, _)| *known == layer) {
        Some((_, times)) => *times += 1,
        None => below.push((layer, 1)),
    }
    true
}

/// Takes the call off the thread again, also while a panic passes.
struct Passing;

impl Passing {
    fn enter(call: Arc<Call>) -> Self {
        // Where the thread is on its way out, nothing below is recorded anyway.
        let _ = PASSING.try_with(|calls| calls.borrow_mut().push(call));
        Self
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = PASSING.try_with(|calls| calls.borrow_mut().pop());
    }
}
