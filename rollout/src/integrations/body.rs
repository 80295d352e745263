//! The body of an answer, with an eye on what passes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::exchange::Exchange;

/// A body that tells its exchange of every chunk, and of its end.
pub(super) struct Watched<B: Body> {
    body: B,
    /// Its length was told ahead.
    is_measured: bool,
    exchange: Option<Exchange>,
    told: fn(&B::Error) -> String,
}

impl<B: Body> Watched<B> {
    /// `told` puts a failure in words.
    pub(super) fn new(body: B, exchange: Exchange, told: fn(&B::Error) -> String) -> Self {
        Self {
            is_measured: body.size_hint().exact().is_some(),
            body,
            exchange: Some(exchange),
            told,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(exchange), Some(bytes)) = (&mut self.exchange, frame.data_ref()) {
                    exchange.chunk(bytes);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.broken((self.told)(error));
                }
            }
            Poll::Ready(None) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.done();
                }
            }
            Poll::Pending => {}
        }
        // Who reads by the length stops before the end is told.
        if self.is_measured
            && polled.is_ready()
            && self.body.is_end_stream()
            && let Some(exchange) = self.exchange.take()
        {
            exchange.done();
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

impl<B: Body> Drop for Watched<B> {
    /// Who takes the last bytes need not ask whether there are more.
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take()
            && self.body.is_end_stream()
        {
            exchange.done();
        }
    }
}
