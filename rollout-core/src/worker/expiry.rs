//! The end of somebody's patience, for futures on any runtime or none: one thread of a client's looks at the clock for
//! all who wait for it, four times a second, as long as there are any.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How exact it is.
const LOOK: Duration = Duration::from_millis(250);

/// How long the thread waits for somebody to come.
const LINGER: Duration = Duration::from_secs(10);

/// Who waits for one client. A forked child has a client of its own, and so a thread of its own.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    state: Mutex<State>,
    somebody: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(Instant, oneshot::Sender<()>)>,
    has_thread: bool,
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks until nobody has come for a while.
    fn look(&self) {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            for (_, sender) in state.waiting.extract_if(.., |(deadline, sender)| {
                *deadline <= now || sender.is_closed()
            }) {
                // Whoever waited may have had an answer.
                let _ = sender.send(());
            }
            let was_empty = state.waiting.is_empty();
            let pause = if was_empty { LINGER } else { LOOK };
            let waited = self.somebody.wait_timeout(state, pause);
            let (next, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            if was_empty && waited.timed_out() && state.waiting.is_empty() {
                state.has_thread = false;
                return;
            }
        }
    }
}

/// Resolves when its time has come, or soon after. Where the system has no thread to give, never.
#[derive(Debug)]
pub(super) struct Expiry(oneshot::Receiver<()>);

impl Expiry {
    pub(super) fn at(watch: &Arc<Watch>, deadline: Instant) -> Self {
        let (sender, receiver) = oneshot::channel();
        let mut state = watch.state();
        if !mem::replace(&mut state.has_thread, true) {
            let of_thread = Arc::clone(watch);
            let thread = thread::Builder::new().name("rollout-expiry".into());
            state.has_thread = thread.spawn(move || of_thread.look()).is_ok();
        }
        if state.has_thread {
            state.waiting.push((deadline, sender));
            if state.waiting.len() == 1 {
                watch.somebody.notify_one();
            }
        }
        Self(receiver)
    }
}

impl Future for Expiry {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            // Nobody watches.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}
