//! How the first statement of a future tells the wrapper around it which span it has opened.
//!
//! Each future that is polled for the first time has a slot, those inside one another one each. All in it is read and
//! written word by word: a copy of the whole, so soon after it was written in parts, would have to wait for each of
//! them (measured, `benches/span.rs`).

use std::cell::Cell;

use super::opened::Opened;
use crate::context::Context;
use crate::site::{CallSite, SiteText};

/// Futures polled for the first time inside one another for which there is a slot. A deeper one borrows the last.
const SLOTS: usize = 16;

struct Slot {
    /// What the first statement is to open, until it has.
    wanted: Cell<Option<SiteText>>,
    /// Where it was opened, if it was; then all else is known too.
    site: Cell<Option<&'static CallSite>>,
    high: Cell<u64>,
    span: Cell<u64>,
    low: Cell<u64>,
    parent: Cell<u64>,
    client: Cell<u32>,
    start: Cell<u64>,
    flags: Cell<u32>,
}

impl Slot {
    const fn empty() -> Self {
        Self {
            wanted: Cell::new(None),
            site: Cell::new(None),
            high: Cell::new(0),
            span: Cell::new(0),
            low: Cell::new(0),
            parent: Cell::new(0),
            client: Cell::new(0),
            start: Cell::new(0),
            flags: Cell::new(0),
        }
    }

    #[inline(always)]
    fn put(&self, opened: &Opened) {
        let Context {
            trace,
            span,
            client,
            flags,
        } = opened.context;
        self.high.set((trace >> 64) as u64);
        self.low.set(trace as u64);
        self.span.set(span);
        self.client.set(client);
        self.flags.set(flags);
        self.parent.set(opened.parent);
        self.start.set(opened.start);
        self.site.set(Some(opened.site));
    }

    #[inline(always)]
    fn take(&self) -> Option<Opened> {
        self.wanted.set(None);
        let site = self.site.take()?;
        Some(Opened {
            context: Context {
                trace: u128::from(self.high.get()) << 64 | u128::from(self.low.get()),
                span: self.span.get(),
                client: self.client.get(),
                flags: self.flags.get(),
            },
            parent: self.parent.get(),
            start: self.start.get(),
            site,
        })
    }
}

struct Slots {
    slots: [Slot; SLOTS],
    /// How many futures are being polled for the first time here.
    depth: Cell<usize>,
}

thread_local! {
    // No destructor, so that it is there as long as the thread is.
    static HANDOFFS: Slots = const {
        Slots { slots: [const { Slot::empty() }; SLOTS], depth: Cell::new(0) }
    };
}

impl Slots {
    /// That of the innermost future.
    #[inline(always)]
    fn last(&self) -> Option<&Slot> {
        let index = self.depth.get().checked_sub(1)?;
        self.slots.get(index.min(SLOTS - 1))
    }
}

/// A future that waits for its first statement.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What was in the slot that it has borrowed.
    before: Option<Box<Opened>>,
}

/// Asks the first statement of the future that is polled next for a span.
#[inline(always)]
pub(super) fn ask(site: SiteText) -> Waiting {
    HANDOFFS.with(|handoffs| {
        let depth = handoffs.depth.get();
        handoffs.depth.set(depth + 1);
        let before = match handoffs.last() {
            Some(slot) if depth >= SLOTS => slot.take().map(Box::new),
            _ => None,
        };
        if let Some(slot) = handoffs.last() {
            slot.wanted.set(Some(site));
        }
        Waiting { before }
    })
}

/// What the first statement of a future is asked to open; nothing if it is not.
#[inline(always)]
pub(super) fn asked() -> Option<SiteText> {
    HANDOFFS.with(|handoffs| handoffs.last()?.wanted.take())
}

/// Says what it has opened.
#[inline(always)]
pub(super) fn answer(opened: &Opened) {
    HANDOFFS.with(|handoffs| {
        if let Some(slot) = handoffs.last() {
            slot.put(opened);
        }
    });
}

impl Waiting {
    /// The answer, once the future was polled.
    #[inline(always)]
    pub(super) fn end(self) -> Option<Opened> {
        HANDOFFS.with(|handoffs| {
            let opened = handoffs.last().and_then(Slot::take);
            if let (Some(before), Some(slot)) = (self.before, handoffs.last()) {
                slot.put(&before);
            }
            handoffs.depth.set(handoffs.depth.get().saturating_sub(1));
            opened
        })
    }
}
