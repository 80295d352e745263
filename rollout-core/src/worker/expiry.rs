//! The end of somebody's patience, for futures on any runtime or none: one thread of ours looks at the clock for all of
//! them, four times a second, as long as there are any.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How exact it is.
const LOOK: Duration = Duration::from_millis(250);

static WAITING: Mutex<Vec<(Instant, oneshot::Sender<()>)>> = Mutex::new(Vec::new());
static SOMEBODY: Condvar = Condvar::new();

/// Resolves when its time has come, or soon after. Where the system has no thread to give, never.
#[derive(Debug)]
pub(super) struct Expiry(oneshot::Receiver<()>);

impl Expiry {
    pub(super) fn at(deadline: Instant) -> Self {
        static WATCH: OnceLock<bool> = OnceLock::new();
        let (sender, receiver) = oneshot::channel();
        let watched = WATCH.get_or_init(|| {
            let thread = thread::Builder::new().name("rollout-expiry".into());
            thread.spawn(watch).is_ok()
        });
        if *watched {
            let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((deadline, sender));
            if waiting.len() == 1 {
                SOMEBODY.notify_one();
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

fn watch() {
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let now = Instant::now();
        for (_, sender) in waiting.extract_if(.., |(deadline, sender)| {
            *deadline <= now || sender.is_closed()
        }) {
            // Whoever waited may have had an answer.
            let _ = sender.send(());
        }
        waiting = if waiting.is_empty() {
            SOMEBODY
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner)
        } else {
            let waited = SOMEBODY.wait_timeout(waiting, LOOK);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
    }
}
