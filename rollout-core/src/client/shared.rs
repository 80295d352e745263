//! What a client's handles, the threads that record for it and its worker share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use super::Inner;
use super::later::Later;
use crate::capture::KeyMatcher;
use crate::clock::Ticks;
use crate::context::BaggageKeys;
use crate::fork::Birth;
use crate::queue::Lanes;
use crate::stats::Counters;
use crate::worker::Commands;

/// What the caller's side needs to know of the configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) capture_input: bool,
    pub(crate) capture_output: bool,
    /// Bytes of one captured value.
    pub(crate) max_value_bytes: usize,
    pub(crate) keys: KeyMatcher,
    /// Traces whose low half is at most this are recorded.
    pub(crate) sampled_up_to: Option<u64>,
    /// What of a trace's identity goes to other processes, and is believed of them.
    pub(crate) baggage: BaggageKeys,
}

impl Settings {
    /// The bound for [`Settings::sampled_up_to`] of a rate from 0 to 1.
    pub(crate) fn threshold(rate: f64) -> Option<u64> {
        // A cast from float saturates, so 1.0 takes every trace.
        (rate > 0.0).then_some((rate * u64::MAX as f64) as u64)
    }

    /// Whether this trace is recorded: by its id, so that all processes agree.
    #[inline]
    pub(crate) fn samples(&self, trace: u128) -> bool {
        self.sampled_up_to
            .is_some_and(|threshold| trace as u64 <= threshold)
    }
}

/// The part of a client that threads hold on to.
#[derive(Debug)]
pub(crate) struct Shared {
    /// From 1; never used twice, but for what takes a client's place in a forked child.
    pub(crate) id: u32,
    pub(crate) settings: Settings,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) later: Arc<Later>,
    pub(crate) commands: Commands,
    /// The handles' side, for those who find the client by the current span.
    pub(super) inner: Weak<Inner>,
    stopped: AtomicBool,
    birth: Birth,
    /// In a forked child, when it began: what began before is the parent's. Else 0.
    pub(crate) since: Ticks,
}

static NEXT: AtomicU32 = AtomicU32::new(1);
static RUNNING: RwLock<Option<HashMap<u32, Arc<Shared>>>> = RwLock::new(None);

impl Shared {
    /// A running client, found by its number from now on. In a forked child, it has the place and the number of
    /// another one.
    pub(super) fn start(
        settings: Settings,
        max_queue_bytes: usize,
        counters: Arc<Counters>,
        commands: Commands,
        inner: Weak<Inner>,
        (place_of, since): (Option<u32>, Ticks),
    ) -> Arc<Self> {
        let lanes = Lanes::new(max_queue_bytes, Arc::clone(&counters));
        let shared = Arc::new(Self {
            id: place_of.unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed)),
            settings,
            later: Later::new(Arc::clone(&lanes), counters),
            lanes,
            commands,
            inner,
            stopped: AtomicBool::new(false),
            birth: Birth::now(),
            since,
        });
        if place_of.is_none() {
            RUNNING
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_default()
                .insert(shared.id, Arc::clone(&shared));
            crate::context::client_started();
        }

        shared
    }

    /// The running client of a number; in a forked child, the one that was started there in its place.
    pub(crate) fn find(id: u32) -> Option<Arc<Self>> {
        let running = RUNNING.read().unwrap_or_else(PoisonError::into_inner);
        let found = running.as_ref()?.get(&id).cloned()?;
        drop(running);
        if !found.birth.is_past() {
            return Some(found);
        }
        found.inner.upgrade()?.here().shared.clone()
    }

    /// No thread records for this client from now on. Returns whether it was running.
    pub(crate) fn stop(&self) -> bool {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return false;
        }
        if self.since == 0 {
            let mut running = RUNNING.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(running) = running.as_mut() {
                running.remove(&self.id);
            }
        }
        // In a forked child, this one is counted in the place of the parent's.
        crate::context::client_stopped(self.id);
        self.lanes.close();
        true
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
