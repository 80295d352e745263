//! What each thread keeps to record: its lane, its source of ids and one reused buffer.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::capture::Words;
use crate::client::Shared;
use crate::clock::Ticks;
use crate::fork::{self, Birth};
use crate::queue::{Lane, Record};

/// A thread's means to record for one client.
pub(crate) struct Thread {
    pub(crate) id: u32,
    pub(crate) client: Arc<Shared>,
    pub(crate) ids: fastrand::Rng,
    pub(crate) payload: Words,
    lane: Lane,
    birth: Birth,
}

/// Buffers that have grown over this many words are given back after use: 256 KiB.
const PAYLOAD_KEPT: usize = 32 * 1024;

/// Events that are lost with a lane that cannot be opened: a start, and its end.
const UNOPENED: u64 = 2;

impl Thread {
    fn new(id: u32) -> Option<Self> {
        let client = Shared::find(id)?;
        let Some(lane) = client.lanes.open() else {
            let trace = super::current().trace;
            if trace != 0 {
                client.lanes.lost(trace, UNOPENED);
            }
            return None;
        };
        Some(Self {
            id,
            client,
            ids: fastrand::Rng::with_seed(fork::seed()),
            payload: Words::new(),
            lane,
            birth: Birth::now(),
        })
    }

    /// Whether what began then is another process's to end.
    pub(crate) fn is_foreign(&self, start: Ticks) -> bool {
        start < self.client.since
    }

    /// Forgets what is in the buffer.
    pub(crate) fn discard(&mut self) {
        self.clear();
    }

    /// A span id: random, never 0.
    #[inline]
    pub(crate) fn span_id(&mut self) -> u64 {
        self.ids.u64(..).max(1)
    }

    /// Sends a record with the payload in the buffer, and empties that. Returns whether it was taken.
    #[inline]
    pub(crate) fn push(&mut self, record: Record) -> bool {
        let taken = self.lane.push(record, &self.payload);
        self.clear();
        taken
    }

    /// The same for one that begins a span, whose end may be written into it.
    #[inline(always)]
    pub(crate) fn push_open(&mut self, record: Record) {
        self.lane.push_open(record, &self.payload);
        self.clear();
    }

    /// The same where there is no payload.
    #[inline(always)]
    pub(crate) fn push_open_bare(&mut self, record: Record) {
        self.lane.push_open(record, &[]);
    }

    /// Ends the span that the last record has begun, inside that record; `false` where something came between.
    #[inline]
    pub(crate) fn end_open(&mut self, span: u64, status: u8, at: u64) -> bool {
        let ended = self.lane.end_open(span, status, at, &self.payload);
        if ended {
            self.clear();
        }
        ended
    }

    /// The same where there is no payload.
    #[inline(always)]
    pub(crate) fn end_open_bare(&mut self, span: u64, status: u8, at: u64) -> bool {
        self.lane.end_open(span, status, at, &[])
    }

    #[inline]
    fn clear(&mut self) {
        self.payload.clear();
        if self.payload.capacity() > PAYLOAD_KEPT {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        self.payload.shrink_to(PAYLOAD_KEPT);
    }
}

struct Threads {
    last: Option<Thread>,
    others: Vec<Thread>,
}

thread_local! {
    static THREADS: RefCell<Threads> = const {
        RefCell::new(Threads { last: None, others: Vec::new() })
    };
}

/// Runs `f` with this thread's means to record for a client.
///
/// `None`, and nothing is recorded, where the client is gone, its queues are full, or this is a call from within a
/// capture (an annotated `Serialize`, `Debug`, allocator): such calls pass untraced.
#[inline]
pub(crate) fn with_thread<R>(client: u32, f: impl FnOnce(&mut Thread) -> R) -> Option<R> {
    if client == 0 {
        return None;
    }
    if THREADS.try_with(|_| ()).is_err() {
        return with_torn_down_thread(client, f);
    }
    with_live_thread(client, f)
}

/// The same, but `None` also where the thread is being torn down. What `f` does is compiled into the caller.
#[inline(always)]
pub(crate) fn with_live_thread<R>(client: u32, f: impl FnOnce(&mut Thread) -> R) -> Option<R> {
    let done = THREADS.try_with(|threads| {
        let mut threads = threads.try_borrow_mut().ok()?;
        let thread = match &mut threads.last {
            Some(thread) if thread.id == client && !thread.birth.is_past() => thread,
            _ => {
                threads.switch(client);
                threads.last.as_mut()?
            }
        };
        Some(f(thread))
    });
    done.ok().flatten()
}

/// What a thread records that is being torn down, in the destructors of its other thread-locals: each time with
/// means of its own. `None` where it is not being torn down.
#[cold]
#[inline(never)]
pub(crate) fn with_torn_down_thread<R>(client: u32, f: impl FnOnce(&mut Thread) -> R) -> Option<R> {
    thread_local! {
        // No destructor, so that it outlives `THREADS`.
        static BUSY: Cell<bool> = const { Cell::new(false) };
    }
    if client == 0 || THREADS.try_with(|_| ()).is_ok() || BUSY.replace(true) {
        return None;
    }
    let done = Thread::new(client).map(|mut thread| f(&mut thread));
    BUSY.set(false);
    done
}

impl Threads {
    #[cold]
    fn switch(&mut self, client: u32) {
        self.others.extend(self.last.take());
        self.others
            .retain(|thread| !thread.client.is_stopped() && !thread.birth.is_past());
        let known = self.others.iter().position(|thread| thread.id == client);
        self.last = match known {
            Some(index) => Some(self.others.swap_remove(index)),
            None => Thread::new(client),
        };
    }
}
