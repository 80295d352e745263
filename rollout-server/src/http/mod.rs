//! What the server answers over HTTP.

mod assets;
mod auth;
mod body;
mod compare;
mod curl;
mod download;
mod error;
mod health;
mod ingest;
mod listen;
mod live;
mod login;
mod metrics;
mod origin;
mod otlp;
pub mod pages;
mod query;
mod registry;

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use futures::StreamExt;
use tokio::sync::{Semaphore, watch};

pub use auth::{ApiKey, InvalidKey, Scope};
pub(crate) use listen::serve;

use self::{auth::Access, body::Bodies, error::ApiError, metrics::Metrics, pages::Pages};
use crate::{compare::Kept, store::Store};

/// Scripts, styles and data of our own, and nothing else: captured content is only ever text.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What all handlers share.
#[derive(Clone)]
struct App {
    store: Arc<dyn Store>,
    comparisons: Arc<Kept>,
    access: Access,
    bodies: Bodies,
    decoders: Arc<Semaphore>,
    metrics: Metrics,
    stopping: watch::Receiver<bool>,
}

/// Everything that the server answers. `dir` is where programs of this machine write; a
/// `true` in `stopping` ends answers that would never end.
pub(crate) fn router(
    store: Arc<dyn Store>,
    dir: &Path,
    keys: Vec<ApiKey>,
    stopping: watch::Receiver<bool>,
) -> Router {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let app = App {
        store: Arc::clone(&store),
        comparisons: Arc::default(),
        access: Access::new(keys),
        bodies: Bodies::new(),
        decoders: Arc::new(Semaphore::new(cores)),
        metrics: Metrics::new(),
        stopping,
    };
    let ingest = Router::new()
        .route("/v1/events:batch", post(self::ingest::batch))
        .route("/v1/writers:gone", post(self::ingest::gone))
        .route("/v1/runs/{run_id}", put(registry::run))
        .route("/v1/runs/{run_id}/steps/{number}", put(registry::step))
        .route("/v1/datapoints/{datapoint_id}", put(registry::datapoint))
        .route("/v1/traces", post(otlp::take))
        .route("/api/public/otel/v1/traces", post(otlp::take))
        .route("/api/v1/public/traces", post(otlp::take))
        .route_layer(middleware::from_fn_with_state(
            app.clone(),
            login::require_ingest,
        ));
    let read = Router::new()
        .route("/api/v1/traces", get(query::traces))
        .route("/api/v1/traces/{trace_id}", get(query::trace))
        .route("/api/v1/traces/{trace_id}/spans", get(query::spans))
        .route(
            "/api/v1/traces/{trace_id}/spans/{span_id}",
            get(query::span),
        )
        .route("/api/v1/chart", get(query::chart))
        .route("/api/v1/users", get(query::users))
        .route("/api/v1/sessions", get(query::sessions))
        .route("/api/v1/conversations", get(query::conversations))
        .route("/api/v1/complete", get(query::complete))
        .route("/api/v1/compare", get(compare::compare))
        .route("/api/v1/traces/{trace_id}/search", get(query::search))
        .route("/api/v1/traces/{trace_id}/export", get(download::trace))
        .route(
            "/api/v1/traces/{trace_id}/spans/{span_id}/curl",
            get(query::curl),
        )
        .route("/api/v1/runs", get(query::runs))
        .route("/api/v1/runs/{run_id}", get(query::run))
        .route("/api/v1/runs/{run_id}/datapoints", get(query::datapoints))
        .route("/metrics", get(health::metrics))
        .merge(pages::routes(Pages::new(store, dir, Arc::clone(&app.comparisons))).with_state(()))
        .route_layer(middleware::from_fn_with_state(
            app.clone(),
            login::require_read,
        ));
    let open = Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/login", post(login::log_in));
    Router::new()
        .merge(ingest)
        .merge(read)
        .merge(open)
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .layer(middleware::from_fn_with_state(app.clone(), end_streams))
        .layer(middleware::from_fn_with_state(app.clone(), origin::check))
        .layer(middleware::from_fn(otlp::rephrase))
        .layer(middleware::map_response(harden))
        .layer(middleware::from_fn(body::finish))
        .with_state(app)
}

async fn wrong_method(request: Request) -> ApiError {
    let message = format!("{} is not allowed here", request.method());
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}

async fn nothing_here(request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/api/") || path.starts_with("/v1/") {
        return ApiError::not_found(format!("nothing is served at {path}")).into_response();
    }
    pages::not_found()
}

/// Cuts event streams when the server stops: they would hold it up for ever.
async fn end_streams(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| !kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    let mut stopping = app.stopping;
    let stopped = async move {
        // A server that is gone has stopped too.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(stopped))))
}

async fn harden(mut response: Response) -> Response {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
