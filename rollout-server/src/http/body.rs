//! Bodies of requests, read within bounds of size, time and memory.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use futures::StreamExt;
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
/// What is read and thrown away of a body that is too long, so that its sender, who reads no
/// answer before it has sent, gets to see why.
const THROWN_AWAY: u64 = 1 << 30;

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
        let mut length = 0;
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
            length += chunk.len() as u64;
            if length > THROWN_AWAY {
                break;
            }
            if length > MAX_BODY as u64 {
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(&chunk);
            }
        }
        if length > MAX_BODY as u64 {
            return Err(Refusal::TooLarge.into());
        }
        Ok(Read {
            bytes: bytes.into(),
            _share: share,
        })
    }
}

fn kibibytes(bytes: usize) -> u32 {
    // Never more than `MAX_BODY` comes here.
    u32::try_from(bytes >> 10).unwrap_or(u32::MAX) + 1
}
