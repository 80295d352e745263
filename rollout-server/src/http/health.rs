//! `/healthz`, `/readyz` and `/metrics`.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{App, error::ApiError};

/// Whether the process lives: it answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Whether it can do its work: the store answers.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let store = app.store.clone();
    match tokio::task::spawn_blocking(move || store.spool_positions()).await {
        Ok(Ok(_)) => "ready\n".into_response(),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// What it has done so far, as Prometheus reads it.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let text = app.metrics.text(app.store.size());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
