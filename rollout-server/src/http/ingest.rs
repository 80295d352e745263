//! `POST /v1/events:batch`.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use rollout_core::event::EventBatchResponse;

use super::{App, error::ApiError};
use crate::{
    ingest::{Encoding, receive},
    store::Origin,
};

/// Takes a batch. An answer of `accepted` means that the events are committed.
pub(super) async fn batch(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<EventBatchResponse>, ApiError> {
    let encoding = encoding(&headers)?;
    let body = app.bodies.read(&headers, body).await?;
    // Decoding keeps a core busy: no more at a time than there are.
    let turn = app.decoders.acquire().await;
    let received = tokio::task::spawn_blocking(move || receive(&body.bytes, encoding)).await??;
    drop(turn);
    let (accepted, rejected) = (received.events.len() as u64, received.errors.len() as u64);
    if accepted > 0 {
        app.store.append(received.events, Origin::Request).await?;
    }
    app.metrics.events(accepted, rejected);
    Ok(Json(EventBatchResponse {
        accepted,
        rejected,
        // What is wrong with an event stays wrong.
        retryable: false,
        errors: received.errors,
    }))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let Some(header) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(Encoding::Identity);
    };
    header.to_str().ok().and_then(Encoding::of).ok_or_else(|| {
        ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unknown_encoding",
            "Content-Encoding must be gzip, zstd or identity",
        )
    })
}
