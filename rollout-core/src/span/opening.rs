//! The futures of `async fn`s that give a stream or an iterator: their span stays open when they are done.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use pin_project::pin_project;

use super::future::Instrumented;
use super::opened::Opened;

/// A future inside a span that what it gives takes over.
#[must_use = "futures do nothing unless polled"]
#[pin_project]
pub struct Opening<F: Future, I, R> {
    #[pin]
    inner: Instrumented<F, I>,
    follow: Follow<F::Output, I, R>,
}

/// Goes on with the span, if there is one.
pub(super) type Follow<T, I, R> = fn(T, Option<(Opened, I)>) -> R;

impl<F: Future, I, R> Opening<F, I, R> {
    #[inline]
    pub(super) fn new(inner: Instrumented<F, I>, follow: Follow<F::Output, I, R>) -> Self {
        Self { inner, follow }
    }
}

impl<F: Future, I, R> Future for Opening<F, I, R> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R> {
        let mut this = self.project();
        let value = ready!(this.inner.as_mut().poll_inside(cx));
        let open = this.inner.take_open();
        Poll::Ready((this.follow)(value, open))
    }
}
