//! The body of an answer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use super::served::Served;

/// A body that is read inside the span of its request, which ends with it.
#[pin_project]
pub struct ServedBody<B> {
    #[pin]
    body: B,
    served: Option<Served>,
}

impl<B> fmt::Debug for ServedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedBody").finish_non_exhaustive()
    }
}

impl<B: Body> ServedBody<B> {
    pub(super) fn new(body: B, mut served: Option<Served>, is_read: bool) -> Self {
        if (body.is_end_stream() || !is_read)
            && let Some(served) = served.take()
        {
            served.done();
        }
        Self { body, served }
    }
}

impl<B: Body> Body for ServedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(served) = &*this.served else {
            return this.body.poll_frame(cx);
        };
        let polled = served.in_scope(|| this.body.as_mut().poll_frame(cx));
        let is_over = match &polled {
            Poll::Ready(None) => true,
            // Who reads by the length stops before the end is told.
            Poll::Ready(Some(Ok(_))) => this.body.is_end_stream(),
            Poll::Ready(Some(Err(_))) => {
                if let Some(served) = this.served.take() {
                    served.failed(std::any::type_name::<B::Error>(), &"the body broke off");
                }
                false
            }
            Poll::Pending => false,
        };
        if is_over && let Some(served) = this.served.take() {
            served.done();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
