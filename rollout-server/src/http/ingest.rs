//! `POST /v1/events:batch`, and `POST /v1/writers:gone`.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, header},
};
use rollout_core::event::EventBatchResponse;

use super::{App, error::ApiError};

/// Says which process recorded the events of a request.
const WRITER: HeaderName = HeaderName::from_static("rollout-writer");
/// What a process may be called: visible ASCII, at most so long.
const WRITER_CHARS: usize = 200;
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
        let origin = Origin::Request(writer(&headers)?);
        let stored = app.store.append(received.events, origin).await;
        stored.map_err(|error| ApiError::not_stored(error, &received.source))?;
    }
    let reasons = received.errors.iter().map(|error| (&*error.code, 1));
    app.metrics.events(accepted, reasons);
    Ok(Json(EventBatchResponse {
        accepted,
        rejected,
        // What is wrong with an event stays wrong.
        retryable: false,
        errors: received.errors,
    }))
}

/// Takes it that a process is gone: what it left open is interrupted. Whoever has taken over what it could not send
/// says so when all of that is sent.
pub(super) async fn gone(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let Some(writer) = writer(&headers)? else {
        return Err(ApiError::bad_request(
            "missing_writer",
            "say which writer: the header `Rollout-Writer` is missing",
        ));
    };
    app.store.writer_gone(&writer).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn writer(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(header) = headers.get(WRITER) else {
        return Ok(None);
    };
    let name = header.to_str().ok().filter(|name| {
        let fits = (1..=WRITER_CHARS).contains(&name.len());
        fits && name.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let problem = || ApiError::bad_request("invalid_writer", "`Rollout-Writer` is no name");
    Ok(Some(name.ok_or_else(problem)?.to_owned()))
}

/// How a request's body is compressed.
pub(super) fn encoding(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let Some(header) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(Encoding::Identity);
    };
    header.to_str().ok().and_then(Encoding::of).ok_or_else(|| {
        ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unknown_encoding",
            "Content-Encoding must be gzip, deflate, zstd or identity",
        )
    })
}
