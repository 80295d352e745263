//! Bodies of requests, read within bounds of size, time and memory.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};
use futures::StreamExt;
use http_body_util::{BodyExt, Limited};
use hyper::body::Frame;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use super::error::ApiError;
use crate::ingest::{MAX_BODY, Refusal};

/// KiB that all bodies which are being read or decoded may take together.
const BUDGET: usize = 512 << 10;
/// The longest pause that a sender may make, and the longest time it may take.
const PAUSE: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_mins(1);
/// The longest pause in a body that nobody wants: its sender waits for the answer.
const REST_PAUSE: Duration = Duration::from_secs(1);
/// What is read and thrown away of a body that nobody wants.
const THROWN_AWAY: usize = 1 << 30;

/// The memory that bodies may take.
#[derive(Clone)]
pub(super) struct Bodies(Arc<Semaphore>);

/// A body, and its share of the memory, which it holds as long as it lives.
pub(super) struct Read {
    pub(super) bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl Bodies {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET)))
    }

    /// Reads a body of at most [`MAX_BODY`] bytes.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Read, ApiError> {
        let declared = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let share = kibibytes(declared.unwrap_or(MAX_BODY).min(MAX_BODY)) + kibibytes(MAX_BODY);
        let share = Arc::clone(&self.0)
            .try_acquire_many_owned(share)
            .map_err(|_| {
                ApiError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "busy",
                    "too many bodies are being read: try again",
                )
            })?;
        let mut bytes = Vec::with_capacity(declared.unwrap_or(0).min(MAX_BODY));
        let mut chunks = body.into_data_stream();
        let end = Instant::now() + WHOLE;
        loop {
            let next = timeout_at(end, timeout(PAUSE, chunks.next())).await;
            let chunk = match next {
                Ok(Ok(None)) => break,
                Ok(Ok(Some(chunk))) => chunk.map_err(|error| {
                    ApiError::bad_request("broken_body", format!("the body broke off: {error}"))
                })?,
                Ok(Err(_)) | Err(_) => {
                    return Err(ApiError::new(
                        StatusCode::REQUEST_TIMEOUT,
                        "too_slow",
                        "the body came too slowly",
                    ));
                }
            };
            if bytes.len() + chunk.len() > MAX_BODY {
                return Err(Refusal::TooLarge.into());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Read {
            bytes: bytes.into(),
            _share: share,
        })
    }
}

/// Reads what a handler has left of a body, and throws it away, before the answer goes out. A
/// connection that is closed on unread bytes loses the answer too, and a sender that would learn
/// why it was refused sees a broken connection instead.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let waits = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let lent = Lent(Arc::new(Mutex::new(Some((body, false)))));
    let request = Request::from_parts(head, Body::new(lent.clone()));
    let response = next.run(request).await;
    let left = lent.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((body, polled)) = left
        // Who waits to be told to go on, and was not, has sent nothing.
        && (polled || !waits)
    {
        let mut rest = Limited::new(body, THROWN_AWAY).into_data_stream();
        // Past this, the connection may break.
        let _ = timeout(WHOLE, async {
            while let Ok(Some(Ok(_))) = timeout(REST_PAUSE, rest.next()).await {}
        })
        .await;
    }
    response
}

/// A body that its handler may read, but not keep, and whether it has.
#[derive(Clone)]
struct Lent(Arc<Mutex<Option<(Body, bool)>>>);

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut lent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((body, polled)) = &mut *lent else {
            return Poll::Ready(None);
        };
        *polled = true;
        Pin::new(body).poll_frame(context)
    }
}

fn kibibytes(bytes: usize) -> u32 {
    // Never more than `MAX_BODY` comes here.
    u32::try_from(bytes >> 10).unwrap_or(u32::MAX) + 1
}
