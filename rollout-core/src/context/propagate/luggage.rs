//! What a trace has brought along and hands on, beside its ids.
//!
//! It is kept apart, so that a context stays 32 bytes: the upper half of its flags says where. There are so many places;
//! the one that was filled longest ago is filled next, and what its trace had there is then no longer handed on. So
//! memory is bounded by traces that are under way at once, and nobody has to say when one is over.

use std::sync::{Arc, Mutex, PoisonError};

use super::Carried;
use crate::context::{Context, LUGGAGE};

/// Traces that have luggage at one time.
const PLACES: usize = 4096;

/// What travels with a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Luggage {
    pub(crate) tracestate: String,
    pub(crate) carried: Carried,
}

impl Luggage {
    pub(crate) fn is_empty(&self) -> bool {
        self.tracestate.is_empty() && self.carried.is_empty()
    }

    /// Keeps it for a trace; gives the flags by which the trace's contexts find it.
    pub(crate) fn keep(self, trace: u128) -> u32 {
        if self.is_empty() {
            return 0;
        }
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.next = kept.next % PLACES + 1;
        let place = kept.next;
        if kept.places.len() < place {
            kept.places.push((0, Arc::default()));
        }
        kept.places[place - 1] = (trace, Arc::new(self));
        (place as u32) << LUGGAGE.trailing_zeros()
    }
}

struct Kept {
    /// The place that was filled last, from 1.
    next: usize,
    places: Vec<(u128, Arc<Luggage>)>,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept {
    next: 0,
    places: Vec::new(),
});

/// What the trace of a context has brought along.
pub(crate) fn find(context: Context) -> Option<Arc<Luggage>> {
    let place = (context.flags & LUGGAGE) >> LUGGAGE.trailing_zeros();
    let index = usize::try_from(place).ok()?.checked_sub(1)?;
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let (trace, luggage) = kept.places.get(index)?;
    (*trace == context.trace).then(|| Arc::clone(luggage))
}
