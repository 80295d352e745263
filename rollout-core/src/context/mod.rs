//! Which trace and span a thread is in.

mod attributes;
mod propagate;
mod surroundings;
mod thread;

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

pub use attributes::{AttributesGuard, AttributesScope, WithAttributes, attributes};
pub(crate) use attributes::{any_scope, put_scope, scope_of_thread};
pub use propagate::{AsParent, Carrier, ParseTraceparentError, SpanContext, extract, inject};
pub(crate) use propagate::{BAGGAGE_NAMES, BaggageKeys, Carried, Luggage, percent_decoded};
pub(crate) use surroundings::Surroundings;
pub(crate) use thread::{Thread, with_live_thread, with_thread, with_torn_down_thread};

/// The trace and span that work belongs to: 32 bytes, copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    /// 0: no trace is active.
    pub(crate) trace: u128,
    /// 0: directly under the trace.
    pub(crate) span: u64,
    /// The client that records, or 0 for the global one.
    pub(crate) client: u32,
    pub(crate) flags: u32,
}

/// The trace is recorded.
pub(crate) const SAMPLED: u32 = 1;
/// The trace is not: nothing below it is.
pub(crate) const UNSAMPLED: u32 = 1 << 1;
/// This span is the root of its trace: its end is the trace's.
pub(crate) const ROOT: u32 = 1 << 2;
/// The thread was unwinding already when this began.
pub(crate) const UNWINDING: u32 = 1 << 3;
/// This span is the topmost here of a trace that began elsewhere.
pub(crate) const BRANCH: u32 = 1 << 4;
/// The trace's id is known to be random.
pub(crate) const RANDOM: u32 = 1 << 5;
/// The trace is a rollout: what would begin a trace of its own elsewhere is a span of it.
pub(crate) const ROLLOUT: u32 = 1 << 6;
/// Where what came with the trace is kept.
pub(crate) const LUGGAGE: u32 = 0xffff << 16;
/// What is true of all of a trace.
pub(crate) const INHERITED: u32 = SAMPLED | UNSAMPLED | RANDOM | ROLLOUT | LUGGAGE;

impl Context {
    /// Nowhere.
    pub(crate) const NONE: Self = Self {
        trace: 0,
        span: 0,
        client: 0,
        flags: 0,
    };

    /// This context as its children see it: without what is only about its own end.
    #[inline]
    pub(crate) fn inherited(self) -> Self {
        Self {
            flags: self.flags & INHERITED,
            ..self
        }
    }
}

/// A [`Context`] in words that are read and written one by one: a copy of the whole soon after one word was written
/// would have to wait for that word.
struct Current {
    high: Cell<u64>,
    low: Cell<u64>,
    span: Cell<u64>,
    client: Cell<u32>,
    flags: Cell<u32>,
}

thread_local! {
    // No destructor, so that it can be read from the destructors of other thread-locals.
    static CURRENT: Current = const {
        Current {
            high: Cell::new(0),
            low: Cell::new(0),
            span: Cell::new(0),
            client: Cell::new(0),
            flags: Cell::new(0),
        }
    };
}

/// The number of running clients: with none, everything is off.
static ACTIVE: AtomicU32 = AtomicU32::new(0);

/// The number of the global client, or 0.
static GLOBAL: AtomicU32 = AtomicU32::new(0);

/// Whether anything may be recorded at all: one relaxed load.
#[inline]
pub(crate) fn is_on() -> bool {
    ACTIVE.load(Ordering::Relaxed) != 0
}

/// One more client runs.
pub(crate) fn client_started() {
    ACTIVE.fetch_add(1, Ordering::SeqCst);
}

/// One client less runs.
pub(crate) fn client_stopped(id: u32) {
    let _ = GLOBAL.compare_exchange(id, 0, Ordering::SeqCst, Ordering::SeqCst);
    ACTIVE.fetch_sub(1, Ordering::SeqCst);
}

/// Makes a client the global one.
pub(crate) fn set_global(id: u32) {
    GLOBAL.store(id, Ordering::SeqCst);
}

/// Where this thread is.
#[inline]
pub(crate) fn current() -> Context {
    CURRENT.with(|current| Context {
        trace: u128::from(current.high.get()) << 64 | u128::from(current.low.get()),
        span: current.span.get(),
        client: current.client.get(),
        flags: current.flags.get(),
    })
}

/// Whether this thread is at a span.
#[inline]
pub(crate) fn is_at(span: u64) -> bool {
    CURRENT.with(|current| current.span.get() == span)
}

/// Whether this thread is in a trace of which nothing is recorded.
#[inline]
pub(crate) fn is_unsampled() -> bool {
    CURRENT.with(|current| current.flags.get() & UNSAMPLED != 0)
}

/// Moves this thread to another span of the trace it is in.
#[inline]
pub(crate) fn set_span(span: u64) {
    CURRENT.with(|current| current.span.set(span));
}

/// Puts this thread somewhere else, and tells where it was.
#[inline]
pub(crate) fn replace(context: Context) -> Context {
    let was = self::current();
    CURRENT.with(|current| {
        current.high.set((context.trace >> 64) as u64);
        current.low.set(context.trace as u64);
        current.span.set(context.span);
        current.client.set(context.client);
        current.flags.set(context.flags);
    });
    was
}

/// The client that records what begins in this context: its own, else the global one, else 0.
#[inline]
pub(crate) fn client_of(context: Context) -> u32 {
    match context.client {
        0 => GLOBAL.load(Ordering::Relaxed),
        client => client,
    }
}

/// Puts the thread back where it was when dropped, also while unwinding.
pub(crate) struct Restore(Context);

impl Restore {
    /// Goes to `context` until dropped.
    #[inline]
    pub(crate) fn enter(context: Context) -> Self {
        Self(replace(context))
    }
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        replace(self.0);
    }
}
