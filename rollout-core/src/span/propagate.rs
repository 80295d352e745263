//! Carrying the current span across tasks and threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project::pin_project;

use super::tasks::in_current_span;
use crate::context::{self, AttributesScope, Context, Restore, WithAttributes, attributes};

/// A future that is inside the span that was current when it was made, wherever it is polled.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
#[pin_project]
pub struct InCurrentSpan<F> {
    #[pin]
    inner: WithAttributes<F>,
    context: Context,
}

impl<F: Future> Future for InCurrentSpan<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _restore = Restore::enter(*this.context);
        this.inner.poll(cx)
    }
}

/// What can be done with any future to keep it in its trace.
pub trait TracedFuture: Future + Sized {
    /// Keeps the future inside the span that is current now, also on another task or thread.
    ///
    /// ```no_run
    /// use rollout_core::TracedFuture as _;
    /// # async fn work() {}
    /// # async fn example() {
    /// tokio::spawn(work().in_current_span());
    /// # }
    /// ```
    fn in_current_span(self) -> InCurrentSpan<Self> {
        InCurrentSpan {
            inner: attributes().around(self),
            context: context::current(),
        }
    }

    /// Keeps the future inside a scope of attributes.
    fn with_attributes(self, attributes: AttributesScope) -> WithAttributes<Self> {
        attributes.around(self)
    }
}

impl<F: Future> TracedFuture for F {}

/// Spawns a task on the current tokio runtime that begins inside the span that is current here.
///
/// # Panics
///
/// As [`tokio::spawn`] does, outside a runtime.
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.in_current_span())
}

/// Spawns a thread that begins inside the span that is current here.
///
/// # Panics
///
/// As [`std::thread::spawn`] does, where the system has no thread to give.
pub fn spawn_thread<F, T>(body: F) -> std::thread::JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    std::thread::spawn(in_current_span(body))
}
