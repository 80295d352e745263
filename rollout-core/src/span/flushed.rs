//! The future of an agent: when it is done, its trace is brought to the spool (or delivered) before its value is
//! handed on.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use pin_project::pin_project;

use super::future::Instrumented;
use super::start::End;
use crate::client::{SpoolWait, flush_agent, flush_agent_async};
use crate::site::Flush;

/// The future of an agent whose value may be held by any thread while the flush is awaited.
#[must_use = "futures do nothing unless polled"]
#[pin_project]
pub struct Flushed<F: Future, E> {
    #[pin]
    inner: Instrumented<F, E>,
    flush: Flush,
    /// In a lock, which is never taken, so that the future stays `Sync` whatever the value is.
    waiting: Mutex<Option<(SpoolWait, F::Output)>>,
}

impl<F: Future, E> Flushed<F, E> {
    #[inline]
    pub(super) fn new(inner: Instrumented<F, E>) -> Self {
        Self {
            flush: inner.flush(),
            inner,
            waiting: Mutex::new(None),
        }
    }
}

impl<F, E> Future for Flushed<F, E>
where
    F: Future,
    E: FnOnce(&mut End<'_>, &F::Output),
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let waiting = this
            .waiting
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.is_none() {
            let value = ready!(this.inner.as_mut().poll(cx));
            let client = this.inner.recorded_by();
            let Some(wait) = flush_agent_async(client, *this.flush) else {
                return Poll::Ready(value);
            };
            *waiting = Some((wait, value));
        }
        if let Some((wait, _)) = waiting {
            ready!(Pin::new(wait).poll(cx));
        }
        match waiting.take() {
            Some((_, value)) => Poll::Ready(value),
            None => Poll::Pending,
        }
    }
}

/// The future of an agent whose value must not be held while other threads may have the future: it is as `Send` as
/// without the attribute, and waits for the flush where it is.
#[must_use = "futures do nothing unless polled"]
#[pin_project]
pub struct FlushedInPlace<F: Future, E> {
    #[pin]
    inner: Instrumented<F, E>,
    flush: Flush,
}

impl<F: Future, E> FlushedInPlace<F, E> {
    #[inline]
    pub(super) fn new(inner: Instrumented<F, E>) -> Self {
        Self {
            flush: inner.flush(),
            inner,
        }
    }
}

impl<F, E> Future for FlushedInPlace<F, E>
where
    F: Future,
    E: FnOnce(&mut End<'_>, &F::Output),
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let value = ready!(this.inner.as_mut().poll(cx));
        match this.inner.recorded_by() {
            0 => {}
            client => flush_agent(client, *this.flush),
        }
        Poll::Ready(value)
    }
}
